"""Steps of `bench.gpu` that go well, fail, crash or hang: importable by the processes that run them."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import Any

from pymafx_live.bench.gpu.course import Notes, Step, Work
from pymafx_live.core.errors import NetworkError


def well(bench: Any, notes: Notes) -> None:
    notes.add("row", {"told": str(bench), "number": 1.5, "missing": float("nan")})
    notes.say("a sentence")
    notes.add("row", {"more": 2})


def refuse(bench: Any, notes: Notes) -> None:
    notes.add("before", {"seen": 1})
    raise NetworkError("the engine does not build: do something else.")


def stumble(bench: Any, notes: Notes) -> None:
    raise ZeroDivisionError("of a kind\nnobody foresaw")


def crash(bench: Any, notes: Notes) -> None:
    """As a library that writes where it may not."""
    notes.add("before", {"seen": 1})
    signal.signal(signal.SIGSEGV, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


def leave(bench: Any, notes: Notes) -> None:
    os._exit(7)


def exhaust(bench: Any, notes: Notes) -> None:
    raise MemoryError


def hang(bench: Any, notes: Notes) -> None:
    """As a driver that does not come back, with a child that would outlive it; deaf to being asked to end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    notes.add("processes", {"own": os.getpid(), "child": child.pid})
    time.sleep(600)


@dataclass(frozen=True)
class FailingAfter:
    """Another step's work, which fails when it adds its `rows`-th row."""

    work: Work
    rows: int = 1

    def __call__(self, bench: Any, notes: Notes) -> None:
        self.work(bench, _Failing(notes, self.rows))


class _Failing:
    def __init__(self, notes: Notes, rows: int) -> None:
        self._notes, self._left = notes, rows

    def add(self, row: str, figures: Any) -> None:
        self._notes.add(row, figures)
        self._left -= 1
        if not self._left:
            raise NetworkError("a fault that the test has put in.")

    def say(self, text: str) -> None:
        self._notes.say(text)

    def left(self) -> float:
        return self._notes.left()


def failing(step: Step) -> Step:
    return replace(step, work=FailingAfter(step.work), needs=())
