"""What we use of TensorRT against its real bindings: same classes, methods, arguments, properties and enums.

The stand-in has all that we call, and what our code names of the module is read off the code itself.
"""

import ast
import enum
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pymafx_live.engines.runtime.tensorrt as package
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu
from support.bindings import Bindings, Library, installed, standard_bindings

pytestmark = pytest.mark.slow
pytest.importorskip("onnx")

LIBRARIES = {
    "rtx": (),
    "10.8": ("tensorrt-cu12-bindings", "10.8.0.43"),  # the oldest that pyproject.toml admits
    "10.16": ("tensorrt-cu12-bindings", "10.16.1.11"),  # the last one before 11
    "11.4": ("tensorrt-cu13-bindings", "11.4.0.106"),
}
ONLY_RTX = {
    "ComputeCapability": None,
    "CudaGraphStrategy": None,
    "DynamicShapesKernelSpecializationStrategy": None,
    "IRuntimeCache": None,
    "IRuntimeConfig": None,  # the standard library's lacks what we set in it
    "IBuilderConfig": {"set_compute_capability", "num_compute_capabilities"},
    "ICudaEngine": {"create_runtime_config"},
}
"""Classes, or those of their members, of which the standard library has none; it must be run without them."""
OTHER_VALUE = {("10", "NetworkDefinitionCreationFlag")}
"""Enums whose values a major version numbers differently; we read them from the library."""
SET = {
    "IBuilderConfig": ("progress_monitor", "num_compute_capabilities"),
    "ICudaEngine": ("device_memory_size_v2",),
    "IRuntimeConfig": ("cuda_graph_strategy", "dynamic_shapes_kernel_specialization_strategy"),
    "ITensor": ("name", "shape"),
    "ILayer": ("name",),
}
"""What is a plain attribute of the stand-in."""


@pytest.fixture(scope="module", params=LIBRARIES)
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bindings:
    wheel = LIBRARIES[request.param]
    return standard_bindings(*wheel, tmp_path_factory.mktemp("bindings")) if wheel else installed("tensorrt_rtx")


@pytest.fixture(scope="module")
def real(bindings: Bindings) -> Library:
    return bindings.described()


def is_rtx(real: Library) -> bool:
    return "CudaGraphStrategy" in real.classes


def wanted(real: Library, name: str, key: str = "") -> bool:
    """Whether we ask that library for a class, or for a member of it."""
    if is_rtx(real) or name not in ONLY_RTX:
        return True
    members = ONLY_RTX[name]
    return members is not None and key not in members


def public(fake: ModuleType, real: Library) -> dict[str, type]:
    """The stand-in's own classes by name that we ask of this library."""
    own = {k: v for k, v in vars(fake).items() if isinstance(v, type) and v.__module__ == fake.__name__}
    return {name: cls for name, cls in own.items() if wanted(real, name)}


def members(real: Library, name: str, cls: type) -> dict[str, Any]:
    """What a class has itself that we ask for, without what Python gives to all."""
    return {k: v for k, v in vars(cls).items() if not k.startswith("_") and wanted(real, name, k)}


