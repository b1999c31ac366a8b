"""The steps of a build, told to people: a long build must not look like a hang."""

from threading import Lock
from time import monotonic
from typing import Any

from pymafx_live.core.interfaces import Progress

STEP = 10
"""Per cent between two messages of one phase."""
SHORT = 20.0
"""Seconds of a build below which nothing is said of the time."""


def make_monitor(trt: Any, what: str, progress: Progress) -> Any:
    """A progress monitor of that library, which calls `progress`; None where the library has none.

    What `progress` raises ends the build and is kept in `error`: it must not pass through the library, which calls
    from threads of its own.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None

    began = monotonic()

    class Monitor(trt.IProgressMonitor):  # the library is known only when it runs
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.error: BaseException | None = None
            self._steps: dict[str, int] = {}
            self._reported: dict[str, int] = {}
            self._lock = Lock()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                if parent_phase is None:
                    self._steps[phase_name] = num_steps
                    self._tell(phase_name, 0)

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                if phase_name in self._steps:
                    self._tell(phase_name, 100 * (step + 1) // self._steps[phase_name])
                return self.error is None

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)
                self._reported.pop(phase_name, None)

        def _tell(self, phase: str, percent: int) -> None:
            if self.error or percent - self._reported.get(phase, -STEP) < STEP:
                return
            self._reported[phase] = percent
            try:
                progress(f"{what}: {phase.lower()}, {percent} %{_time(monotonic() - began, percent)}")
            except BaseException as error:
                self.error = error

    return Monitor()


def _time(seconds: float, percent: int) -> str:
    """How long a build has taken, and from a quarter of it on what the rest takes if that goes as fast.

    Its steps are not alike, so that is told as no more than it is.
    """
    if seconds < SHORT:
        return ""
    told = f" after {_shown(seconds)}"
    rest = seconds * (100 - percent) / percent if 25 <= percent < 100 else 0.0
    return told + (f", perhaps {_shown(rest)} more" if rest else "")


def _shown(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
