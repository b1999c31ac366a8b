"""ONNX Runtime: on a processor, and on what else the user's build of it can use.

A build for CUDA or DirectML is used as such. Other providers are used where `RunnerOptions.providers` names them:
TensorRT's builds engines for minutes, and CoreML computes in half precision.
"""

import logging
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.errors import NetworkError, UsageError, first_line
from pymafx_live.engines.runtime import telemetry
from pymafx_live.engines.runtime.interface import DEFAULTS, Array, RunnerOptions, TensorSpec, made
from pymafx_live.engines.runtime.validation import check_inputs

telemetry.switch_off()
import onnxruntime as ort  # noqa: E402

logger = logging.getLogger(__name__)

ERROR = 3
"""ONNX Runtime's level for messages, so that its warnings about a file do not reach the terminal."""
CPU, CUDA, DIRECTML = "CPUExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"
PREFERRED = (CUDA, DIRECTML)
ON_CUDA = (CUDA, "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider")
"""Providers that take and give arrays in a GPU's memory."""
CUDA_OPTIONS = {
    "use_tf32": "0",  # as everywhere here: it rounds products to ten bits
    "cudnn_conv_algo_search": "HEURISTIC",  # the exhaustive search stalls at each new batch
}
_DTYPES = {"float": "float32", "double": "float64"}


