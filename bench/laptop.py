"""One person at a desk, as a laptop sees it: this project beside MediaPipe Holistic, on the same frames, in turn.

    python -m pymafx_live.bench.laptop [--clip FILE]... [--holistic PYTHON] [--rounds 3] [--json out.json]

Every contender is loaded once in a process of its own, plays all clips once unmeasured, and then waits for its turn:
in every round each of them plays each clip, forwards and backwards, while the others sleep. Frames lie decoded in
memory. This project's time is that of its whole loop: detector, tracker, networks, fit, smoothing and the encoded
message. MediaPipe's is that of the legacy graph's `process` with its default options (model complexity 1), which gives
landmarks of the body, both hands and the face, in the environment of the interpreter PYTHON:

    python -m venv mp && mp/bin/pip install mediapipe==0.10.21

Other work on the machine slows whoever has its turn: the load at the begin and at the end is printed, the ratio of a
round compares what ran within some seconds, and CPU is what the processors worked for a frame, together.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.clip import cached_clip
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.schema import number_or_word
from pymafx_live.core.errors import LiveError, UsageError

FPS = 30.0
WARM_UP = 10
"""Frames of each clip that are not counted: whoever is there is found there."""
HOLISTIC = "MediaPipe Holistic"
COLUMNS = {
    "mean": "ms", "fps": "fps", "p50": "p50", "p95": "p95", "p95/p50": "p95/p50", "ratio": "times MediaPipe",
    "work": "CPU", "person": "person", "hands": "hands", "face": "face",
}  # fmt: skip
Images = NDArray[np.uint8]
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Configuration:
    """How this project runs: the keys of its settings that differ from the defaults."""

    runtime: str
    stride: str
    threads: int = 0

    @property
    def settings(self) -> dict[str, Any]:
        """As `Settings` takes them."""
        return {
            "detector": {"stride": number_or_word(self.stride)},
            "run": {"runtime": self.runtime, "threads": self.threads},
        }


@dataclass(frozen=True, slots=True)
class Contender:
    """A process that plays frames: what it is called, how many people it is shown, and its standard streams."""

    name: str
    people: int
    process: subprocess.Popen[str]

    def answer(self) -> Any:
        """What it says next; raises `UsageError` where it has ended instead."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise UsageError(f"{self.name} has ended with exit code {self.process.wait()}: its own message is above.")
        return json.loads(line)

    def play(self, frames: Path) -> dict[str, Any]:
        """What became of a file of frames."""
        assert self.process.stdin is not None
        print(frames, file=self.process.stdin, flush=True)
        answer: dict[str, Any] = self.answer()
        return answer


@contextmanager
def contender(name: str, people: int, command: Sequence[str]) -> Iterator[Contender]:
    """A process that is loaded and waits; ended with the context."""
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    except OSError as error:
        raise UsageError(f"{name} cannot be started ({error}): check {command[0]}.") from error
    try:
        loaded = Contender(name, people, process)
        loaded.answer()
        yield loaded
    finally:
        process.kill()
        process.communicate()


def decoded(clip: Path) -> Images:
    """All frames (N, H, W, 3) of a video, RGB; raises `UsageError` where there are too few."""
    try:
        with av.open(str(clip)) as container:
            frames = [picture.to_ndarray(format="rgb24") for picture in container.decode(video=0)]
    except (av.FFmpegError, OSError) as error:
        raise UsageError(f"the clip {clip} cannot be read ({error}): give a video file.") from error
    if len(frames) <= WARM_UP:
        raise UsageError(f"the clip {clip} has {len(frames)} frames: {WARM_UP + 1} are the least.")
    return np.stack(frames)


def beside(frames: Images, people: int) -> Images:
    """The frames forwards and backwards, with `people` copies of whom they show side by side."""
    swung = np.concatenate([frames, frames[::-1]])
    # each copy at another moment, so that they do not move as one
    return np.concatenate([np.roll(swung, 7 * k, axis=0) for k in range(people)], axis=2)


