"""Whether it holds for days: the real program on cameras that die and come back, watched for whatever grows.

    python -m pymafx_live.bench.soak [--minutes 30 | --frames N | --hours H] [--fps 5] [--json out.json]

Two programs run. One watches three sources: an RTSP camera that dies, comes back with pictures of another size and
falls silent, an MJPEG camera that breaks off within pictures, and a file that is played again and again; it writes JSON
lines into a pipe. The other records an RTSP camera that sends by UDP as an overlay video. Both publish and serve
metrics. People come and go, scenes are cut; subscribers come and go, stand still, and ask for thousands of topics.

--minutes is real time. --frames, and --hours of so many frames a second, is compressed time: files come as fast as they
are taken, and something happens ten times as often. It fails, with exit code 1 and a sentence for each, where memory,
handles, threads, children, files or the true age of the results grow in the second half, where told ages are not the
true ones, where a source is not heard any more, and where a program does not end as it should.
"""

import argparse
import json
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, cycle
from pathlib import Path

import av
import numpy as np
import zmq
from pymafx_live.bench.growth import Quantity, sentence
from pymafx_live.bench.mjpeg_camera import MjpegCamera
from pymafx_live.bench.numbered import film, write_film
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.bench.rtsp_camera import RtspCamera
from pymafx_live.bench.soak_watch import HELD, Age, Watched
from pymafx_live.core.errors import LiveError

