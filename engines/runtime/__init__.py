"""Runtimes that execute networks. `open_runner` picks one; nobody else imports their libraries."""

from pymafx_live.engines.runtime.interface import Runner, RunnerOptions, TensorSpec
from pymafx_live.engines.runtime.selection import RUNTIMES, Choice, choices, for_onnx, open_runner
from pymafx_live.engines.runtime.validation import as_numpy

__all__ = [
    "RUNTIMES",
    "Choice",
    "Runner",
    "RunnerOptions",
    "TensorSpec",
    "as_numpy",
    "choices",
    "for_onnx",
    "open_runner",
]