def figures(answers: Iterable[Mapping[str, Any]]) -> Figures:
    """A contender's figures over what it answered, warm-ups left out; durations in milliseconds."""
    answers = list(answers)
    frames, ages = (1e3 * np.concatenate([a[key][WARM_UP:] for a in answers]) for key in ("frame", "age"))
    p50, p95 = np.percentile(ages, (50, 95))
    shares = {key: 100 * statistics.mean(a["found"][key] for a in answers) for key in ("person", "hands", "face")}
    mean, work = float(frames.mean()), 1e3 * statistics.mean(a["work"] for a in answers)
    return {
        "mean": mean, "fps": 1e3 / mean, "p50": float(p50), "p95": float(p95), "p95/p50": float(p95 / p50),
        "work": work, **shares,
    }  # fmt: skip


def compare(contenders: Sequence[Contender], clips: Mapping[int, Sequence[Path]], rounds: int) -> dict[str, Figures]:
    """A row per contender; `clips` maps the number of people in them to files of frames.

    `ratio` is how many times as fast as MediaPipe it is: the median over the rounds, each within itself.
    """
    answers: dict[str, list[list[dict[str, Any]]]] = {c.name: [] for c in contenders}
    for turn in range(rounds + 1):
        for one in contenders:
            played = [one.play(clip) for clip in clips[one.people]]
            if turn:
                answers[one.name].append(played)
                print(f"round {turn}: {one.name} {figures(played)['mean']:.1f} ms", file=sys.stderr)
    rows = {name: figures(a for played in turns for a in played) for name, turns in answers.items()}
    if HOLISTIC in rows:
        theirs = [figures(played)["mean"] for played in answers[HOLISTIC]]
        for name, turns in answers.items():
            ratios = [reference / figures(played)["mean"] for reference, played in zip(theirs, turns, strict=True)]
            rows[name]["ratio"] = statistics.median(ratios)
    return rows


@contextmanager
def _contenders(
    holistic: str | None, configurations: Sequence[Configuration], people: Sequence[int]
) -> Iterator[list[Contender]]:
    here = Path(__file__).parent
    with ExitStack() as stack:
        found = []
        if holistic:
            command = [holistic, str(here / "laptop_holistic.py")]
            found.append(stack.enter_context(contender(HOLISTIC, 1, command)))
        for count in people:
            for one in configurations:
                name = f"{one.runtime}, stride {one.stride}" + (f", {count} people" if count > 1 else "")
                command = [sys.executable, "-m", "pymafx_live.bench.laptop_ours", json.dumps(asdict(one))]
                found.append(stack.enter_context(contender(name, count, command)))
        yield found


@click.command(help=__doc__)
@click.option("--clip", "clips", type=Path, multiple=True, help="video of one person; by default one is rendered")
@click.option("--holistic", help="Python interpreter of an environment with mediapipe==0.10.21")
@click.option("--runtime", default="", help="runtimes, by comma (default: ONNX Runtime, and OpenVINO if installed)")
@click.option("--stride", default="1,4,auto", show_default=True, help="the detector's strides, by comma")
@click.option("--people", default="1", show_default=True, help="people side by side for this project, by comma")
@click.option("--threads", default=0, help="processor threads of each network; 0: as the pipeline chooses")
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(min=1), help="turns of every contender")
@click.option("--json", "output", type=Path, help="file for the figures")
def main(**given: Any) -> None:
    """The command."""
    runtimes = given["runtime"] or ("onnxruntime,openvino" if find_spec("openvino") else "onnxruntime")
    configurations = [
        Configuration(runtime, stride, given["threads"])
        for runtime in runtimes.split(",")
        for stride in given["stride"].split(",")
    ]
    try:
        people = numbers(given["people"])
        clips = given["clips"] or (cached_clip("hands", 0),)
        with tempfile.TemporaryDirectory() as folder:
            files: dict[int, list[Path]] = {}
            for count in {1, *people}:
                for i, clip in enumerate(clips):
                    file = Path(folder, f"{i}-{count}.npy")
                    np.save(file, beside(decoded(clip), count))
                    files.setdefault(count, []).append(file)
            before = os.getloadavg()[0]
            with _contenders(given["holistic"], configurations, people) as contenders:
                rows = compare(contenders, files, given["rounds"])
        print_table("one frame, milliseconds; found, % of frames", rows, COLUMNS, 2)
        print(f"load of the machine: {before:.1f} at the begin, {os.getloadavg()[0]:.1f} at the end")
        if given["output"]:
            settings = {k: v for k, v in given.items() if k not in ("output", "clips", "holistic")}
            write_json(given["output"], "laptop", rows, settings | {"clips": [clip.name for clip in clips]})
    except LiveError as error:
        print(f"laptop: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