class OnnxRuntimeRunner:
    """Runs an ONNX file on ONNX Runtime."""

    runtime = "onnxruntime"

    def __init__(self, model: Path, options: RunnerOptions = DEFAULTS) -> None:
        """Raises `NetworkError` when the file cannot be loaded, `UsageError` for a provider that is not there."""
        wanted = _providers(options.providers, ort.get_available_providers())
        if CUDA in wanted:
            _load_cuda()
        if wanted[0] in ON_CUDA:
            model = options.on_gpu(model)
        try:
            self._session = ort.InferenceSession(
                str(model),
                _settings(options, wanted),
                providers=wanted,
                provider_options=[_provider_options(p, options.device) for p in wanted],
            )
        except Exception as error:  # ONNX Runtime's own classes share no other base
            raise NetworkError(f"{model} cannot be loaded by ONNX Runtime ({first_line(error)}).") from error
        self.providers: tuple[str, ...] = tuple(self._session.get_providers())
        """What ONNX Runtime really uses: it leaves out a provider whose libraries do not load."""
        self.device = f"cuda:{options.device}" if self.providers[0] in ON_CUDA else "cpu"
        self._place = _place(self.device)
        place = "the processor" if self.providers[0] == CPU else self.providers[0].removesuffix("ExecutionProvider")
        self.about = f"ONNX Runtime {ort.__version__} on {place}"
        if self.providers[0] != wanted[0]:
            _say_once(
                f"ONNX Runtime could not load its {wanted[0]}, so networks run on {place}: it needs the CUDA and cuDNN "
                "that it was built for, which pip install 'onnxruntime-gpu[cuda,cudnn]' brings"
            )
        self.inputs: Mapping[str, TensorSpec] = {i.name: _spec(i) for i in self._session.get_inputs()}
        self.outputs: Mapping[str, TensorSpec] = {o.name: _spec(o) for o in self._session.get_outputs()}
        self._max_batch = options.max_batch
        self._made: dict[str, Any] = {}
        """The outputs of the last call as ONNX Runtime has them."""

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`; torch tensors are taken too, and on a GPU given back where torch is installed."""
        batch = check_inputs(inputs, self.inputs, self._max_batch)
        try:
            # On a processor binding spares nothing that could be measured.
            if self._place is None and all(isinstance(value, np.ndarray) for value in inputs.values()):
                values = self._session.run(None, {name: np.ascontiguousarray(v) for name, v in inputs.items()})
                return dict(zip(self.outputs, values, strict=True))
            return self._run_bound(inputs, batch)
        except Exception as error:
            raise NetworkError(f"ONNX Runtime cannot run this network: {first_line(error)}.") from error

    def close(self) -> None:
        """Lets the session go."""
        self._made.clear()
        del self._session

    def _run_bound(self, inputs: Mapping[str, Array], batch: int) -> dict[str, Array]:
        """Runs on the arrays where they lie, so that what is on the GPU stays there."""
        binding = self._session.io_binding()
        kept = {name: _bind_input(binding, name, value) for name, value in inputs.items()}
        tensors = {name: self._bind_output(binding, name, spec, batch) for name, spec in self.outputs.items()}
        _wait_for(self.device)
        self._session.run_with_iobinding(binding)  # returns when the outputs are there
        del kept
        self._made = dict(zip(self.outputs, binding.get_outputs(), strict=True))
        return {name: self._taken(self._made[name]) if value is None else value for name, value in tensors.items()}

    def _bind_output(self, binding: Any, name: str, spec: TensorSpec, batch: int) -> Array | None:
        """Binds a tensor that ONNX Runtime fills, or None where it makes room itself, as it alone knows the size."""
        if self._place is None:
            binding.bind_output(name, "cpu")
            return None
        import torch

        shape = [batch if i == 0 and n is None else n for i, n in enumerate(spec.shape)]
        if None in shape:
            binding.bind_output(name, self._place.type, self._place.index or 0)
            return None
        tensor = torch.empty(shape, dtype=getattr(torch, spec.dtype), device=self._place)
        _bind(binding.bind_output, name, tensor)
        return tensor

    def _taken(self, value: Any) -> Array:
        """What ONNX Runtime has made room for, where it lies; it must live as long."""
        if self._place is None or not hasattr(value, "__dlpack__"):
            return value.numpy()
        import torch

        return torch.from_dlpack(value)


def has_cuda() -> bool:
    """Whether this build of ONNX Runtime has CUDA's provider; says so where another build hides it."""
    if CUDA in ort.get_available_providers():
        return True
    if _is_installed("onnxruntime-gpu"):
        _say_once(
            "onnxruntime-gpu is installed, but another build of onnxruntime lies over it and has no CUDA: "
            "pip uninstall -y onnxruntime onnxruntime-gpu, then pip install onnxruntime-gpu"
        )
    return False


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@cache
def _say_once(sentence: str) -> None:
    logger.warning("%s", sentence)


@cache
def _load_cuda() -> None:
    """Loads CUDA and cuDNN where pip or PyTorch has put them, which is not where the system looks."""
    if hasattr(ort, "preload_dlls"):  # ONNX Runtime 1.21
        ort.preload_dlls()


def _provider_options(provider: str, device: int) -> dict[str, str]:
    if provider not in ON_CUDA:
        return {}
    return {"device_id": str(device)} | (CUDA_OPTIONS if provider == CUDA else {})


def _providers(asked: Sequence[str], there: Sequence[str]) -> list[str]:
    """The providers to ask for, the processor last; raises `UsageError` for one that this build lacks."""
    for provider in asked:
        if provider not in there:
            raise UsageError(f"this build of ONNX Runtime has no {provider}: it has {', '.join(there)}.")
    chosen = list(asked) or [p for p in PREFERRED if p in there]
    return [*(p for p in chosen if p != CPU), CPU]


def _settings(options: RunnerOptions, providers: Sequence[str]) -> Any:
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.log_severity_level = ERROR
    settings.enable_mem_pattern = DIRECTML not in providers  # which cannot
    # Threads that spin while they wait would take the cores from the stages that run meanwhile.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return settings


def _bind_input(binding: Any, name: str, value: Array) -> Array:
    """Binds an input; what is returned must live until the run is over."""
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        binding.bind_cpu_input(name, array)
        return array
    tensor = made(value).contiguous()
    _bind(binding.bind_input, name, tensor)
    return tensor


def _bind(bind: Any, name: str, tensor: Any) -> None:
    dtype = np.dtype(str(tensor.dtype).removeprefix("torch.")).type
    bind(name, tensor.device.type, tensor.device.index or 0, dtype, tuple(tensor.shape), tensor.data_ptr())


def _wait_for(device: str) -> None:
    """Waits for whoever fills the inputs on torch's stream: ONNX Runtime works on one of its own."""
    torch = _torch(device)
    if device != "cpu" and torch is not None:
        torch.cuda.current_stream(device).synchronize()


def _place(device: str) -> Any:
    """The device in PyTorch on which outputs stay, or None where they are to be numpy arrays."""
    torch = None if device == "cpu" else _torch(device)
    return None if torch is None else torch.device(device)


def _torch(device: str) -> Any:
    """The module torch, or None where it is not installed or cannot use that device."""
    try:
        import torch
    except ImportError:
        return None
    return None if device.startswith("cuda") and not torch.cuda.is_available() else torch


def _spec(tensor: ort.NodeArg) -> TensorSpec:
    shape = tuple(n if isinstance(n, int) else None for n in tensor.shape)
    name = tensor.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(shape, _DTYPES.get(name, name))
