"""The stand-in of TensorRT's binding against the real one: same classes, methods, arguments and enums."""

import enum
import inspect
import re
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")
pytest.importorskip("onnx")


def public(fake: ModuleType) -> dict[str, type]:
    """The stand-in's own classes by name."""
    return {k: v for k, v in vars(fake).items() if isinstance(v, type) and v.__module__ == fake.__name__}


def members(cls: type) -> dict[str, Any]:
    """What a class has itself, without what Python gives to all."""
    return {k: v for k, v in vars(cls).items() if not k.startswith("_")}


def split(arguments: str) -> list[str]:
    """The arguments of a signature, where a comma inside brackets parts none."""
    depth, parts = 0, [""]
    for letter in arguments:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def overloads(method: Any) -> list[list[str]]:
    """The names of the arguments in each signature that pybind11 wrote into a docstring."""
    name = method.__name__
    found = re.findall(rf"^(?:\d+\. )?{name}\((.*)\) -> ", method.__doc__, re.M)
    return [[part.partition(":")[0].strip() for part in split(arguments)] for arguments in found]


def test_every_class_and_enum_is_real(fake: ModuleType) -> None:
    found = public(fake)
    assert len(found) > 25
    missing = {name for name in found if not hasattr(trt, name)}
    assert not missing


def test_enums_have_the_real_members_and_values(fake: ModuleType) -> None:
    enums = {k: v for k, v in public(fake).items() if issubclass(v, enum.Enum)}
    enums["ILogger.Severity"] = fake.ILogger.Severity
    assert len(enums) == 12
    for name, kind in enums.items():
        real = trt.ILogger.Severity if "." in name else getattr(trt, name)
        for member in kind:
            assert int(getattr(real, member.name)) == int(member), f"{name}.{member.name}"


def test_methods_take_the_real_arguments(fake: ModuleType) -> None:
    checked = 0
    for name, cls in public(fake).items():
        if issubclass(cls, enum.Enum):
            continue
        for key, value in members(cls).items():
            if not inspect.isfunction(value):
                continue
            real = getattr(getattr(trt, name), key)
            wanted = list(inspect.signature(value).parameters)
            assert wanted in overloads(real), f"{name}.{key}{wanted} is none of {overloads(real)}"
            checked += 1
    assert checked >= 40


@pytest.mark.parametrize("name", ["Builder", "OnnxParser", "Runtime"])
def test_constructors_take_the_real_arguments(fake: ModuleType, name: str) -> None:
    wanted = list(inspect.signature(getattr(fake, name).__init__).parameters)
    assert wanted in overloads(getattr(trt, name).__init__)


def test_properties_are_real_properties(fake: ModuleType) -> None:
    checked = 0
    for name, cls in public(fake).items():
        for key, value in members(cls).items():
            if isinstance(value, property) and not issubclass(cls, enum.Enum):
                assert isinstance(getattr(getattr(trt, name), key), property), f"{name}.{key}"
                checked += 1
    assert checked >= 8


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("IBuilderConfig", "progress_monitor"),
        ("IBuilderConfig", "num_compute_capabilities"),
        ("ICudaEngine", "device_memory_size_v2"),
        ("IRuntimeConfig", "cuda_graph_strategy"),
        ("IRuntimeConfig", "dynamic_shapes_kernel_specialization_strategy"),
        ("ITensor", "name"),
        ("ITensor", "shape"),
        ("ILayer", "name"),
    ],
)
def test_plain_attributes_are_real_properties(name: str, key: str) -> None:
    assert isinstance(getattr(getattr(trt, name), key), property)


def test_a_layer_can_be_seen_as_what_it_is() -> None:
    assert issubclass(trt.IGridSampleLayer, trt.ILayer)
