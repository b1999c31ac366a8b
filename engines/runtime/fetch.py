"""What networks left on a GPU is brought down together, and the processor waits for it once, when it needs it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.runtime.interface import Array

ALIGNED = 64
"""Bytes to which each array's place in the shared buffer is rounded up."""


class Fetch:
    """Arrays on their way to the processor, from the caller's current stream; those that are there stay as they are.

    What a runner will write over may be fetched: the copies are queued before its next call.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self._arrays: list[Any] = list(arrays)
        self._event: Any = None
        there = [k for k, array in enumerate(arrays) if not isinstance(array, np.ndarray) and array.is_cuda]
        if there:
            self._begin(there)

    def wait(self) -> list[NDArray[Any]]:
        """The arrays as numpy's; those that lay on a GPU are new, and the caller's to keep."""
        if self._event is not None:
            self._event.synchronize()
            self._event = None
        return [array if isinstance(array, np.ndarray) else array.numpy() for array in self._arrays]

    def _begin(self, there: list[int]) -> None:
        import torch

        sizes = [self._arrays[k].numel() * self._arrays[k].element_size() for k in there]
        ends = np.cumsum([-(-size // ALIGNED) * ALIGNED for size in sizes]).tolist()
        # PyTorch keeps pinned memory and gives it out again, once it is free and the copies into it are done
        buffer = torch.empty(ends[-1], dtype=torch.uint8, pin_memory=True)
        for k, size, start in zip(there, sizes, [0, *ends], strict=False):
            source = self._arrays[k]
            target = buffer[start : start + size].view(source.dtype).view(source.shape)
            self._arrays[k] = target.copy_(source, non_blocking=True)
        self._event = torch.cuda.Event()
        self._event.record(torch.cuda.current_stream(source.device))


def as_numpy(array: Array) -> NDArray[Any]:
    """An output as a numpy array, brought down where it lies on a GPU."""
    return Fetch([array]).wait()[0]
