"""A run of `pymafx-live` that is watched from outside: what it holds, and how old its results are."""

import os
import signal
import subprocess
import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pymafx_live.bench.growth import Quantity
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.pipeline.client import NoMessageError, Subscriber

_KEPT = 1000
"""Frames that the probe has told of and nobody has heard of yet, at most."""
Taken = Callable[[], Sequence[tuple[int, float]]]
"""The pictures that a camera has taken: each one's number, and when, by `time.monotonic`, in order."""

HELD = {
    "memory": Quantity("resident memory", " MB", 16.0, 0.02),
    "handles": Quantity("the number of open handles", "", 8.0),
    "threads": Quantity("the number of threads", "", 4.0),
    "children": Quantity("the number of child processes", "", 0.5),
    "files": Quantity("the number of files in its cache and temporary folder", "", 1.5),
}


def held(process: int, folders: Sequence[Path]) -> dict[str, float]:
    """What a process holds now, by the names of `HELD`."""
    of = Path(f"/proc/{process}")
    tasks = list((of / "task").iterdir())
    children = 0
    for task in tasks:
        with suppress(OSError):  # it may have ended
            children += len((task / "children").read_text().split())
    return {
        "memory": int((of / "statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6,
        "handles": len(list((of / "fd").iterdir())),
        "threads": len(tasks),
        "children": children,
        "files": sum(len(files) for folder in folders for _, _, files in os.walk(folder)),
    }


@dataclass(frozen=True, slots=True)
class Age:
    """A result of a live source: `told` and `true` are its age in seconds when it was published, `heard` its true age
    when it reached the subscriber; `at` is then, by `time.monotonic`."""

    source: str
    at: float
    told: float
    true: float
    heard: float


class Watched:
    """A program that runs, in folders of its own below `folder`. Use it in a `with` block.

    `cameras` says what each live source has taken. `modules` are imported by it first (`bench.soak_program`), `extra`
    is added to its environment.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[object],
        folder: Path,
        cameras: Mapping[str, Taken],
        modules: Sequence[str] = (),
        extra: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.name, self._cameras = name, cameras
        self.ages: list[Age] = []
        self.results: list[tuple[str, float]] = []
        """Of each result that was heard its source, and when."""
        self.published: list[tuple[str, int]] = []
        """Of each result that was published its source and sequence number."""
        self.samples: list[tuple[float, dict[str, float]]] = []
        self.states: list[SourceEvent] = []
        self._folders = [folder / name / kind for kind in ("cache", "tmp")]
        for made in self._folders:
            made.mkdir(parents=True)
        self.folder = folder / name
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "pymafx_live.bench.soak_program", str(writing), ",".join(modules)]
        self.process = subprocess.Popen(
            [*command, *(str(argument) for argument in arguments)],
            cwd=self.folder, pass_fds=[writing], text=True,
            stdout=subprocess.PIPE, stderr=(self.folder / "log").open("w"),
            env=os.environ | {"XDG_CACHE_HOME": str(self._folders[0]), "TMPDIR": str(self._folders[1])} | dict(extra),
        )  # fmt: skip
        os.close(writing)
        self.lines, self._lock = 0, threading.Lock()
        self._probed_frames: dict[tuple[str, int], tuple[int, float, float]] = {}
        self._heard_frames: list[tuple[FrameResult, float]] = []
        self._over = threading.Event()
        self.address = str(arguments[list(arguments).index("--bind") + 1])
        self._threads = [
            threading.Thread(target=read, args=arguments_, daemon=True)
            for read, arguments_ in ((self._probed, (reading,)), (self._read, ()), (self._heard, ()))
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(5)

    @property
    def said(self) -> str:
        """The last that it has written to standard error."""
        return (self.folder / "log").read_text(errors="replace")[-3500:].strip()

    def end(self, patience: float = 60.0) -> int:
        """Asks it to end, and returns its exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(patience)

    def held(self) -> dict[str, float]:
        """What it holds now, by the names of `HELD`."""
        return held(self.process.pid, self._folders)

    def sample(self) -> None:
        """Takes in what the process holds, and the ages of the results that have come."""
        if self.process.poll() is None:
            self.samples.append((time.monotonic(), self.held()))
        with self._lock:
            heard, self._heard_frames = self._heard_frames, []
            known = [
                (result, at, self._probed_frames.pop((result.source, result.sequence), None)) for result, at in heard
            ]
            for key in list(self._probed_frames)[:-_KEPT]:
                del self._probed_frames[key]  # nobody has heard it
        for result, at, frame in known:
            self.results.append((result.source, at))
            camera = self._cameras.get(result.source)
            if camera is None or frame is None:
                continue
            number, published, told = frame
            if (taken := _when(camera(), number, published)) is not None:
                self.ages.append(Age(result.source, at, told, published - taken, at - taken))

    def _probed(self, pipe: int) -> None:
        with os.fdopen(pipe) as lines:
            for line in lines:
                source, sequence, number, at, told = line.split()
                self.published.append((source, int(sequence)))
                with self._lock:
                    self._probed_frames[source, int(sequence)] = int(number), float(at), float(told)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines += line.startswith("{") and line.endswith("}\n")

    def _heard(self) -> None:
        with Subscriber(self.address, timeout=1.0, on_event=self.states.append) as results:
            while not self._over.is_set():
                with suppress(NoMessageError):
                    result = next(results)
                    if not result.final:
                        with self._lock:
                            self._heard_frames.append((result, time.monotonic()))


def _when(taken: Sequence[tuple[int, float]], number: int, before: float) -> float | None:
    """When a picture of that number was last taken before a moment; None where it never was."""
    for index in range(bisect_right(taken, before, key=lambda entry: entry[1]) - 1, -1, -1):
        if taken[index][0] == number:
            return taken[index][1]
    return None
