"""One batch size of an engine: its context, its fixed buffers, and how it is launched."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.interface import Array, Deferred
from pymafx_live.engines.runtime.tensorrt.memory import Call, Memory
from pymafx_live.engines.runtime.tensorrt.messages import reason
from pymafx_live.engines.runtime.tensorrt.tensors import Tensors
from torch import Tensor

CLOSE = 1e-3
"""How far two runs of one engine may differ, as a part of the largest value: sums may be taken in another order."""


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
        """Has later launches replay one CUDA graph.

        Raises `RuntimeError` or `NetworkError` where the engine does not allow it, or where a replay on other inputs
        does not give what a launch gives, as that of a graph that caught nothing; then launches stay as they were.
        """
        replay = self._memory.capture(self._execute)
        with self._memory.ordered():
            self._fill_at_random()
            launched, replayed = self._outputs_of(self._execute), self._outputs_of(replay)
        for name, expected in launched.items():
            if not _same(replayed[name], expected):
                raise NetworkError(f"a replay gives another {name!r} than a launch")
        self.launch = replay

    def _fill_at_random(self) -> None:
        for buffer in self._inputs.values():
            if buffer.is_floating_point():
                buffer.uniform_(0, 1)
            elif buffer.dtype in (torch.uint8, torch.bool):
                buffer.random_(0, 2 if buffer.dtype == torch.bool else 256)

    def _outputs_of(self, call: Call) -> dict[str, Tensor]:
        """The outputs after `call`, on the host."""
        for buffer in self.outputs.values():
            buffer.fill_(1)  # what it held before must not pass for a result
        call()
        self._memory.finish()
        return {name: buffer.cpu().clone() for name, buffer in self.outputs.items()}

    def fill(self, inputs: Mapping[str, Array]) -> None:
        """Copies the inputs into the first rows of the buffers; the other rows keep what they hold."""
        self._memory.wait_for_uploads()
        for name, value in inputs.items():
            rows = slice(value.shape[0]) if value.shape else ...
            target = self._inputs[name][rows]
            if isinstance(value, Deferred):
                value.write(target)
                continue
            if not isinstance(value, Tensor):
                np.copyto(self._host[name][rows], value)
                value = self._staging[name][rows]
            target.copy_(value, non_blocking=True)
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


def _same(found: Tensor, expected: Tensor) -> bool:
    found, expected = found.double(), expected.double()
    scale = float(expected.nan_to_num().abs().max()) if expected.numel() else 0.0
    return bool(torch.allclose(found, expected, rtol=CLOSE, atol=CLOSE * scale, equal_nan=True))
