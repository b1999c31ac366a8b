"""What is asked of a network's inputs, alike for every runtime: names, dtypes, shapes and one batch."""

from collections.abc import Mapping

from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.interface import Array, Shape, TensorSpec


def check_inputs(inputs: Mapping[str, Array], specs: Mapping[str, TensorSpec], max_batch: int, fixed: int = 1) -> int:
    """The batch of `inputs`, numpy arrays or torch tensors; `fixed` where no input has a free first axis.

    Raises `NetworkError`, with the tensor's name, for a missing or unknown one, a wrong dtype or shape, inputs of
    different batches, and a batch that is not 1 to `max_batch`.
    """
    for name in specs.keys() - inputs.keys():
        raise NetworkError(f"the network's input {name} is missing: it takes {_listed(specs)}.")
    for name in inputs.keys() - specs.keys():
        raise NetworkError(f"the network has no input {name}: it takes {_listed(specs)}.")
    batch, first = 0, ""
    for name, spec in specs.items():
        _check(name, inputs[name], spec)
        if not spec.shape or spec.shape[0] is not None:
            continue
        rows = int(inputs[name].shape[0])
        if batch and rows != batch:
            raise NetworkError(f"the network's input {name} has {rows} rows, but {first} has {batch}.")
        if not 1 <= rows <= max_batch:
            raise NetworkError(f"the network's input {name} has {rows} rows, but a batch is 1 to {max_batch}.")
        batch, first = rows, first or name
    return batch or fixed


def _check(name: str, value: Array, spec: TensorSpec) -> None:
    dtype = str(value.dtype).removeprefix("torch.") if hasattr(value, "dtype") else type(value).__name__
    if dtype != spec.dtype:
        raise NetworkError(f"the network's input {name} must be {spec.dtype}, not {dtype}.")
    shape = tuple(value.shape)
    if len(shape) != len(spec.shape) or any(w not in (None, n) for n, w in zip(shape, spec.shape, strict=True)):
        raise NetworkError(f"the network's input {name} must have the shape {shown(spec.shape)}, not {shown(shape)}.")


def shown(shape: Shape) -> str:
    """A shape for people: (?, 3, ?)."""
    return f"({', '.join('?' if n is None else str(n) for n in shape)})"


def _listed(specs: Mapping[str, TensorSpec]) -> str:
    return ", ".join(f"{name} {shown(spec.shape)} {spec.dtype}" for name, spec in specs.items())
