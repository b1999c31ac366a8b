"""The inputs, outputs and batch sizes of an engine, read from the engine itself."""

from dataclasses import dataclass
from typing import Any

from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.interface import TensorSpec

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT8": "int8", "UINT8": "uint8", "BOOL": "bool",
    "INT32": "int32", "INT64": "int64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensors:
    """An engine's named tensors; `sizes` are the batch sizes to run, ascending, with the profile of each in `profiles`.

    A profile for exactly one batch size is that size; one that takes any up to a largest is all of `batch_buckets`.
    """

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    sizes: tuple[int, ...]
    profiles: tuple[int, ...]

    @classmethod
    def of(cls, trt: Any, engine: Any) -> "Tensors":
        """Of an `ICudaEngine`."""
        inputs: dict[str, TensorSpec] = {}
        outputs: dict[str, TensorSpec] = {}
        for i in range(engine.num_io_tensors):
            name = engine.get_tensor_name(i)
            found = _spec(engine.get_tensor_shape(name), engine.get_tensor_dtype(name))
            (inputs if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else outputs)[name] = found
        runs = sorted(
            (size, profile)
            for profile in range(engine.num_optimization_profiles)
            for size in _batches(engine, inputs, profile)
        )
        return cls(inputs, outputs, tuple(size for size, _ in runs), tuple(profile for _, profile in runs))


def shape_in(engine: Any, name: str, found: TensorSpec, profile: int, batch: int) -> tuple[int, ...]:
    """The shape of an input for `batch` rows in that profile."""
    if None not in found.shape:
        return tuple(n for n in found.shape if n is not None)
    shape = tuple(engine.get_tensor_profile_shape(name, profile)[2])
    return (batch, *shape[1:]) if found.shape[0] is None else shape


def spec(tensor: Any) -> TensorSpec:
    """Of an `ITensor`."""
    return _spec(tensor.shape, tensor.dtype)


def _spec(shape: Any, dtype: Any) -> TensorSpec:
    return TensorSpec(tuple(None if n < 0 else n for n in tuple(shape)), _DTYPES[dtype.name])


def _batches(engine: Any, inputs: dict[str, TensorSpec], profile: int) -> tuple[int, ...]:
    """The batch sizes to run in a profile; of a network with a fixed one, that."""
    for name, spec in inputs.items():
        if spec.shape and spec.shape[0] is None:
            least, _, most = (int(shape[0]) for shape in engine.get_tensor_profile_shape(name, profile))
            return (most,) if least == most else batch_buckets(most)
    return (next((spec.shape[0] for spec in inputs.values() if spec.shape and spec.shape[0]), 1),)
