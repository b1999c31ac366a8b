"""Runtimes that execute networks. `open_runner` picks one by name; nobody else imports their libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymafx_live.engines.runtime.interface import DEFAULTS, Runner, RunnerOptions, TensorSpec
from pymafx_live.pipeline.errors import UsageError

if TYPE_CHECKING:
    from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner

__all__ = ["RUNTIMES", "Runner", "RunnerOptions", "TensorSpec", "open_runner"]

RUNTIMES = ("auto", "onnxruntime", "torch")


def open_runner(model: Path, runtime: str = "auto", options: RunnerOptions = DEFAULTS) -> OnnxRuntimeRunner:
    """The ONNX file `model` on a runtime. Raises `UsageError` for an unknown one, `NetworkError` where it fails."""
    match runtime:
        case "auto" | "onnxruntime":
            from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner

            return OnnxRuntimeRunner(model, options)
        case name:
            raise UsageError(f"there is no runtime {name!r}: give one of {', '.join(RUNTIMES)}.")
