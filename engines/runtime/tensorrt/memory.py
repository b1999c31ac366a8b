"""Where a TensorRT runner's tensors live, and how its work is ordered: on a GPU through PyTorch, or on the processor.

The processor's variant has the same methods without streams, for a stand-in of TensorRT that computes there.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import torch
from torch import Tensor

Call = Callable[[], None]


class Memory(Protocol):
    """The memory of one runner, and its one stream."""

    device: str

    @property
    def stream(self) -> int:
        """The handle of the stream that everything runs on."""

    def empty(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """A buffer on the device; `dtype` is numpy's name. Raises `MemoryError` where there is no room."""

    def staging(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """A buffer on the host that a copy to the device can start from without waiting."""

    def ordered(self) -> AbstractContextManager[None]:
        """Work that comes after what the caller has queued so far, and before what it will queue."""

    def wait_for_uploads(self) -> None:
        """Waits until staging buffers may be written again."""

    def note_uploads(self) -> None:
        """Marks the point after which they may."""

    def capture(self, launch: Call) -> Call:
        """What `launch` queues as one CUDA graph; raises `RuntimeError` where that cannot be."""

    def finish(self) -> None:
        """Waits until all that was queued is done."""


class CudaMemory:
    """A GPU's memory, and a stream of its own on it."""

    def __init__(self, index: int = 0) -> None:
        self._device = torch.device("cuda", index)
        self.device = str(self._device)
        self._stream = torch.cuda.Stream(self._device)
        self._uploaded = torch.cuda.Event()
        self._done = torch.cuda.Event()

    @property
    def stream(self) -> int:
        """See `Memory.stream`."""
        return int(self._stream.cuda_stream)

    def empty(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """See `Memory.empty`."""
        try:
            return torch.zeros(shape, dtype=getattr(torch, dtype), device=self._device)
        except torch.OutOfMemoryError as error:
            raise MemoryError(str(error).partition("\n")[0]) from error

    def staging(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """See `Memory.staging`."""
        return torch.zeros(shape, dtype=getattr(torch, dtype), pin_memory=True)

    @contextmanager
    def ordered(self) -> Iterator[None]:
        """See `Memory.ordered`: both waits are events on the GPU, and the processor goes on."""
        caller = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(caller)
        try:
            with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
                yield
        finally:
            caller.wait_stream(self._stream)

    def wait_for_uploads(self) -> None:
        """See `Memory.wait_for_uploads`."""
        self._uploaded.synchronize()

    def note_uploads(self) -> None:
        """See `Memory.note_uploads`."""
        self._uploaded.record(self._stream)

    def capture(self, launch: Call) -> Call:
        """See `Memory.capture`."""
        graph = torch.cuda.CUDAGraph()
        capturing = torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local")
        with torch.cuda.device(self._device), capturing:
            launch()
        replay: Call = graph.replay
        return replay

    def finish(self) -> None:
        """See `Memory.finish`."""
        self._done.record(self._stream)
        self._done.synchronize()


class HostMemory:
    """The processor's memory; everything is done when a call returns."""

    device = "cpu"
    stream = 0

    def empty(self, shape: tuple[int, ...], dtype: str) -> Tensor:
        """See `Memory.empty`."""
        return torch.zeros(shape, dtype=getattr(torch, dtype))

    staging = empty

    @contextmanager
    def ordered(self) -> Iterator[None]:
        """See `Memory.ordered`."""
        yield

    def wait_for_uploads(self) -> None:
        """See `Memory.wait_for_uploads`."""

    def note_uploads(self) -> None:
        """See `Memory.note_uploads`."""

    def capture(self, launch: Call) -> Call:
        """See `Memory.capture`."""
        return launch

    def finish(self) -> None:
        """See `Memory.finish`."""
