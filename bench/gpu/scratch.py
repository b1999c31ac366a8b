"""TensorRT's scratch memory: one for all batch sizes of an engine, as a run has it, or each context its own."""

from collections.abc import Callable
from contextlib import ExitStack, closing

import numpy as np
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.graphs import run_on_device
from pymafx_live.bench.gpu.settings import Bench, listen
from pymafx_live.bench.gpu.timing import timed
from pymafx_live.engines.pymafx.graphs.open import chosen_precision, graph_files
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime import Runner

WAYS = {"shared": False, "own": True}
ROUNDS = 4
"""How often the two take turns, so that a card's clock favours neither."""
SECONDS = 0.5


def compare_scratch(bench: Bench, notes: Notes) -> None:
    """Times each of PyMAF-X's engines both ways, for one crop and the most of them; only TensorRT has the choice."""
    listen(notes.say)
    if bench.runtime != "tensorrt":
        notes.add("none", {"on": bench.runtime})
        return
    files = graph_files(bench.assets, chosen_precision(bench.runtime, bench.precision), notes.say)
    for name in GRAPHS:
        with ExitStack() as stack:
            runners = {}
            for way, own in WAYS.items():
                free = _free(bench)
                runners[way] = stack.enter_context(closing(bench.open(files[name], notes.say, own_scratch=own)))
                notes.add(name, {f"{way} bytes": free - _free(bench)})
            for batch in (1, bench.options(notes.say).max_batch):
                notes.add(f"{name}, batch {batch}", _in_turns(runners, batch, bench.repeats))


def _in_turns(runners: dict[str, Runner], batch: int, repeats: int) -> dict[str, float]:
    """The medians of the rounds' medians in milliseconds, by the host and by the card's events."""
    calls = {way: run_on_device(runner, batch) for way, runner in runners.items()}
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for way, call in calls.items():
            for key, value in _medians(call, runners[way].device, max(repeats // ROUNDS, 1)).items():
                found.setdefault(f"{way} {key}", []).append(value)
    return {key: float(np.median(values)) for key, values in found.items()}


def _medians(call: Callable[[], object], device: str, repeats: int) -> dict[str, float]:
    return {key: value for key, value in timed(call, device, repeats, SECONDS).items() if key.endswith("p50")}


def _free(bench: Bench) -> int:
    """Bytes that are free on the card, 0 without one."""
    if not bench.on_gpu:
        return 0
    import torch

    return int(torch.cuda.mem_get_info()[0])
