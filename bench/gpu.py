"""What a GPU makes of PyMAF-X: engines are built, held against the network, and timed. One command, one table, JSON.

    python -m pymafx_live.bench.gpu --assets DIR [--precision fp32,mixed] [--people 1,2,4,8] [--frames 300] [--json F]

First the network alone, crops on the device to parameters on the device, beside the floor that its operations and its
weights set at the rates that this card reaches in one large product and one large copy. Then the whole pipeline on
1920 x 1080 frames: the detector in every frame and in every fourth, decoding included. Without a GPU it says so and
ends with exit code 3.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import av
import numpy as np
from pymafx_live.bench.floor import Work, gpu_rates, work_of
from pymafx_live.bench.latency import percentiles, subscriber, write_crowd
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings
from pymafx_live.core.errors import LiveError, NetworkError
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.pymafx.graphs.onnx_files import known_precision
from pymafx_live.engines.pymafx.graphs.open import graph_files
from pymafx_live.engines.pymafx.spec import GRAPHS
from pymafx_live.engines.runtime import Runner, RunnerOptions, open_runner
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu, UnavailableError, find_gpu
from pymafx_live.export.gate import check_pymafx, demand, table
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.sources import open_source
from pymafx_live.pipeline.stop import Stop
from pymafx_live.trackers import open_tracker
from rich.console import Console

FULL_HD = (1920, 1080)
STRIDES = (1, 4)
WARM_UP = 20
CROPS = {"hands": 2, "face": 1, "body": 1}
"""How often each graph runs for one person."""
ADDRESS = "tcp://127.0.0.1:5574"
PRODUCTS = {"fp32": "float32", "mixed": "float16"}
Rows = dict[str, dict[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.gpu",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--assets", type=Path, required=True, help="folder of PyMAF-X files; synthetic ones will do")
    parser.add_argument("--runtime", default="tensorrt", help="what runs the networks (default tensorrt)")
    parser.add_argument("--precision", default="fp32,mixed", help="precisions, by comma (default fp32,mixed)")
    parser.add_argument("--people", default="1,2,4,8", help="how many people, by comma (default 1,2,4,8)")
    parser.add_argument("--frames", type=int, default=300, help="frames, and runs of the network (default 300)")
    parser.add_argument("--device", type=int, default=0, help="the GPU's number (default 0)")
    parser.add_argument("--json", metavar="OUT.json", type=Path, help="write the figures, with the card's name")
    options = parser.parse_args(arguments)
    if options.frames <= WARM_UP:
        parser.error(f"--frames must be more than the {WARM_UP} of the warm-up")
    try:
        _report(options)
    except LiveError as error:
        print(f"gpu: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _report(options: argparse.Namespace) -> None:
    gpu = _gpu(options.device)
    people = numbers(options.people)
    precisions = list(dict.fromkeys(map(known_precision, options.precision.split(","))))
    rows: Rows = {}
    for precision in precisions:
        rows |= network_alone(options, gpu, precision, people)
    for precision in precisions:
        rows |= whole_pipeline(options, gpu, precision, people)
    if options.json:
        given = {k: str(v) for k, v in vars(options).items()}
        card = {"card": gpu.name, "capability": gpu.sm, "driver": gpu.driver, "memory": gpu.memory}
        write_json(options.json, "gpu", rows, {**given, **card})


def _gpu(device: int) -> Gpu:
    try:
        return find_gpu(device)
    except UnavailableError as error:
        raise NetworkError(f"this benchmark times a GPU, and {error}: run it on a machine that has one.") from error


def network_alone(options: argparse.Namespace, gpu: Gpu, precision: str, people: Sequence[int]) -> Rows:
    """Milliseconds of the three graphs for so many people, after the gate, and the floor of each."""
    say = Console(stderr=True).print
    paths = graph_files(options.assets, precision, say)
    opening = RunnerOptions(max_batch=max(CROPS.values()) * max(people), device=options.device, progress=say)
    checked = check_pymafx(options.assets, paths["body"].parent, options.runtime, opening)
    Console().print(table(f"{precision} on {checked.runtime}, {gpu.name}", checked.differences))
    demand(checked)
    rates = gpu_rates(f"cuda:{options.device}", PRODUCTS[precision])
    work = {name: work_of(path) for name, path in paths.items()}
    rows: Rows = {}
    with ExitStack() as stack:
        runners = {
            name: stack.enter_context(closing(open_runner(p, options.runtime, opening))) for name, p in paths.items()
        }
        for n in people:
            figures = percentiles(time_network(runners, n, options.frames))
            rows[f"{precision}, batch {n}"] = figures | {"floor": 1e3 * network_floor(work, n, rates)}
    title = f"network alone on {gpu.name}, milliseconds; {rates.flops / 1e12:.1f} TFLOP/s, {rates.bytes / 1e9:.0f} GB/s"
    print_table(title, rows, {**{f"p{p}": f"p{p}" for p in (50, 95, 99)}, "floor": "floor"}, 2)
    return rows


def network_floor(work: Mapping[str, Work], people: int, rates: Any) -> float:
    """Seconds that the three graphs take at least for so many people."""
    return sum(work[name].floor(crops * people, rates) for name, crops in CROPS.items())


def time_network(runners: Mapping[str, Runner], people: int, repeats: int) -> list[float]:
    """Seconds of each run of hands and face, then body, on crops that are where the runners want them."""
    import torch

    device = runners["body"].device
    on_gpu = device.startswith("cuda")
    batches = {name: _crops(runner, CROPS[name] * people, device) for name, runner in runners.items()}
    seconds = []
    for _ in range(WARM_UP + repeats):
        began = time.perf_counter()
        for name in GRAPHS:
            runners[name].run(batches[name])
        if on_gpu:
            torch.cuda.current_stream(device).synchronize()
        seconds.append(time.perf_counter() - began)
    return seconds[WARM_UP:]


def _crops(runner: Runner, batch: int, device: str) -> dict[str, Any]:
    """Random bytes, and the other inputs in 0..1."""
    rng = np.random.default_rng(0)
    made: dict[str, Any] = {}
    for name, spec in runner.inputs.items():
        shape = (batch, *(n or 1 for n in spec.shape[1:]))
        values = rng.integers(0, 256, shape) if spec.dtype == "uint8" else rng.uniform(0, 1, shape)
        made[name] = (values > 0.5 if spec.dtype == "bool" else values).astype(spec.dtype)
    if not device.startswith("cuda"):
        return made
    import torch

    return {name: torch.from_numpy(value).to(device) for name, value in made.items()}


def whole_pipeline(options: argparse.Namespace, gpu: Gpu, precision: str, people: Sequence[int]) -> Rows:
    """Milliseconds from capture to publication, and frames a second, of the whole pipeline on a video file."""
    rows: Rows = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(ZmqOutput(ADDRESS)) as output,
        subscriber(ADDRESS),
    ):
        for n in people:
            clip = Path(folder, f"crowd-{n}.mp4")
            write_crowd(clip, n, 50, -(-options.frames // 50), FULL_HD)
            for stride in STRIDES:
                settings = pipeline_settings(options, precision, stride)
                rows[f"{precision}, {n} people, detector 1 in {stride}"] = time_pipeline(clip, settings, output)
    columns = {**{f"p{p}": f"p{p}" for p in (50, 95, 99)}, "fps": "fps", "decoding": "of it decoding"}
    print_table(f"capture to publish at 1920 x 1080 on {gpu.name}, milliseconds", rows, columns, 1)
    return rows


def pipeline_settings(options: argparse.Namespace, precision: str, stride: int) -> Settings:
    """PyMAF-X on the runtime, with the detector in every `stride`-th frame."""
    return Settings.model_validate(
        {
            "engine": {"name": "pymafx", "assets": str(options.assets)},
            "detector": {"stride": stride},
            "run": {"runtime": options.runtime, "precision": precision},
        }
    )


def time_pipeline(clip: Path, settings: Settings, output: ZmqOutput) -> dict[str, float]:
    """Percentiles of the way from capture to publication, with the time that decoding a frame takes, and the rate.

    A file's frame is captured when it has been decoded, on another thread, so its decoding is timed apart and added.
    """
    decoding = decoding_time(clip)
    ways: list[float] = []
    published: list[float] = []
    found: list[int] = []
    pictures = Pictures()
    with (
        closing(open_detector(settings, pictures)) as detector,
        closing(open_engine(settings, pictures)) as engine,
        closing(open_source(SourceSettings(uri=str(clip)), lens(CameraSettings()), Stop())) as source,
    ):
        tracker, smoother = open_tracker(settings.tracker), Smoother(settings.engine.smoothing)
        stride = settings.detector.stride or 1
        for result, frame in results(source, detector, tracker, engine, stride=stride, smooth=smoother):
            began = time.perf_counter()
            output.write(result, frame)
            published.append(time.perf_counter())
            ways.append(decoding + result.age + published[-1] - began)
            found.append(len(result.people))
    rate = (len(published) - WARM_UP - 1) / (published[-1] - published[WARM_UP])
    counted = {"fps": rate, "decoding": 1e3 * decoding, "found": float(np.median(found[WARM_UP:]))}
    return percentiles(ways[WARM_UP:]) | counted


def decoding_time(clip: Path) -> float:
    """The median seconds that a frame takes from the file to an image."""
    with av.open(str(clip)) as container:
        seconds, began = [], time.perf_counter()
        for picture in container.decode(video=0):
            picture.to_ndarray(format="bgr24")
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return float(np.median(seconds))


if __name__ == "__main__":
    sys.exit(main())
