"""How long a frame takes from capture to publication, stage by stage, and how much of that is not a network.

    python -m pymafx_live.bench.latency [--people 0,1,2,4,8] [--frames 100] [--runtime auto] [--config FILE]

The whole pipeline runs on 1280 x 720 frames with that many rendered people side by side, and publishes to a real
subscriber in another process. First every frame is taken, for the stages; then the same clip plays at a camera's
25 frames a second and the newest frame wins, for the age of the results and the share of frames that are dropped.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from threading import Lock
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.clip import cached_clip, load_truth, truth_path
from pymafx_live.bench.report import numbers, print_table, runtime_names, write_json
from pymafx_live.configs.load import ConfigError, load
from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings
from pymafx_live.core.errors import LiveError
from pymafx_live.core.interfaces import Detector, Engine, Output
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime import Runner
from pymafx_live.engines.runtime.selection import wrapping
from pymafx_live.pipeline.lane import Stride
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.sources import open_source
from pymafx_live.pipeline.stop import Stop
from pymafx_live.trackers import open_tracker

WIDTH, HEIGHT, FPS = 1280, 720, 25
PERCENTILES = (50, 95, 99)
WARM_UP = 10
"""Frames that are not counted: people are found there, and buffers are made."""
LIVE_WARM_UP = 2
Samples = dict[str, list[float]]
Figures = dict[str, float]


def crowd(people: int, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Frames (720, 1280, 3) with `people` copies of one rendered performer side by side on a plain wall."""
    clip = cached_clip("wave", 0, frames, background="plain")
    boxes = np.array([truth.people[0].box for truth in load_truth(truth_path(clip))])
    x1, y1, x2, y2 = (*boxes[:, :2].min(0), *boxes[:, 2:].max(0)) + np.array([-20, -20, 20, 20])
    rows, columns = slice(max(int(y1), 0), int(y2)), slice(max(int(x1), 0), int(x2))
    with av.open(str(clip)) as container:
        for picture in container.decode(video=0):
            image = picture.to_ndarray(format="bgr24")
            frame = np.full((HEIGHT, WIDTH, 3), np.median(image[:40], axis=(0, 1)), np.uint8)
            if people:
                figure = image[rows, columns]
                scale = min(WIDTH / people / figure.shape[1], HEIGHT / figure.shape[0])
                performer = cv2.resize(figure, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                height, width = performer.shape[:2]
                for i in range(people):
                    left = int((i + 0.5) * WIDTH / people - width / 2)
                    frame[HEIGHT - height :, max(left, 0) : max(left, 0) + width] = performer
            yield frame


def write_crowd(path: Path, people: int, frames: int, repeat: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """The crowd as a video file of that width and height, forwards and backwards in turn so that it never jumps."""
    once = [np.asarray(cv2.resize(image, size), np.uint8) for image in crowd(people, frames)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=FPS)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", 12_000_000
        for i in range(repeat):
            for image in once[:: -1 if i % 2 else 1]:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


class NetworkClock:
    """Counts the seconds in which any of the networks runs that are opened through it: they run side by side."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running, self._since, self._seconds = 0, 0.0, 0.0

    def __call__(self, runner: Runner) -> "TimedRunner":
        """The runner, counted."""
        return TimedRunner(runner, self)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts a run of one network."""
        with self._lock:
            self._since = self._since if self._running else time.perf_counter()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if not self._running:
                    self._seconds += time.perf_counter() - self._since

    def take(self) -> float:
        """The seconds since it was last asked."""
        with self._lock:
            seconds, self._seconds = self._seconds, 0.0
        return seconds


class TimedRunner:
    """A runner whose runs are counted."""

    def __init__(self, runner: Runner, clock: NetworkClock) -> None:
        self._runner, self._clock = runner, clock
        self.runtime, self.about, self.device = runner.runtime, runner.about, runner.device
        self.inputs, self.outputs = runner.inputs, runner.outputs

    def close(self) -> None:
        """See `Runner.close`."""
        self._runner.close()

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """See `Runner.run`."""
        with self._clock.running():
            return self._runner.run(inputs)


def _listen(address: str, received: Any) -> None:
    """Counts messages in a process of its own until it is ended."""
    from pymafx_live.pipeline.client import Subscriber

    with Subscriber(address) as subscriber:
        for _ in subscriber:
            received.value += 1


@contextmanager
def subscriber(address: str) -> Iterator[Any]:
    """A connected subscriber in another process, as the number of results that it has received."""
    context = get_context("spawn")
    received = context.Value("i", 0)
    process = context.Process(target=_listen, args=(address, received), daemon=True)
    process.start()
    try:
        yield received
    finally:
        process.terminate()
        process.join()


def measure(
    clip: Path, settings: Settings, output: ZmqOutput, realtime: bool, limit: int | None = None
) -> tuple[Samples, int, int]:
    """Seconds of every stage of at most `limit` frames, how many there were, and how many were dropped."""
    clock, pictures = NetworkClock(), Pictures()
    with (
        wrapping(clock),
        closing(open_detector(settings, pictures)) as detector,
        closing(open_engine(settings, pictures)) as engine,
    ):
        return play(clip, settings, Parts(detector, engine, clock), output, realtime, limit)


@dataclass(frozen=True, slots=True)
class Parts:
    """What is opened once and plays several clips; `clock` was there when the networks were opened."""

    detector: Detector
    engine: Engine
    clock: NetworkClock


def play(
    clip: Path,
    settings: Settings,
    parts: Parts,
    output: Output,
    realtime: bool,
    limit: int | None = None,
    stride: Stride = 1,
) -> tuple[Samples, int, int]:
    """See `measure`; the time between two results is the sample `interval`."""
    samples: Samples = {}
    smoother, tracker = Smoother(settings.engine.smoothing), open_tracker(settings.tracker)
    with ExitStack() as stack:
        source = open_source(SourceSettings(uri=str(clip), realtime=realtime), lens(CameraSettings()), Stop())
        stack.enter_context(closing(source))
        frames = dropped = 0
        looped = results(
            source, parts.detector, tracker, parts.engine,
            stride=stride, overlap=settings.run.overlap, smooth=smoother,
        )  # fmt: skip
        stack.enter_context(closing(looped))
        before = time.perf_counter()
        for result, frame in islice(looped, limit):
            start = time.perf_counter()
            output.write(result, frame)
            now = time.perf_counter()
            publish, networks, interval, before = now - start, parts.clock.take(), now - before, now
            frames, dropped = frames + 1, result.dropped
            if frames <= (LIVE_WARM_UP if realtime else WARM_UP):
                continue
            figures = {**result.stages, "publish": publish, "networks": networks, "age": result.age + publish}
            outside = sum(figures.get(s, 0.0) for s in ("detect", "track", "estimate", "publish")) - networks
            figures |= {"not networks": outside, "interval": interval, "found": float(len(result.people))}
            for name, value in figures.items():
                samples.setdefault(name, []).append(value)
    return samples, frames, dropped


def table(samples: Samples) -> dict[str, Figures]:
    """A row per stage: its percentiles in milliseconds."""
    order = ["detect", "track", "estimate", *(n for n in samples if n.startswith("estimate/")), "publish"]
    rows = {name: samples[name] for name in (*order, "networks", "not networks", "age")}
    return {name: percentiles(values) for name, values in rows.items()}


def percentiles(seconds: Sequence[float]) -> Figures:
    """The percentiles of durations, in milliseconds."""
    return {f"p{p}": 1e3 * float(np.percentile(seconds, p)) for p in PERCENTILES}


def per_person(medians: Mapping[int, float]) -> Figures:
    """The straight line through what is not a network, in milliseconds: for a frame, and for each person in it."""
    people = np.array(list(medians))
    slope, intercept = np.polyfit(people, np.array(list(medians.values())), 1) if len(people) > 1 else (np.nan, np.nan)
    return {"per frame": float(intercept), "per person": float(slope)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.latency",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--people", default="0,1,2,4,8", help="how many people, by comma (default 0,1,2,4,8)")
    parser.add_argument("--frames", type=int, default=100, help="frames for each of them (default 100)")
    parser.add_argument("--config", type=Path, help="settings of the run as YAML, such as another engine")
    parser.add_argument("--runtime", default="auto", help="what runs the networks, one or more by comma (default auto)")
    parser.add_argument("--threads", type=int, default=0, help="threads of each network; 0: as many as cores")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    if options.frames <= WARM_UP:
        parser.error(f"--frames must be more than the {WARM_UP} of the warm-up")
    try:
        _report(options)
    except ConfigError as error:
        parser.error(str(error))
    except LiveError as error:
        print(f"latency: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _report(options: argparse.Namespace) -> None:
    runtimes = {
        name: load(options.config, {"run": {"threads": options.threads, "runtime": name}}, run_settings())
        for name in runtime_names(options.runtime)
    }
    address = "tcp://127.0.0.1:5573"
    rows: dict[str, Figures] = {}
    outside: dict[str, dict[int, float]] = {name: {} for name in runtimes}
    columns = {f"p{p}": f"p{p}" for p in PERCENTILES}
    with tempfile.TemporaryDirectory() as folder, closing(ZmqOutput(address)) as output, subscriber(address):
        for people in numbers(options.people):
            clip = Path(folder, f"crowd-{people}.mp4")
            write_crowd(clip, people, 50, max(-(-options.frames // 50), 4))
            for runtime, settings in runtimes.items():
                where = f"{runtime}, {people} people"
                stages, live = _measure_twice(clip, settings, output, options.frames)
                outside[runtime][people] = stages["not networks"]["p50"]
                title = f"{where} ({live['found']:.0f} found), milliseconds; live: {live['dropped']:.0f} of "
                print_table(f"{title}{live['taken'] + live['dropped']:.0f} dropped", stages, columns, 1)
                rows |= {f"{where}: {name}": figures for name, figures in stages.items()}
                rows[f"{where}: live"] = live
    lines = {runtime: per_person(medians) for runtime, medians in outside.items()}
    rows |= {f"{runtime}: not networks": line for runtime, line in lines.items()}
    print_table("not networks, milliseconds", lines, {k: k for k in ("per frame", "per person")}, 1)
    if options.json:
        given = {"people": options.people, "frames": options.frames, "runtime": options.runtime}
        write_json(Path(options.json), "latency", rows, given)


def _measure_twice(
    clip: Path, settings: Settings, output: ZmqOutput, frames: int
) -> tuple[dict[str, Figures], Figures]:
    """The table of every stage with every frame taken, and what became of the frames when the newest won."""
    samples, _, _ = measure(clip, settings, output, realtime=False, limit=frames)
    live, taken, dropped = measure(clip, settings, output, realtime=True)
    stages = table(samples)
    stages["age, live"] = percentiles(live.get("age", [np.nan]))
    found = float(np.median(samples["found"]))
    return stages, {"taken": float(taken), "dropped": float(dropped), "found": found}


if __name__ == "__main__":
    sys.exit(main())
