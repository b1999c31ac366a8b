"""Any number of rows through a runner that takes only so many at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.runtime.fetch import Fetch, as_numpy
from pymafx_live.engines.runtime.interface import Array, Runner, made


def run_batches(runner: Runner, inputs: Mapping[str, Array], largest: int) -> dict[str, NDArray[Any]]:
    """All outputs by name for inputs of N > 0 rows, on the processor, to keep; no batch is larger than `largest`.

    Inputs may lie on the processor or on a GPU, wherever the runner has its own. Raises `NetworkError`.
    """
    rows = len(next(iter(inputs.values())))
    pieces = []
    for start in range(0, rows, largest):
        piece = {name: _for(runner, value[start : start + largest]) for name, value in inputs.items()}
        found = runner.run(piece)
        values = Fetch(list(found.values())).wait()
        pieces.append({name: np.array(value) for name, value in zip(found, values, strict=True)})
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}


def batch_buckets(largest: int) -> tuple[int, ...]:
    """1, 2, 4, 8 ... up to `largest`, which is always one of them."""
    powers = [1 << i for i in range(largest.bit_length()) if 1 << i < largest]
    return (*powers, largest)


def run_there(runner: Runner, inputs: Mapping[str, Array], largest: int) -> dict[str, Array]:
    """The same for a runner on a GPU with torch, where it leaves them: valid until its next call."""
    import torch

    pieces: list[dict[str, Array]] = []
    for start in range(0, len(next(iter(inputs.values()))), largest):
        if pieces:  # which the next call writes over
            pieces[-1] = {name: value.clone() for name, value in pieces[-1].items()}
        pieces.append(runner.run({name: value[start : start + largest] for name, value in inputs.items()}))
    return pieces[0] if len(pieces) == 1 else {k: torch.cat([piece[k] for piece in pieces]) for k in pieces[0]}


def _for(runner: Runner, array: Array) -> Array:
    """An input as the runner takes it: `auto` may have brought one graph to another runtime than the others."""
    if isinstance(array, np.ndarray):
        return np.ascontiguousarray(array)
    on_host = array.device.type == "cpu"
    return as_numpy(made(array)) if runner.device == "cpu" and not on_host else array
