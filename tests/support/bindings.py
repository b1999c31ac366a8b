"""The real Python bindings of TensorRT, described: what classes, methods, arguments, properties and enums they have.

Those of TensorRT-RTX are installed by an extra. NVIDIA's standard TensorRT is 2 GB beside a small wheel of bindings,
which PyPI has: they are loaded over stub libraries with the few symbols that they want. Each is looked at in a
process of its own.
"""

import enum
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

STUBS = """
void *createInferBuilder_INTERNAL(void) { return 0; }
void *createInferRefitter_INTERNAL(void) { return 0; }
void *createInferRuntime_INTERNAL(void) { return 0; }
void *createNvOnnxParser_INTERNAL(void) { return 0; }
void *createNvOnnxParserRefitter_INTERNAL(void) { return 0; }
void *getBuilderPluginRegistry(void) { return 0; }
void *getPluginRegistry(void) { return 0; }
int getNvOnnxParserVersion(void) { return 0; }
int initLibNvInferPlugins(void) { return 0; }
"""
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")


@dataclass(frozen=True, slots=True)
class Class:
    """What a class of a binding has: its enum's members, its properties, and each method's docstring."""

    members: dict[str, int]
    properties: list[str]
    methods: dict[str, str]

    def overloads(self, method: str) -> list[list[str]]:
        """The names of the arguments in each signature that pybind11 wrote into a method's docstring."""
        found = re.findall(rf"^(?:\d+\. )?{method}\((.*)\) -> ", self.methods[method], re.M)
        return [[part.partition(":")[0].strip() for part in _split(arguments)] for arguments in found]


@dataclass(frozen=True, slots=True)
class Library:
    """A binding: its version, its classes by name (nested ones with a dot), and each one's bases."""

    version: str
    classes: dict[str, Class]
    bases: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Bindings:
    """How a Python is started that imports them."""

    module: str
    environment: dict[str, str]

    def python(self, code: str) -> subprocess.CompletedProcess[str]:
        """What a process says in which `trt` is the module."""
        start = f"import {self.module} as trt\n{code}"
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            [sys.executable, "-c", start], env=environment, capture_output=True, text=True, timeout=120
        )

    def described(self) -> Library:
        """All that the binding has."""
        tests = str(Path(__file__).parents[1])
        code = f"import sys; sys.path.append({tests!r})\nfrom support.bindings import describe\ndescribe(trt)"
        done = self.python(code)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        classes = {name: Class(**found) for name, found in told["classes"].items()}
        return Library(told["version"], classes, told["bases"])


def standard_bindings(package: str, version: str, folder: Path) -> Bindings:
    """NVIDIA's wheel of that package, in `folder`, over stubs; skips without a C compiler or a way to the wheel."""
    gcc = shutil.which("gcc")
    if gcc is None or sys.platform != "linux":
        pytest.skip("no gcc, or not Linux: stub libraries cannot be made")
    _download(f"{package}=={version}", folder)
    (wheel,) = folder.glob("*.whl")
    with ZipFile(wheel) as content:
        content.extractall(folder)
    source = folder / "stubs.c"
    source.write_text(STUBS)
    major = version.partition(".")[0]
    for library in LIBRARIES:
        name = f"{library}.so.{major}"
        command = [gcc, "-shared", "-fPIC", "-o", name, f"-Wl,-soname,{name}", source.name]
        subprocess.run(command, cwd=folder, check=True, timeout=60)
    return Bindings("tensorrt_bindings", {"PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(folder)})


def _download(requirement: str, folder: Path) -> None:
    wanted = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    try:
        command = [sys.executable, "-m", "pip", "download", "--quiet", *wanted]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        pytest.skip(f"pip download {requirement} does not end: is there a way to its packages?")
    if done.returncode:
        pytest.skip(f"pip download {requirement} fails: {' '.join(done.stderr.split())[-200:]}")


def describe(module: Any) -> None:
    """Prints what `Bindings.described` reads."""
    classes: dict[str, Any] = {}
    bases: dict[str, list[str]] = {}

    def add(name: str, cls: type) -> None:
        members = getattr(cls, "__members__", {})
        found: dict[str, Any] = {"members": {}, "properties": [], "methods": {}}
        found["members"] = {key: int(value) for key, value in members.items()}
        classes[name], bases[name] = found, [base.__name__ for base in cls.__mro__]
        for key in dir(cls):
            value = getattr(cls, key)
            if key in members or (key.startswith("_") and key != "__init__"):
                continue
            if isinstance(value, property):
                found["properties"].append(key)
            elif isinstance(value, type):
                add(f"{name}.{key}", value)
            elif callable(value):
                found["methods"][key] = value.__doc__ or ""

    for key, value in vars(module).items():
        if isinstance(value, type) and not issubclass(value, enum.Enum):
            add(key, value)
    print(json.dumps({"version": module.__version__, "classes": classes, "bases": bases}))


def installed(module: str) -> Bindings:
    """Those of a package that is installed; skips where it is not."""
    pytest.importorskip(module)
    return Bindings(import_module(module).__name__, {})


def _split(arguments: str) -> list[str]:
    """The arguments of a signature, where a comma inside brackets parts none."""
    depth, parts = 0, [""]
    for letter in arguments:
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
