"""What a runtime is: it takes a network to a machine, and runs it on named arrays.

`open_runner` (in the package) makes one. Nobody outside this package imports a library that executes networks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pymafx_live.core.interfaces import Progress

Array = Any
"""A numpy array where a network runs on the processor; on a GPU a torch tensor there or `Deferred`, and numpy too."""
Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An input or an output: its shape, None where it varies (the batch comes first), and its numpy dtype's name."""

    shape: Shape
    dtype: str


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """How a network is run: `threads` (0: the library's choice), and the largest batch that will ever be asked for.

    `cache` is where compiled engines are kept (None: the user's cache folder), `device` the GPU's number.
    `progress` is told each step of a build that takes long. `providers` are ONNX Runtime's, the first choice first
    (none: CUDA or DirectML where the user's build has them, else the processor). `own_scratch` gives each batch size of
    a TensorRT engine scratch memory of its own, where otherwise all share one: to measure what that costs. `on_gpu`
    says which file is run instead of an ONNX file that is to run on a GPU.
    """

    threads: int = 0
    max_batch: int = 8
    cache: Path | None = None
    device: int = 0
    progress: Progress = lambda step: None
    providers: tuple[str, ...] = ()
    own_scratch: bool = False
    on_gpu: Callable[[Path], Path] = lambda model: model


DEFAULTS = RunnerOptions()


class Deferred(ABC):
    """An input of a network on a GPU that is not made yet: it is written where the network reads it.

    That saves the copy of one that was made elsewhere. Where there is no such place, `made` makes it.
    """

    dtype: str
    """numpy's name."""
    device: Any
    """The torch device."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The batch comes first."""

    @abstractmethod
    def __getitem__(self, rows: slice) -> Array:
        """Some rows of it."""

    @abstractmethod
    def write(self, target: Array) -> None:
        """Writes it into a contiguous torch tensor of its shape, dtype and device, on the current stream.

        That stream comes after the one on which this object was made, which waits for it in turn.
        """

    def made(self) -> Array:
        """A torch tensor of it."""
        import torch

        tensor = torch.empty(self.shape, dtype=getattr(torch, self.dtype), device=self.device)
        self.write(tensor)
        return tensor


def made(array: Array) -> Array:
    """An input as an array, for libraries that say themselves where they read it."""
    return array.made() if isinstance(array, Deferred) else array


class Runner(Protocol):
    """A network, ready to run. One thread at a time may use it."""

    runtime: str
    """The runtime's name, such as `onnxruntime`."""
    about: str
    """The library with its version and what it runs on, for people: `OpenVINO 2025.3.0 on the processor`."""
    device: str
    """Where its arrays live: `cpu`, or `cuda:0`."""
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """All outputs by name, for a batch of 1 to `max_batch`, valid until the next call.

        Raises `NetworkError` for a missing or unknown name, a wrong shape or dtype, or a call that fails.
        """

    def close(self) -> None:
        """Gives back what it holds; nothing may be run afterwards."""
