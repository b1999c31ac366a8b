"""Says once a second what is known, for whoever has come late or wants to tell a quiet camera from a dead sender."""

from collections.abc import Callable
from threading import Event, Lock, Thread

from pymafx_live.core.types import SourceEvent, SourceRemoved

PERIOD = 1.0
"""Seconds."""


class Heartbeat:
    """Repeats the last event of each source on a thread of its own, also while the run waits for a frame."""

    def __init__(self, repeat: Callable[[SourceEvent], None]) -> None:
        """`repeat` is called on the thread, and must be ready for that."""
        self._repeat = repeat
        self._states: dict[str, SourceEvent] = {}
        self._lock, self._over = Lock(), Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def note(self, event: SourceEvent) -> None:
        """Takes in what is true from now on; of a source that was removed nothing is said any more."""
        with self._lock:
            if isinstance(event, SourceRemoved):
                self._states.pop(event.source, None)
            else:
                self._states[event.source] = event

    def close(self) -> None:
        """Says nothing more."""
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._over.wait(PERIOD):
            with self._lock:  # nothing is repeated that is not so any more
                for event in self._states.values():
                    self._repeat(event)