def named_by_us() -> Iterator[str]:
    """What our code names of the module `trt`: classes, and with a dot what it names of them."""
    for path in Path(package.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            parts: list[str] = []
            while isinstance(node, ast.Attribute):
                parts.insert(0, node.attr)
                node = node.value
            if parts and isinstance(node, ast.Name) and node.id == "trt":
                yield ".".join(parts)


def test_every_name_in_our_code_is_real(real: Library) -> None:
    names = set(named_by_us())
    assert len(names) > 20
    for name in names:
        *outer, last = name.split(".")
        if not wanted(real, name.split(".")[0]):
            continue
        if last == "__init__":
            assert ".".join(outer) in real.classes, name
        elif outer and ".".join(outer) in real.classes and name not in real.classes:
            assert last in real.classes[".".join(outer)].members, name
        else:
            assert name in real.classes, name


def test_every_class_and_enum_is_real(fake: ModuleType, real: Library) -> None:
    found = public(fake, real)
    assert len(found) > 20
    assert not found.keys() - real.classes.keys()


def test_enums_have_the_real_members_and_values(fake: ModuleType, real: Library) -> None:
    enums = {k: v for k, v in public(fake, real).items() if issubclass(v, enum.Enum)}
    enums["ILogger.Severity"] = fake.ILogger.Severity
    assert len(enums) >= 9
    for name, kind in enums.items():
        for member in kind:
            value = real.classes[name].members[member.name]
            if (real.version.partition(".")[0], name) not in OTHER_VALUE:
                assert value == int(member), f"{name}.{member.name}"


def test_methods_take_the_real_arguments(fake: ModuleType, real: Library) -> None:
    checked = 0
    for name, cls in public(fake, real).items():
        if issubclass(cls, enum.Enum):
            continue
        for key, value in members(real, name, cls).items():
            if not inspect.isfunction(value):
                continue
            signatures = real.classes[name].overloads(key)
            given = list(inspect.signature(value).parameters)
            assert given in signatures, f"{name}.{key}{given} is none of {signatures}"
            checked += 1
    assert checked >= 30


@pytest.mark.parametrize("name", ["Builder", "OnnxParser", "Runtime"])
def test_constructors_take_the_real_arguments(fake: ModuleType, real: Library, name: str) -> None:
    given = list(inspect.signature(getattr(fake, name).__init__).parameters)
    assert given in real.classes[name].overloads("__init__")


def test_properties_are_real_properties(fake: ModuleType, real: Library) -> None:
    checked = 0
    for name, cls in public(fake, real).items():
        own = [key for key, value in members(real, name, cls).items() if isinstance(value, property)]
        plain = [key for key in SET.get(name, ()) if wanted(real, name, key)]
        for key in [] if issubclass(cls, enum.Enum) else own + plain:
            assert key in real.classes[name].properties, f"{name}.{key}"
            checked += 1
    assert checked >= 12


def test_a_layer_can_be_seen_as_what_it_is(real: Library) -> None:
    assert "ILayer" in real.bases["IGridSampleLayer"]


def test_a_library_that_gives_nothing_is_said_in_a_sentence(bindings: Bindings, make_network: Any) -> None:
    """As without a driver: the binding then raises where one would think of None. The stubs always give nothing."""
    if bindings.module == "tensorrt_rtx":
        pytest.skip("it builds without a GPU")
    code = f"""
from pathlib import Path
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.tensorrt.flavour import STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.loading import load_engine
from pymafx_live.engines.runtime.tensorrt.messages import make_logger
from pymafx_live.engines.runtime.tensorrt.parsing import parse
flavour, logger = Flavour(STANDARD, trt, trt.__version__), make_logger(trt)
try:
    parse(flavour, Path({str(make_network())!r}), logger)
except NetworkError as error:
    print(error)
print(load_engine(flavour, b"", logger, b""))
"""
    done = bindings.python(code)
    assert done.returncode == 0, done.stderr
    said, loaded = done.stdout.splitlines()
    assert said.startswith("TensorRT 1") and "cannot start a build" in said and loaded == "None"


@pytest.mark.parametrize("name", [STANDARD, RTX])
def test_the_standard_library_is_run_without_what_only_rtx_has(
    name: str, fake: ModuleType, make_network: Callable[..., Path], small_inputs: Any, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
    from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on

    for cls, only in ONLY_RTX.items():
        for key in only or ():
            if key in vars(getattr(fake, cls)):
                delattr(getattr(fake, cls), key)
        if only is None:
            delattr(fake, cls)
    site = Site(Flavour(name, fake, "1"), Gpu("NVIDIA L4", (8, 9), "580.65", 24 << 30), HostMemory())
    if name == RTX:  # so that what is taken away is what it needs
        with pytest.raises((AttributeError, NetworkError)):
            open_on(site, make_network(), RunnerOptions(cache=tmp_path))
        return
    found = open_on(site, make_network(), RunnerOptions(cache=tmp_path)).run(small_inputs(3))
    assert np.isfinite(np.asarray(found["sums"])).all()
