"""Runs an engine: every batch in the smallest size that holds it."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from pymafx_live.core.errors import NetworkError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.runtime.interface import Array
from pymafx_live.engines.runtime.tensorrt.bucket import Bucket
from pymafx_live.engines.runtime.tensorrt.loading import Loaded
from pymafx_live.engines.runtime.tensorrt.memory import Memory
from pymafx_live.engines.runtime.tensorrt.messages import library_errors
from pymafx_live.engines.runtime.tensorrt.tensors import Tensors, shape_in
from pymafx_live.engines.runtime.validation import check_inputs

ALIGNMENT = 256
RTX_RUNS = 3


class TensorRTRunner:
    """An engine with everything allocated, warmed up and captured, so that a frame costs copies and a launch.

    Outputs are rows of fixed buffers on the device: the next call writes over them. They are ready for whatever the
    caller queues on its current stream.
    """

    runtime = "tensorrt"

    def __init__(self, loaded: Loaded, memory: Memory, about: str) -> None:
        """Raises `NetworkError` where a call fails or the memory runs out."""
        self.device, self.about = memory.device, about
        self._loaded, self._memory = loaded, memory
        tensors = Tensors.of(loaded.flavour.module, loaded.engine)
        self.inputs, self.outputs, self._sizes = tensors.inputs, tensors.outputs, tensors.sizes
        size = max(loaded.engine.device_memory_size_v2, ALIGNMENT)
        try:
            # One for all batch sizes: they run on one stream, one after another.
            self._scratch = None if loaded.own_scratch else memory.empty((size,), "uint8")
            self._buckets = [
                self._bucket(batch, profile, tensors, size)
                for batch, profile in zip(tensors.sizes, tensors.profiles, strict=True)
            ]
        except MemoryError as error:
            raise NetworkError(
                f"the GPU's memory does not hold the engine ({size >> 20} MiB beside its weights): end other programs "
                "that use the GPU, or ask for fewer people at once."
            ) from error

    def _bucket(self, batch: int, profile: int, tensors: Tensors, scratch: int) -> Bucket:
        engine, logger = self._loaded.engine, self._loaded.logger
        shapes = {name: shape_in(engine, name, found, profile, batch) for name, found in tensors.inputs.items()}
        return Bucket(batch, shapes, profile, self._context(scratch), tensors, self._memory, logger)

    def _context(self, size: int) -> Any:
        context = self._loaded.make_context()
        if context is None:
            raise MemoryError("the library gave no execution context")
        if self._scratch is not None:
            context.set_device_memory(self._scratch.data_ptr(), size)
        return context

    def warm_up(self, progress: Progress) -> None:
        """Runs every batch size until it is a CUDA graph, where the engine allows that.

        RTX captures by itself: in the second run, so that the third is the first replay.
        """
        rtx, refused = self._loaded.flavour.rtx, []
        for bucket in self._buckets:
            progress(f"warming up a batch of {bucket.size}")
            for _ in range(RTX_RUNS if rtx else 1):
                bucket.warm_up()
            try:
                if not rtx:
                    bucket.capture()
            except (RuntimeError, NetworkError) as error:
                refused.append(str(error))
        if refused:
            progress(f"no CUDA graph for {len(refused)} batch sizes ({refused[0]}): kernels are launched one by one")
        for warning in self._loaded.logger.about_graphs():
            progress(f"{self._loaded.flavour.title} says: {warning}")

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        batch = check_inputs(inputs, self.inputs, self._sizes[-1], fixed=self._sizes[-1])
        bucket = self._buckets[bisect_left(self._sizes, batch)]
        with library_errors(self._loaded.flavour.title), self._memory.ordered():
            bucket.fill(inputs)
            bucket.launch()
        return {
            name: buffer[:batch] if self.outputs[name].shape[:1] == (None,) else buffer
            for name, buffer in bucket.outputs.items()
        }

    def close(self) -> None:
        """Frees the contexts, the buffers and the engine, in that order."""
        self._memory.finish()
        self._buckets.clear()
        del self._scratch, self._loaded
