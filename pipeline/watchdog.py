"""Notices that the loop is stuck, and says where."""

import logging
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

LIMIT = 10.0
"""Seconds without a result, while no frame is waited for, after which the loop counts as stuck."""
_ROOT = Path(__file__).resolve().parents[1]
_FOLDERS = ("core", "engines", "export", "pipeline", "trackers")
_STAGES = {"detectors": "the detector", "trackers": "the tracker", "engines": "the engine", "outputs": "an output"}
_WAITING = (_ROOT / "pipeline" / "cameras.py", _ROOT / "pipeline" / "sources")

logger = logging.getLogger(__name__)


class Watchdog:
    """A thread that looks at the thread it was made on: `stuck` says since when it is at what, and is empty if it goes.

    Nothing is ended: what is stuck may be a network that is compiled, or a machine that sleeps. It is logged once
    when it begins, and once when it is over.
    """

    def __init__(self) -> None:
        self.stuck = ""
        self._limit = LIMIT
        self._loop = threading.get_ident()
        self._moved = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def moved(self) -> None:
        """A result has come."""
        self._moved = time.monotonic()

    def __enter__(self) -> Self:
        self.moved()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(self._limit / 10):
            idle = time.monotonic() - self._moved
            # A thread that runs is not looked into: its frames go while they are read.
            place = _place(_stack(self._loop)) if idle > self._limit / 2 else ""
            if place is None:  # it waits for a frame
                self.moved()
            elif idle > self._limit:
                if not self.stuck:
                    logger.warning("no result for %.0f s: %s", idle, place)
                self.stuck = f"no result for {idle:.0f} s: {place}"
                continue
            if self.stuck:
                logger.warning("the run goes on")
                self.stuck = ""


def _stack(loop: int) -> list[traceback.FrameSummary]:
    """Where the loop's thread is, or, where that waits for the thread that detects ahead, where that one is."""
    frames = sys._current_frames()
    stack = _summary(frames.get(loop))
    ahead = [thread.ident for thread in threading.enumerate() if thread.name.startswith("detect")]
    if ahead and stack and stack[-1].name == "_one_ahead":
        stack = _summary(frames.get(ahead[0] or 0)) or stack
    return stack


def _summary(frame: FrameType | None) -> list[traceback.FrameSummary]:
    """What is of this package, the innermost last; without the text of its lines, which would be read from disk."""
    try:
        walked = traceback.StackSummary.extract(traceback.walk_stack(frame), lookup_lines=False) if frame else []
    except AttributeError:  # it has gone on meanwhile, and what was a frame is something else
        return []
    return [entry for entry in reversed(walked) if _is_ours(Path(entry.filename).resolve())]


def _is_ours(file: Path) -> bool:
    return file.is_relative_to(_ROOT) and file.relative_to(_ROOT).parts[0] in _FOLDERS


def _place(stack: list[traceback.FrameSummary]) -> str | None:
    """What the innermost frame is at, as a sentence's end; None where the loop waits for a frame."""
    if not stack:
        return "the loop is at something that is not its own"
    files = [Path(entry.filename).resolve() for entry in stack]
    if any(files[-1] == place or place in files[-1].parents for place in _WAITING):
        return None
    within = files[-1].relative_to(_ROOT)
    stage = next((said for file in files for folder, said in _STAGES.items() if folder in file.parts), "")
    return f"{stage or 'the loop'} is at {within.as_posix()}, line {stack[-1].lineno} ({stack[-1].name})"
