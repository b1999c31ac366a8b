"""ONNX Runtime: the default on a processor."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from pymafx_live.engines.runtime.interface import DEFAULTS, Array, RunnerOptions, TensorSpec
from pymafx_live.pipeline.errors import NetworkError

ERROR = 3
"""ONNX Runtime's level for messages, so that its warnings about a file do not reach the terminal."""
_DTYPES = {"float": "float32", "double": "float64"}


class OnnxRuntimeRunner:
    """Runs an ONNX file on ONNX Runtime."""

    runtime = "onnxruntime"
    device = "cpu"

    def __init__(self, model: Path, options: RunnerOptions = DEFAULTS) -> None:
        """Raises `NetworkError` when the file cannot be loaded."""
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.log_severity_level = ERROR
        # Threads that spin while they wait would take the cores from the stages that run meanwhile.
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(model), settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own classes share no other base
            raise NetworkError(f"{model} cannot be loaded by ONNX Runtime ({_first_line(error)}).") from error
        self.inputs: Mapping[str, TensorSpec] = {i.name: _spec(i) for i in self._session.get_inputs()}
        self.outputs: Mapping[str, TensorSpec] = {o.name: _spec(o) for o in self._session.get_outputs()}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        try:
            values = self._session.run(None, {name: np.ascontiguousarray(v) for name, v in inputs.items()})
        except Exception as error:
            raise NetworkError(f"ONNX Runtime cannot run this network: {_first_line(error)}") from error
        return dict(zip(self.outputs, values, strict=True))

    def close(self) -> None:
        """Lets the session go."""
        del self._session


def _spec(tensor: ort.NodeArg) -> TensorSpec:
    shape = tuple(n if isinstance(n, int) else None for n in tensor.shape)
    name = tensor.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(shape, _DTYPES.get(name, name))


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
