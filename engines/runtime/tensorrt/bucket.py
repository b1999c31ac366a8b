"""One batch size of an engine: its context, its fixed buffers, and how it is launched."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.interface import Array
from pymafx_live.engines.runtime.tensorrt.memory import Call, Memory
from pymafx_live.engines.runtime.tensorrt.messages import reason
from pymafx_live.engines.runtime.tensorrt.tensors import Tensors
from torch import Tensor


class Bucket:
    """Runs one batch size. All addresses are set once, so that a CUDA graph of it stays valid."""

    def __init__(
        self,
        size: int,
        shapes: Mapping[str, tuple[int, ...]],
        profile: int,
        context: Any,
        tensors: Tensors,
        memory: Memory,
        logger: Any,
    ) -> None:
        """Raises `NetworkError` for whatever TensorRT refuses, and `MemoryError`."""
        self.size = size
        self._context, self._memory, self._logger = context, memory, logger
        with memory.ordered():
            if not context.set_optimization_profile_async(profile, memory.stream):
                self._fail("refuses its profile")
        for name, shape in shapes.items():
            if not context.set_input_shape(name, shape):
                self._fail(f"refuses the shape of {name!r}")
        self._infer_shapes()
        self._inputs = {k: memory.empty(shapes[k], s.dtype) for k, s in tensors.inputs.items()}
        self._staging = {k: memory.staging(shapes[k], s.dtype) for k, s in tensors.inputs.items()}
        self._host = {k: buffer.numpy() for k, buffer in self._staging.items()}
        self.outputs = {k: memory.empty(self._output_shape(k), s.dtype) for k, s in tensors.outputs.items()}
        for name, buffer in (self._inputs | self.outputs).items():
            if not context.set_tensor_address(name, buffer.data_ptr()):
                self._fail(f"refuses the address of {name!r}")
        self.launch: Call = self._execute

    def warm_up(self) -> None:
        """Runs it once, on zeros."""
        with self._memory.ordered():
            self._execute()
            self._memory.finish()

    def capture(self) -> None:
        """Has later launches replay one CUDA graph; raises `RuntimeError` where the engine does not allow it."""
        self.launch = self._memory.capture(self._execute)

    def fill(self, inputs: Mapping[str, Array]) -> None:
        """Copies the inputs into the first rows of the buffers; the other rows keep what they hold."""
        self._memory.wait_for_uploads()
        for name, value in inputs.items():
            rows = slice(value.shape[0]) if value.ndim else ...
            if not isinstance(value, Tensor):
                np.copyto(self._host[name][rows], value)
                value = self._staging[name][rows]
            self._inputs[name][rows].copy_(value, non_blocking=True)
        self._memory.note_uploads()

    def _execute(self) -> None:
        if not self._context.execute_async_v3(self._memory.stream):
            self._fail("fails")

    def _infer_shapes(self) -> None:
        try:
            missing = self._context.infer_shapes()
        except RuntimeError as error:
            raise NetworkError(f"TensorRT cannot infer shapes for a batch of {self.size}: {error}.") from error
        if missing:
            self._fail(f"lacks the shape of {', '.join(map(repr, missing))}")

    def _output_shape(self, name: str) -> tuple[int, ...]:
        shape = tuple(self._context.get_tensor_shape(name))
        if any(n < 0 for n in shape):
            self._fail(f"has an output {name!r} whose size depends on the picture")
        return shape

    def _fail(self, what: str) -> None:
        raise NetworkError(f"the TensorRT engine {what} at a batch of {self.size}: {reason(self._logger.errors)}.")