SIZES = ((640, 360), (480, 270))
AGE = Quantity("the true age of the results", " s", 0.5, 0.5)
WRONG = 0.25
"""Seconds by which the told age may be off, in the median."""
_TIMEOUT = 5
"""Seconds of silence after which the programs open a camera anew."""
_WINDOWS = 40
"""Stretches of the run of which the ages are compared."""
Columns = dict[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long, and how often something happens, in seconds; `frames` 0: real time. `modules`: see `soak_program`."""

    seconds: float
    frames: int
    fps: int
    period: float
    modules: Sequence[str] = ()


class Stage:
    """The cameras, and what happens to them and to the programs' subscribers."""

    def __init__(self, folder: Path, plan: Plan, stack: ExitStack) -> None:
        films = [film(size) for size in SIZES]
        clips = [write_film(folder / f"{k}.h264", pictures, plan.fps) for k, pictures in enumerate(films)]
        self.file = write_film(folder / "film.mp4", films[0], plan.fps)
        self.door = stack.enter_context(RtspCamera(clips, plan.fps))
        self.hall = stack.enter_context(RtspCamera(clips[:1], plan.fps))
        self.hall.faults.transport = "udp"
        self.yard = stack.enter_context(MjpegCamera(films[1], plan.fps))
        self._period = plan.period
        self._visitors = stack.enter_context(ExitStack())
        self._over = threading.Event()

    def play(self, programs: Sequence[Watched], metrics: Sequence[str]) -> None:
        """Lets something happen every period, until `close`."""
        happenings: Iterator[Callable[[], None]] = cycle([
            lambda: self._dies(self.door),
            self.yard.break_off,
            lambda: self._stands_still(programs),
            lambda: self._returns_as(1),
            lambda: self._floods(programs),
            lambda: self._falls_silent(),
            lambda: self._dies(self.hall),
            lambda: self._returns_as(0),
        ])  # fmt: skip
        while not self._over.wait(self._period):
            next(happenings)()
            for address in metrics:
                with suppress(OSError):  # it may just be ending
                    urllib.request.urlopen(f"http://{address}/metrics", timeout=5).read()

    def close(self) -> None:
        """Nothing happens any more."""
        self._over.set()

    def _dies(self, camera: RtspCamera) -> None:
        camera.stop()
        self._over.wait(self._period / 6)
        camera.start()

    def _returns_as(self, clip: int) -> None:
        self.door.stop()
        self.door.clip = clip
        self.door.start()

    def _falls_silent(self) -> None:
        self.yard.silent.set()
        self._over.wait(self._period / 4)
        self.yard.silent.clear()

    def _stands_still(self, programs: Sequence[Watched]) -> None:
        """Subscribers that take nothing for half a period, and go."""
        with zmq.Context() as context, ExitStack() as stack:
            for program in programs:
                still = stack.enter_context(context.socket(zmq.SUB))
                still.setsockopt(zmq.LINGER, 0)
                still.setsockopt(zmq.RCVHWM, 1)
                still.subscribe(b"")
                still.connect(program.address)
            self._over.wait(self._period / 2)

    def _floods(self, programs: Sequence[Watched]) -> None:
        """Subscribers that ask for thousands of topics, take something, and go."""
        with zmq.Context() as context, ExitStack() as stack:
            for program in programs:
                flood = stack.enter_context(context.socket(zmq.SUB))
                flood.setsockopt(zmq.LINGER, 0)
                flood.setsockopt(zmq.RCVTIMEO, 1000)
                flood.connect(program.address)
                for number in range(5000):
                    flood.subscribe(f"smplx/{number}\0".encode())
                flood.subscribe(b"")
                with suppress(zmq.Again, zmq.ZMQError):
                    flood.recv()


def soak(folder: Path, plan: Plan) -> tuple[list[Watched], list[str]]:
    """Runs; returns the programs as they were watched, and a sentence for each thing that is wrong."""
    wrong: list[str] = []
    with ExitStack() as stack:
        stage = Stage(folder, plan, stack)
        metrics = [f"127.0.0.1:{_free_port()}" for _ in range(2)]
        watch = stack.enter_context(_watching(folder, plan, stage, metrics[0]))
        record = stack.enter_context(_recording(folder, plan, stage, metrics[1]))
        programs = [watch, record]
        playing = threading.Thread(target=stage.play, args=(programs, metrics), daemon=True)
        playing.start()
        end = time.monotonic() + plan.seconds
        while time.monotonic() < end and any(program.process.poll() is None for program in programs):
            time.sleep(min(plan.period / 12, 5.0))
            for program in programs:
                program.sample()
        stage.close()
        for program in programs:
            program.sample()
            wrong += _ended(program, early=not plan.frames)
        playing.join()
        wrong += _recorded(record)
    return programs, wrong + list(chain.from_iterable(judge(program, plan) for program in programs))


def _watching(folder: Path, plan: Plan, stage: Stage, metrics: str) -> Watched:
    sources = [
        {"uri": stage.door.url, "name": "door"}, {"uri": stage.yard.url, "name": "yard"},
        {"uri": str(stage.file), "name": "film", "loop": True, "realtime": not plan.frames},
    ]  # fmt: skip
    settings = {"source": {"timeout": _TIMEOUT}, "sources": sources}
    config = folder / "watch.yaml"
    config.write_text(json.dumps(settings))  # which is YAML too
    cameras = {"door": lambda: stage.door.taken, "yard": lambda: stage.yard.taken}
    arguments = ["--config", config, "--json", "-", *_common(plan, metrics)]
    return Watched("watch", arguments, folder, cameras, plan.modules)


def _recording(folder: Path, plan: Plan, stage: Stage, metrics: str) -> Watched:
    config = folder / "record.yaml"
    config.write_text(json.dumps({"source": {"timeout": _TIMEOUT}}))
    source = ["--source", stage.file, "--loop"] if plan.frames else ["--source", stage.hall.url]
    arguments = ["--config", config, *source, "--name", "hall", "--save", "out.mp4", *_common(plan, metrics)]
    return Watched("record", arguments, folder, {"hall": lambda: stage.hall.taken}, plan.modules)


def _common(plan: Plan, metrics: str) -> list[object]:
    limit = ["--max-frames", plan.frames] if plan.frames else []
    return [
        "--bind", f"tcp://127.0.0.1:{_free_port()}", "--metrics", metrics, "--stats", "stats.json",
        "--runtime", "onnxruntime", "--stride", "auto", "-v", *limit,
    ]  # fmt: skip


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _ended(program: Watched, early: bool) -> list[str]:
    """What is wrong with how a program ended; `early` where it should have gone on until it was asked to end."""
    if early and program.process.poll() is not None:
        return [f"{program.name} ended by itself with {program.process.returncode}: {program.said}"]
    code = program.end()
    return [f"{program.name} ended with {code}: {program.said}"] if code else []


def _recorded(program: Watched) -> list[str]:
    """Whether the video holds every frame that its output wrote."""
    try:
        outputs = json.loads((program.folder / "stats.json").read_text())["outputs"]
        written = next(output["written"] for output in outputs if output["name"].startswith("--save"))
        with av.open(str(program.folder / "out.mp4")) as container:
            there = sum(1 for packet in container.demux(video=0) if packet.size)
    except (OSError, av.FFmpegError) as error:
        return [f"the recording cannot be read: {error}"]
    return [] if there == written else [f"the recording has {there} frames, of which {written} were written"]


def judge(program: Watched, plan: Plan) -> list[str]:
    """A sentence for each thing that grew, for each source that fell silent, and for ages that are not told truly."""
    who, said = program.name, []
    times = [at for at, _ in program.samples]
    for key, quantity in HELD.items():
        said.append(sentence(who, quantity, times, [sample[key] for _, sample in program.samples]))
    for source in sorted({age.source for age in program.ages}):
        ages = [age for age in program.ages if age.source == source]
        told = np.array([age.told - age.true for age in ages])
        off = float(np.median(told))
        if abs(off) > WRONG:
            said.append(f"the told age of {source} is not the true one: it is off by {off:.2f} s in the median")
        said.append(sentence(source, AGE, *_quickest(ages)))
    last = dict(program.results)
    for source, at in last.items():
        if (silence := times[-1] - at) > 2 * plan.period + 4 * _TIMEOUT:
            said.append(f"{source} has not been heard in the last {silence:.0f} s")
    if not program.results:
        said.append(f"nothing of {who} was heard: {program.said}")
    return [one for one in said if one]


def _quickest(ages: Sequence[Age]) -> tuple[list[float], list[float]]:
    """Times, and the 10th percentiles of the ages when heard about them: what other programs do moves those least."""
    parts = [part for part in np.array_split(np.arange(len(ages)), _WINDOWS) if len(part)]
    times = [float(np.mean([ages[k].at for k in part])) for part in parts]
    return times, [float(np.percentile([ages[k].heard for k in part], 10)) for part in parts]


def by_minute(programs: Sequence[Watched], every: float = 60.0) -> dict[str, Columns]:
    """The table: a row for each minute, in which what a program holds is as it was at its end."""
    times = [at for program in programs for at, _ in program.samples]
    began, last = min(times), max(1, round((max(times) - min(times)) / every))
    rows: dict[str, Columns] = {str(minute): {} for minute in range(1, last + 1)}

    def minute(at: float) -> str:
        return str(min(max(int((at - began) / every) + 1, 1), last))

    for program in programs:
        for at, sample in program.samples:
            rows[minute(at)].update({f"{program.name} {key}": value for key, value in sample.items()})
    for name, row in rows.items():
        ages = [age for program in programs for age in program.ages if minute(age.at) == name]
        row["results"] = sum(minute(at) == name for program in programs for _, at in program.results)
        for kind in ("true", "told", "heard"):
            values = [1000 * getattr(age, kind) for age in ages] or [float("nan")]
            row[f"{kind} p50"], row[f"{kind} p95"] = (float(value) for value in np.percentile(values, (50, 95)))
        row["told - true"] = float(np.median([1000 * (age.told - age.true) for age in ages] or [float("nan")]))
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--minutes", type=float, help="in real time (default 30)")
    how_long.add_argument("--frames", type=int, default=0, help="in compressed time: so many of each program")
    how_long.add_argument("--hours", type=float, help="in compressed time: the frames of so many hours")
    parser.add_argument("--fps", type=int, default=5, help="of each camera (default 5)")
    parser.add_argument(
        "--period", type=float, help="seconds between what happens (default 60, or 6 in compressed time)"
    )
    parser.add_argument("--import", dest="modules", action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    frames = round(options.hours * 3600 * options.fps) if options.hours else options.frames
    seconds = 86_400.0 * 7 if frames else 60 * (30.0 if options.minutes is None else options.minutes)
    plan = Plan(seconds, frames, options.fps, options.period or (6.0 if frames else 60.0), options.modules)
    try:
        with tempfile.TemporaryDirectory(prefix="pymafx-live-soak-") as folder:
            programs, wrong = soak(Path(folder), plan)
            rows = by_minute(programs)
            if options.json:
                write_json(Path(options.json), "soak", rows, vars(options))
    except LiveError as error:
        print(f"soak: {error}", file=sys.stderr)
        return error.exit_code
    _print(programs, rows)
    for one in wrong:
        print(f"soak: {one}", file=sys.stderr)
    return 1 if wrong else 0


def _print(programs: Sequence[Watched], rows: dict[str, Columns]) -> None:
    for program in programs:
        columns = {f"{program.name} {key}": key for key in HELD}
        print_table(f"{program.name}: what it holds at the end of each minute (memory in MB)", rows, columns)
    ages = {f"{kind} {p}": f"{kind} {p}" for kind in ("true", "told", "heard") for p in ("p50", "p95")}
    print_table(
        "results of live sources: ages in ms when published, true and told, and when heard",
        rows, {"results": "results", **ages, "told - true": "told - true"},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
