"""The inputs, outputs and batch sizes of an engine, read from the engine itself."""

from dataclasses import dataclass
from typing import Any

from pymafx_live.engines.runtime.interface import TensorSpec

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT8": "int8", "UINT8": "uint8", "BOOL": "bool",
    "INT32": "int32", "INT64": "int64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensors:
    """An engine's named tensors; `sizes` are its batch sizes, ascending, with the profile of each in `profiles`."""

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
            shape = tuple(None if n < 0 else n for n in engine.get_tensor_shape(name))
            spec = TensorSpec(shape, _DTYPES[engine.get_tensor_dtype(name).name])
            (inputs if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT else outputs)[name] = spec
        sizes = [_batch(engine, inputs, profile) for profile in range(engine.num_optimization_profiles)]
        ascending = sorted(range(len(sizes)), key=sizes.__getitem__)
        return cls(inputs, outputs, tuple(sizes[i] for i in ascending), tuple(ascending))

    @staticmethod
    def sized(spec: TensorSpec, batch: int) -> tuple[int, ...]:
        """The shape of an input at that batch."""
        return tuple(batch if n is None else n for n in spec.shape)


def _batch(engine: Any, inputs: dict[str, TensorSpec], profile: int) -> int:
    """The largest batch of a profile; of a network with a fixed one, that."""
    for name, spec in inputs.items():
        if spec.shape and spec.shape[0] is None:
            return int(engine.get_tensor_profile_shape(name, profile)[2][0])
    return next((spec.shape[0] for spec in inputs.values() if spec.shape and spec.shape[0]), 1)
