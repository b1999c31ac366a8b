"""Checks what a runner is given, so that a wrong array is named and never reaches a GPU."""

from collections.abc import Mapping

from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.interface import Array, TensorSpec


def batch_of(specs: Mapping[str, TensorSpec], given: Mapping[str, Array], largest: int) -> int:
    """The batch that all inputs agree on; raises `NetworkError` for a name, shape, dtype or batch that does not fit."""
    if missing := [name for name in specs if name not in given]:
        raise NetworkError(f"the network's input {missing[0]!r} is missing.")
    if unknown := [name for name in given if name not in specs]:
        raise NetworkError(f"the network has no input {unknown[0]!r}: it takes {', '.join(specs)}.")
    batches: dict[str, int] = {}
    for name, spec in specs.items():
        _check(name, spec, given[name])
        if spec.shape and spec.shape[0] is None:
            batches[name] = int(given[name].shape[0])
    if len(set(batches.values())) > 1:
        sizes = ", ".join(f"{name}: {n}" for name, n in batches.items())
        raise NetworkError(f"the network's inputs differ in their batch ({sizes}).")
    batch = next(iter(batches.values()), largest)
    if not 1 <= batch <= largest:
        raise NetworkError(f"a batch of {batch} cannot be run: this engine takes 1 to {largest}.")
    return batch


def _check(name: str, spec: TensorSpec, value: Array) -> None:
    shape, dtype = tuple(value.shape), str(value.dtype).removeprefix("torch.")
    fits = len(shape) == len(spec.shape) and all(m is None or n == m for n, m in zip(shape, spec.shape, strict=True))
    if not fits or dtype != spec.dtype:
        wanted = tuple("N" if n is None else n for n in spec.shape)
        raise NetworkError(
            f"the network's input {name!r} is {dtype} {_shown(shape)}, where {spec.dtype} {_shown(wanted)} is needed."
        )


def _shown(shape: tuple[int | str, ...]) -> str:
    return f"({', '.join(map(str, shape))})"
