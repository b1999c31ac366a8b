"""Which TensorRT there is: two libraries with nearly the same Python classes, for different cards."""

import importlib
import importlib.util
import re
from dataclasses import dataclass
from typing import Any

from pymafx_live.core.errors import UsageError
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError

RTX = "tensorrt_rtx"
STANDARD = "tensorrt"
NONE = "neither `tensorrt` nor `tensorrt_rtx` can be imported"
_CONSUMER = re.compile(r"\bRTX\b")


@dataclass(frozen=True, slots=True)
class Flavour:
    """One of the two libraries: its import's name, the module itself, and its version."""

    name: str
    module: Any
    version: str

    @property
    def rtx(self) -> bool:
        """Whether it is TensorRT for RTX: it builds without a GPU, and compiles kernels when it opens an engine."""
        return self.name == RTX

    @property
    def title(self) -> str:
        """The library's name for people."""
        return f"TensorRT{'-RTX' if self.rtx else ''} {self.version}"

    def targets(self) -> dict[str, Any]:
        """The compute capabilities that it can build for ahead, by names such as SM89; none but on RTX."""
        known = self.module.ComputeCapability.__members__ if self.rtx else {}
        return {name: value for name, value in known.items() if name.startswith("SM")}

    def runs_on(self, gpu: Gpu) -> bool:
        """Whether it builds for this GPU at all."""
        return not self.rtx or gpu.sm in self.targets()


def require_library() -> None:
    """Raises `UnavailableError` where neither library is installed: cheaper to find out than anything about the GPU."""
    if not any(map(importlib.util.find_spec, (RTX, STANDARD))):
        raise UnavailableError(NONE)


def find_flavour(gpu: Gpu) -> Flavour:
    """The library for this GPU: for an RTX card the one made for it, else the standard one; else what there is.

    Raises `UnavailableError` where none imports, or none builds for the GPU.
    """
    order = (RTX, STANDARD) if _CONSUMER.search(gpu.name) else (STANDARD, RTX)
    found = [flavour for flavour in map(load, order) if flavour]
    if not found:
        raise UnavailableError(NONE)
    fitting = [flavour for flavour in found if flavour.runs_on(gpu)]
    if not fitting:
        raise UnavailableError(f"{found[0].title} has no kernels for the {gpu.name} ({gpu.sm}): install `tensorrt`")
    return fitting[0]


def load(name: str) -> Flavour | None:
    """The library of that import name, None where it cannot be imported."""
    try:
        module = importlib.import_module(name)
    except (ImportError, OSError):  # a binding whose shared libraries are missing raises either
        return None
    return Flavour(name, module, module.__version__) if hasattr(module, "Builder") else None


def target_name(flavour: Flavour, text: str) -> str:
    """`8.9`, `89`, `sm_89` or `SM89` as SM89; raises `UsageError` where the library cannot build for it ahead."""
    digits = re.fullmatch(r"(?i)(?:sm_?)?(\d+)\.?(\d)", text)
    name = f"SM{digits[1]}{digits[2]}" if digits else text
    targets = flavour.targets()
    if name not in targets:
        known = f"give one of {', '.join(targets)}" if targets else "build on the machine that shall run it"
        raise UsageError(f"{flavour.title} cannot build ahead for {text!r}: {known}.")
    return name
