"""The whole pipeline, from the frame to the message, as a live run of PyMAF-X on 1920 x 1080 frames."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from pymafx_live.bench.gpu.calls import counted_calls
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.crowd import write_clip
from pymafx_live.bench.gpu.memory import Watch
from pymafx_live.bench.gpu.settings import CAMERA_FPS, Bench, listen
from pymafx_live.bench.gpu.timing import percentiles
from pymafx_live.bench.latency import NetworkClock, Parts, Samples, play, subscriber
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime.selection import wrapping
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.run import stride

OTHER_SIZE = (640, 480)
BUILDS = ("building", "exporting", "compiling", "comparing")
"""How messages begin about what a later start must not do again."""
RESERVE = 15.0
"""Seconds that memory is not watched any more before its step would be ended."""
CLIPS = {"1": (1,), "4": (4,), "1 to 4 to 1": (1, 4, 1)}
PROFILED = 30


@dataclass(frozen=True, slots=True)
class Stage:
    """What is open while clips are played."""

    bench: Bench
    notes: Notes
    parts: Parts
    output: ZmqOutput

    def play(self, clip: Path, paced: bool = False, overlap: bool = False, frames: int | None = None) -> Samples:
        """The samples of a play; one more holds the number that were dropped."""
        settings = self.bench.settings(overlap)
        taken = play(clip, settings, self.parts, self.output, paced, frames, stride(settings, live=True))
        samples, _, dropped = taken
        self.parts.engine.forget(clip.name)
        return samples | {"dropped": [float(dropped)]}


@contextmanager
def stage(bench: Bench, notes: Notes) -> Iterator[Stage]:
    """Detector, engine and an output with a subscriber in another process; how long opening takes is noted."""
    listen(notes.say)
    settings, clock, pictures = bench.settings(), NetworkClock(), Pictures()
    with ExitStack() as stack:
        stack.enter_context(wrapping(clock))
        began = time.perf_counter()
        detector = stack.enter_context(closing(open_detector(settings, pictures)))
        engine = stack.enter_context(closing(open_engine(settings, pictures)))
        notes.add("opened", {"seconds": time.perf_counter() - began, "on": str(getattr(engine, "about", ""))})
        output = stack.enter_context(closing(ZmqOutput("tcp://127.0.0.1:*")))
        stack.enter_context(subscriber(output.address))
        yield Stage(bench, notes, Parts(detector, engine, clock), output)


def clip_of(bench: Bench, name: str) -> Path:
    """The clip of one of `CLIPS`."""
    return bench.clips / f"{name.replace(' ', '-')}.mp4"


def make_clips(bench: Bench, notes: Notes) -> None:
    """Writes all clips, and times their decoding: a frame counts as captured when it has been decoded."""
    bench.clips.mkdir(parents=True, exist_ok=True)
    for name, counts in CLIPS.items():
        path = write_clip(clip_of(bench, name), counts, bench.frames, bench.size, CAMERA_FPS)
        notes.add(name, {"decoding": _decoding(path), "bytes": path.stat().st_size})
    write_clip(clip_of(bench, "another size"), (1,), bench.frames, OTHER_SIZE, CAMERA_FPS)


def play_one(bench: Bench, notes: Notes) -> None:
    """One person."""
    _play_people(bench, notes, "1")


def play_four(bench: Bench, notes: Notes) -> None:
    """Four people."""
    _play_people(bench, notes, "4")


def _play_people(bench: Bench, notes: Notes, people: str) -> None:
    clip = clip_of(bench, people)
    with stage(bench, notes) as there:
        for overlap in (False, True):
            for paced in (False, True):
                how = f"{'paced' if paced else 'unpaced'}, overlap {'on' if overlap else 'off'}"
                samples = there.play(clip, paced, overlap, bench.frames)
                notes.add(how, figures_of(samples))
        if bench.on_gpu:
            notes.add("calls a frame", counted_calls(lambda: there.play(clip, frames=PROFILED), PROFILED))


def figures_of(samples: Samples) -> dict[str, float]:
    """Milliseconds from capture to publication, frames a second, people, drops, and the median of every stage."""
    if "age" not in samples:
        return {"frames": 0.0, "dropped": samples["dropped"][0]}
    stages = {f"{k} p50": 1e3 * float(np.median(v)) for k, v in samples.items() if k not in NO_STAGES}
    return {
        **percentiles(samples["age"]),
        "slowest": 1e3 * max(samples["age"]),
        "fps": 1 / float(np.mean(samples["interval"])),
        "frames": float(len(samples["age"])),
        "dropped": samples["dropped"][0],
        "found": float(np.median(samples["found"])),
        **stages,
    }


NO_STAGES = ("age", "found", "dropped", "interval")


def change_scene(bench: Bench, notes: Notes) -> None:
    """People come and go, then the camera's size is another: how long the slowest frame takes, and who is found."""
    with stage(bench, notes) as there:
        samples = there.play(clip_of(bench, "1 to 4 to 1"), frames=3 * bench.frames)
        thirds = [float(np.median(part)) for part in np.array_split(samples.get("found", [0.0]), 3) if len(part)]
        notes.add("1 to 4 to 1", figures_of(samples) | {f"found in part {i + 1}": n for i, n in enumerate(thirds)})
        notes.add("another size", figures_of(there.play(clip_of(bench, "another size"), frames=bench.frames)))


def restart(bench: Bench, notes: Notes) -> None:
    """What a later start takes, with everything in the cache, until its first result."""
    began = time.perf_counter()
    built: list[str] = []

    watch = Watch(bench.on_gpu)
    listen(lambda text: built.append(text) if text.startswith(BUILDS) else None)
    with stage(bench, notes) as there:
        held = watch.sample()
        there.play(clip_of(bench, "1"), frames=1)
        notes.add("restart", {"seconds": time.perf_counter() - began, "built": len(built), **held})


def watch_memory(bench: Bench, notes: Notes) -> None:
    """Four people for as long as is asked for: what the process and the card hold, and whether it grows."""
    with stage(bench, notes) as there, Watch(bench.on_gpu) as watch:
        deadline = time.monotonic() + min(bench.seconds, notes.left() - RESERVE)
        frames = 0
        while time.monotonic() < deadline:
            frames += len(there.play(clip_of(bench, "4"), frames=bench.frames).get("age", ()))
            notes.add("memory", watch.figures() | {"frames": float(frames)})


def _decoding(clip: Path) -> float:
    """The median of the milliseconds that a frame takes from the file to an image."""
    with av.open(str(clip)) as container:
        seconds, began = [], time.perf_counter()
        for picture in container.decode(video=0):
            picture.to_ndarray(format="bgr24")
            seconds.append(time.perf_counter() - began)
            began = time.perf_counter()
    return 1e3 * float(np.median(seconds))
