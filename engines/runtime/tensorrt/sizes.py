"""A network that takes pictures of any size: an engine for each size that comes, the latest of them kept open."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pymafx_live.engines.runtime.interface import Array
from pymafx_live.engines.runtime.tensorrt.tensors import Tensors
from pymafx_live.engines.runtime.validation import check_inputs

if TYPE_CHECKING:
    from pymafx_live.engines.runtime.tensorrt.runner import TensorRTRunner

Sizes = Mapping[str, tuple[int, ...]]
KEPT = 8
"""Engines that are open at once: each camera has one size, and a detector is tried with another before it."""


class AnySizeRunner:
    """Opens or builds an engine when a size comes that is not among the latest; a camera has one."""

    runtime = "tensorrt"

    def __init__(
        self, about: str, tensors: Tensors, device: str, largest: int, open_size: "Callable[[Sizes], TensorRTRunner]"
    ) -> None:
        """`open_size` makes the runner for the shapes, without the batch, of the inputs whose size varies."""
        self.about = about
        self.inputs, self.outputs, self.device = tensors.inputs, tensors.outputs, device
        self._largest, self._open = largest, open_size
        self._runners: dict[tuple[tuple[str, tuple[int, ...]], ...], TensorRTRunner] = {}

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        check_inputs(inputs, self.inputs, self._largest)
        varying = {name: tuple(inputs[name].shape[1:]) for name, spec in self.inputs.items() if None in spec.shape[1:]}
        key = tuple(varying.items())
        runner = self._runners.pop(key, None)
        if runner is None:
            while len(self._runners) >= KEPT:
                self._runners.pop(next(iter(self._runners))).close()
            runner = self._open(varying)
        self._runners[key] = runner  # the latest stands last
        return runner.run(inputs)

    def close(self) -> None:
        """Closes all engines."""
        while self._runners:
            self._runners.popitem()[1].close()
