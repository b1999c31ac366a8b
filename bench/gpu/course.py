"""Runs steps one after another, each in a process of its own and for so long at most; whatever happens, the next runs.

A fault on a GPU often ends more than a call: an illegal access spoils the process's context for good, a library may
crash, and what hangs in a driver can only be killed.
"""

import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import Any, Protocol

from pymafx_live.bench.gpu.journal import FAILED, LATE, LEFT_OUT, OK, Entry, Figures, Journal
from pymafx_live.core.errors import LiveError

GRACE = 5.0
"""Seconds for a process to end when it is asked to, before it is killed."""
LEAST = 1.0
"""Seconds below which a step is not begun."""


class Notes(Protocol):
    """Where a step leaves what it finds, at once."""

    def add(self, row: str, figures: Figures) -> None:
        """A row of figures; a second one of the same name adds to the first."""

    def say(self, text: str) -> None:
        """A sentence, such as the progress of a build."""

    def left(self) -> float:
        """Seconds until the step is ended."""


Work = Callable[[Any, Notes], None]
"""What a step does: with the settings of the whole benchmark, leaving notes. It must be importable by its name."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the seconds that it may take, and the names of steps without whose success it makes no sense.

    Of all the time, `kept` seconds are not given to the steps before it.
    """

    name: str
    seconds: float
    work: Work
    needs: Sequence[str] = ()
    kept: float = 0.0

    def lasting(self, share: float) -> "Step":
        """The same step with `share` times as many seconds."""
        return replace(self, seconds=share * self.seconds, kept=share * self.kept)


def run_course(
    steps: Sequence[Step], bench: Any, journal: Journal, seconds: float, say: Callable[[str], None] = lambda text: None
) -> None:
    """Runs all `steps` within so many `seconds`, the later ones with what the earlier ones have left."""
    deadline = time.monotonic() + seconds
    for k, step in enumerate(steps):
        entry = journal.begin(step.name)
        failed = [e.name for e in journal.entries if e.name in step.needs and e.state != OK]
        kept = sum(later.kept for later in steps[k + 1 :])
        limit = min(step.seconds, deadline - kept - time.monotonic())
        if failed:
            journal.end(entry, LEFT_OUT, 0.0, f"it needs the step {failed[0]!r}")
        elif limit < LEAST:
            journal.end(entry, LEFT_OUT, 0.0, "no time was left")
        else:
            say(f"{step.name} ({limit:.0f} s at most)")
            began = time.monotonic()
            state, error = _run(step, bench, journal, entry, limit, say)
            journal.end(entry, state, time.monotonic() - began, error)
        if entry.state != OK:
            say(f"{step.name}: {entry.state}: {entry.error}")


def _run(
    step: Step, bench: Any, journal: Journal, entry: Entry, limit: float, say: Callable[[str], None]
) -> tuple[str, str]:
    """How the step went, and why if not well."""
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=_work, args=(step, bench, theirs, limit), name=step.name)
    process.start()
    theirs.close()
    deadline = time.monotonic() + limit
    try:
        while ours.poll(max(deadline - time.monotonic(), 0)):
            match ours.recv():
                case ("add", row, figures):
                    journal.add(entry, row, figures)
                case ("say", text):
                    journal.say(entry, text)
                    say(f"  {text}")
                case (state, error):
                    process.join(GRACE)
                    return state, error
        return LATE, f"it had not ended after {limit:.0f} s"
    except EOFError:
        process.join(GRACE)
        return FAILED, f"its process ended{_how(process.exitcode)}"
    finally:
        _end(process)
        ours.close()


def _work(step: Step, bench: Any, connection: Connection, limit: float) -> None:
    """In the process: does it, and says how that went."""
    if hasattr(os, "setsid"):
        os.setsid()  # a group of its own, so that what it has started can be ended with it
    Thread(target=_end_with_parent, name="parent", daemon=True).start()
    notes = _Sender(connection, time.monotonic() + limit)
    try:
        step.work(bench, notes)
    except LiveError as error:
        connection.send((FAILED, str(error)))
    except BaseException as error:  # whatever it is: it is written down, and the next step runs
        connection.send((FAILED, f"{type(error).__name__}: {error}{_where(error)}"))
    else:
        connection.send((OK, ""))


def _end_with_parent() -> None:
    """Waits until whoever runs the course is gone, killed perhaps, and then ends this process and its group."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.killpg(0, signal.SIGKILL) if hasattr(os, "killpg") else os._exit(1)


def _where(error: BaseException) -> str:
    """The last line of ours that an unexpected error came through."""
    at = error.__traceback__
    found = ""
    while at is not None:
        name = at.tb_frame.f_code.co_filename
        if "site-packages" not in name:
            found = f" ({os.path.basename(name)}:{at.tb_lineno})"  # noqa: PTH119
        at = at.tb_next
    return found


class _Sender:
    """Sends notes to the process that writes them down."""

    def __init__(self, connection: Connection, deadline: float) -> None:
        self._connection, self._deadline = connection, deadline

    def add(self, row: str, figures: Figures) -> None:
        """See `Notes.add`."""
        self._connection.send(("add", row, dict(figures)))

    def say(self, text: str) -> None:
        """See `Notes.say`."""
        self._connection.send(("say", text))

    def left(self) -> float:
        """See `Notes.left`."""
        return self._deadline - time.monotonic()


def _how(code: int | None) -> str:
    if code is None:
        return ""
    return f" by {signal.Signals(-code).name}" if code < 0 else f" with exit code {code}"


def _end(process: BaseProcess) -> None:
    """Ends the process where it still runs, and whatever it has started and left."""
    if process.is_alive():
        _signal_group(process, signal.SIGTERM)
        process.join(GRACE)
    _signal_group(process, getattr(signal, "SIGKILL", signal.SIGTERM))
    process.join()


def _signal_group(process: BaseProcess, kind: int) -> None:
    try:
        if hasattr(os, "killpg") and process.pid is not None:
            os.killpg(process.pid, kind)
        elif process.is_alive():
            process.terminate()
    except (ProcessLookupError, PermissionError):  # it has ended, or has not made its group yet
        if process.is_alive():
            process.terminate()
