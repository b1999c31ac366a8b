"""Which runtime executes a network: the one that is asked for, or the best that this machine has."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import NetworkError, UsageError
from pymafx_live.engines.runtime.interface import DEFAULTS, Runner, RunnerOptions

logger = logging.getLogger(__name__)

RUNTIMES = ("auto", "tensorrt", "torch-tensorrt", "onnxruntime", "openvino", "torch")
FOR_MODULES = ("torch-tensorrt", "torch")
"""Runtimes that are made for a PyTorch module, which only PyMAF-X is."""
ON_TENSOR_CORES = ("tensorrt", "torch-tensorrt")
"""Runtimes that always run on a GPU which is faster at halves."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A runtime, and why it is chosen, as part of a sentence."""

    runtime: str
    why: str


def choices(*, modules: bool = False) -> list[Choice]:
    """What `auto` tries on this machine, the best first; the last one is always there.

    A GPU comes before the processor, whatever reaches it; PyTorch only where `modules` can be run too.
    """
    gpu, openvino = _reason_against("tensorrt"), _reason_against("openvino")
    found = []
    if gpu is None:
        found.append(Choice("tensorrt", "an NVIDIA GPU and TensorRT are there"))
    if modules and gpu is not None and _torch_reaches_gpu():
        found.append(Choice("torch", f"PyTorch reaches the GPU, and {gpu}"))
    if _onnx_runtime_reaches_gpu():
        found.append(Choice("onnxruntime", f"it reaches the GPU{f', and {gpu}' if gpu else ''}"))
    if openvino is None:
        found.append(Choice("openvino", f"OpenVINO is the fastest on processors{f', and {gpu}' if gpu else ''}"))
    against = [reason for reason in (gpu, openvino) if reason]
    return [*found, Choice("onnxruntime", " and ".join(against) or "it runs everywhere")]


def _torch_reaches_gpu() -> bool:
    """PyTorch takes seconds to import, so where there is no driver it is left alone."""
    from pymafx_live.engines.runtime.tensorrt.gpu import UnavailableError, find_gpu

    try:
        find_gpu()
    except UnavailableError:
        return False
    return True


def _onnx_runtime_reaches_gpu() -> bool:
    from pymafx_live.engines.runtime.tensorrt.gpu import has_driver

    if not has_driver():
        return False
    from pymafx_live.engines.runtime.ort import has_cuda

    return has_cuda()


def may_use_gpu(runtime: str) -> bool:
    """Whether `open_runner` may bring a network to a GPU where PyTorch takes its outputs, for an ONNX `runtime`."""
    if runtime == "auto":
        return _reason_against("tensorrt") is None or _onnx_runtime_reaches_gpu()
    return runtime == "tensorrt" or (runtime == "onnxruntime" and _onnx_runtime_reaches_gpu())


def for_onnx(runtime: str) -> str:
    """The runtime for a network that exists as ONNX only, where a user asks for `runtime` for the whole run."""
    return "auto" if runtime in FOR_MODULES else runtime


def open_runner(model: Path, runtime: str = "auto", options: RunnerOptions = DEFAULTS) -> Runner:
    """The ONNX file `model` on a runtime; `auto` goes on to the next best where one fails, and logs why.

    Raises `UsageError` for a runtime that is unknown, not installed or not for ONNX files, `NetworkError` where it
    cannot build or load the network.
    """
    if runtime not in RUNTIMES:
        raise UsageError(f"there is no runtime {runtime!r}: give one of {', '.join(RUNTIMES)}.")
    if not model.is_file():
        raise NetworkError(f"the network {model} is missing: check the path.")
    if runtime != "auto":
        return open_on(model, runtime, options)
    *better, last = choices()
    for choice in better:
        try:
            runner = open_on(model, choice.runtime, options)
        except NetworkError as error:
            logger.warning("%s The next runtime is tried.", error)
        else:
            logger.info("%s runs on %s: %s.", model.name, choice.runtime, choice.why)
            return runner
    runner = open_on(model, last.runtime, options)
    logger.info("%s runs on %s: %s.", model.name, last.runtime, last.why)
    return runner


def open_on(model: Path, runtime: str, options: RunnerOptions = DEFAULTS) -> Runner:
    """The file on this one runtime, not `auto`; raises what `open_runner` does."""
    runner = _opened(model, runtime, options)
    for wrap in _wraps:
        runner = wrap(runner)
    return runner


@contextmanager
def wrapping(wrap: Callable[[Runner], Runner]) -> Iterator[None]:
    """Every runner that is opened within, by any thread, is what `wrap` makes of it, for measuring."""
    _wraps.append(wrap)
    try:
        yield
    finally:
        _wraps.remove(wrap)


_wraps: list[Callable[[Runner], Runner]] = []


def _opened(model: Path, runtime: str, options: RunnerOptions) -> Runner:
    _need_package(runtime)
    match runtime:
        case "onnxruntime":
            from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner

            return OnnxRuntimeRunner(model, options)
        case "openvino":
            from pymafx_live.engines.runtime.openvino import OpenVinoRunner

            return OpenVinoRunner(model, options)
        case "torch":
            raise UsageError(f"PyTorch runs modules, not ONNX files: give another runtime for {model}.")
        case _:
            if (reason := _reason_against(runtime)) is not None:
                raise NetworkError(f"{model} cannot run on {runtime}: {reason}.")
            runner: Runner = getattr(_module(runtime), f"open_{_name(runtime)}")(model, options)
            return runner


PACKAGES = {
    "tensorrt": ("tensorrt", "tensorrt_rtx"),
    "torch-tensorrt": ("torch_tensorrt", "torch_tensorrt_rtx"),
    "openvino": ("openvino",),
    "torch": ("torch",),
}
"""What each runtime imports; one of them is enough. The extra has the runtime's name."""


def _need_package(runtime: str) -> None:
    packages = PACKAGES.get(runtime, ())
    if packages and not any(find_spec(package) for package in packages):
        raise UsageError(
            f"the runtime {runtime} needs the package {' or '.join(packages)}: pip install 'pymafx-live[{runtime}]'."
        )


def _reason_against(runtime: str) -> str | None:
    """Why a runtime cannot be used here, or None."""
    module = _module(runtime)
    if module is None:
        return f"this version has no {runtime}"
    reason: str | None = module.available()
    return reason


def runtime_identity(runtime: str, device: int = 0) -> tuple[str, ...]:
    """What decides how a compiled runtime computes here: library, card and driver. Raises `NetworkError`."""
    from pymafx_live.engines.runtime.tensorrt.gpu import UnavailableError

    try:
        found: tuple[str, ...] = _module(runtime).identity(device)
    except UnavailableError as error:
        raise NetworkError(f"{runtime} cannot be used on this machine: {error}.") from error
    return found


def _module(runtime: str) -> Any:
    """The runtime's module, or None where this version lacks it."""
    name = f"pymafx_live.engines.runtime.{_name(runtime)}"
    return import_module(name) if find_spec(name) else None


def _name(runtime: str) -> str:
    return runtime.replace("-", "_")
