"""Runtimes that execute networks. `open_runner` picks one; nobody else imports their libraries."""

from pymafx_live.engines.runtime.fetch import Fetch, as_numpy
from pymafx_live.engines.runtime.interface import Runner, RunnerOptions, TensorSpec
from pymafx_live.engines.runtime.selection import RUNTIMES, Choice, choices, for_onnx, may_use_gpu, open_runner

__all__ = [
    "RUNTIMES",
    "Choice",
    "Fetch",
    "Runner",
    "RunnerOptions",
    "TensorSpec",
    "as_numpy",
    "choices",
    "for_onnx",
    "may_use_gpu",
    "open_runner",
]
