"""PyMAF-X as the live run uses it: the same options, so the same engines; every batch size held against the network."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Any

import numpy as np
from pymafx_live.bench.floor import work_of
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.networks import on_device
from pymafx_live.bench.gpu.settings import Bench, listen
from pymafx_live.bench.gpu.timing import timed
from pymafx_live.bench.runtimes import random_input
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.pymafx.graphs.gate import Expected, StrayedError, differences_by_size
from pymafx_live.engines.pymafx.graphs.open import chosen_precision, graph_files, open_graphs
from pymafx_live.engines.pymafx.spec import GRAPHS, SAFER
from pymafx_live.engines.runtime import Runner
from pymafx_live.engines.runtime.batches import batch_buckets

CROPS = {"hands": 2, "face": 1, "body": 1}
"""How often each graph runs for one person."""


def export_graphs(bench: Bench, notes: Notes) -> None:
    """Prepares the asset folder and exports what the live run takes, where that has not been done."""
    listen(notes.say)
    began = time.perf_counter()
    files = graph_files(bench.assets, chosen_precision(bench.runtime, bench.precision), notes.say)
    sizes = {name: path.stat().st_size for name, path in files.items()}
    notes.add("exported", {"seconds": time.perf_counter() - began, **sizes})


def gate_graphs(bench: Bench, notes: Notes) -> None:
    """Builds and gates the precision that the live run takes, then the next safer ones until one passes."""
    from pymafx_live.engines.pymafx.graphs.export import reference_runners

    listen(notes.say)
    precision: str | None = chosen_precision(bench.runtime, bench.precision)
    notes.say("running the network in PyTorch, to compare with")
    expected = Expected.of(reference_runners(bench.assets), bench.options(notes.say).max_batch)
    faults = []
    while precision is not None:
        try:
            _gate(bench, precision, expected, notes)
            notes.add("passed", {"precision": precision})
        except NetworkError as error:
            notes.add(precision, {"failed": str(error)})
            faults.append(str(error))
            precision = SAFER.get(precision)
        else:
            break
    if faults:
        raise NetworkError(faults[0])


def _gate(bench: Bench, precision: str, expected: Expected, notes: Notes) -> None:
    """Raises `StrayedError` when all sizes have been tried, where one of them does not pass."""
    failing: dict[str, float] = {}
    worst: dict[int, dict[str, float]] = {}
    with ExitStack() as stack:
        runners = {name: stack.enter_context(closing(_open(bench, precision, name, notes))) for name in GRAPHS}
        sizes = batch_buckets(bench.options(notes.say).max_batch)
        for size, found in differences_by_size(expected, runners, precision, sizes, bench.runs):
            row = worst.setdefault(size, {})
            row.update({d.name: max(d.worst, row.get(d.name, 0.0)) for d in found})
            notes.add(f"{precision}, batches of {size}", row)
            failing |= {f"{d.name} in batches of {size}": d.worst for d in found if not d.passes}
    if failing:
        told = ", ".join(f"{name} {off:.2g}" for name, off in failing.items())
        raise StrayedError(f"{precision} strays from the network: {told} at worst.")


def _open(bench: Bench, precision: str, name: str, notes: Notes) -> Runner:
    path = graph_files(bench.assets, precision, notes.say)[name]
    began = time.perf_counter()
    runner = bench.open(path, notes.say)
    notes.add(f"{precision} {name}", {"opened": time.perf_counter() - began, "on": runner.about})
    return runner


def time_graphs(bench: Bench, notes: Notes) -> None:
    """Each engine in each batch size: the host's time beside the card's, and what its floor follows from."""
    listen(notes.say)
    runners = open_graphs(
        bench.assets, bench.runtime, bench.precision, bench.options(notes.say), notes.say
    )  # fmt: skip
    files = graph_files(bench.assets, chosen_precision(bench.runtime, bench.precision), notes.say)
    try:
        for name in GRAPHS:
            work = work_of(files[name])
            for batch in batch_buckets(bench.options(notes.say).max_batch):
                figures = timed(run_on_device(runners[name], batch), runners[name].device, bench.repeats, 2.0)
                notes.add(f"{name}, batch {batch}", {**figures, "flops": batch * work.flops, "weights": work.weights})
    finally:
        for runner in runners.values():
            runner.close()


def run_on_device(runner: Runner, batch: int) -> Callable[[], Mapping[str, Any]]:
    """A call of the runner with random inputs, where it wants them."""
    given = {name: random_input(spec, batch) for name, spec in runner.inputs.items()}
    there = on_device({name: np.ascontiguousarray(value) for name, value in given.items()}, runner)
    return lambda: runner.run(there)
