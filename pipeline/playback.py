"""Steers a replay: plays, pauses, jumps and changes its speed, from any thread."""

import time
from collections.abc import Callable
from threading import Condition

from pymafx_live.pipeline.stop import Stop

SLOWEST, FASTEST = 0.1, 16.0
"""Of the recorded speed."""
_POLL = 0.05
"""Seconds between two looks at whether the run is to end."""
_BEHIND = 0.25
"""Seconds by which the outputs may be late before the clock waits for them."""


class Playback:
    """The clock of a replay that lasts so many `seconds`, which those who look may turn.

    `changed` is called after each change, from the thread that made it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.changed: Callable[[], None] = lambda: None
        self.playing, self.speed, self.over = True, 1.0, False
        self._place, self._since = 0.0, time.monotonic()
        self._jump: float | None = None
        self._peek = False
        """One result is to be shown, although nothing plays: there was a jump to it."""
        self._turned = Condition()

    @property
    def at(self) -> float:
        """The moment of the recording that it is at, in seconds."""
        with self._turned:
            return min(self._now(), self.seconds)

    def play(self, on: bool) -> None:
        """Goes on, from the beginning where it is over, or stands still."""
        with self._turned:
            self._anchor(self._now())
            self.playing = on
            if on and self.over:
                self._jump_to(0.0)
            self._turned.notify_all()
        self.changed()

    def seek(self, at: float) -> None:
        """Goes to a moment, and stands still there if it does so now."""
        with self._turned:
            self._jump_to(min(max(at, 0.0), self.seconds))
            self._turned.notify_all()
        self.changed()

    def hurry(self, speed: float) -> None:
        """Goes on at so many times the recorded speed."""
        with self._turned:
            self._anchor(self._now())
            self.speed = min(max(speed, SLOWEST), FASTEST)
            self._turned.notify_all()
        self.changed()

    def due(self, at: float, stop: Stop, stands: Callable[[bool], None]) -> bool:
        """Waits until the moment `at` is due. False: the run is to end, or there is a jump to be taken.

        `stands` is told, on this thread, when it begins to stand still, and when it goes on.
        """
        standing = False
        while not stop.requested:
            with self._turned:
                if self._jump is not None:
                    break
                late = self._now() - at
                if self._peek or (self.playing and late >= 0):
                    if self._peek or late > _BEHIND * self.speed:
                        self._anchor(at)
                    self._peek = False
                    break
                still = not self.playing
                if still is standing:
                    self._turned.wait(_POLL if still else min(-late / self.speed, _POLL))
            if still is not standing:
                standing = still
                stands(standing)
        with self._turned:
            goes_on = self._jump is None and not stop.requested
        if standing and goes_on:
            stands(False)
        return goes_on

    def jump(self) -> float | None:
        """Where to go, once for each time that somebody wished to; else None."""
        with self._turned:
            at, self._jump = self._jump, None
            if at is not None:
                self._peek = not self.playing
                self._anchor(at)
            return at

    def rest(self, stop: Stop) -> float | None:
        """Stands at the end until somebody jumps: where to; None where the run is to end."""
        with self._turned:
            if self._jump is None:
                self.over, self.playing = True, False
                self._anchor(self.seconds)
        self.changed()
        with self._turned:
            while self._jump is None and not stop.requested:
                self._turned.wait(_POLL)
        return None if stop.requested else self.jump()

    def _now(self) -> float:
        if self._jump is not None:
            return self._jump
        gone = (time.monotonic() - self._since) * self.speed if self.playing and not self._peek else 0.0
        return self._place + gone

    def _anchor(self, at: float) -> None:
        self._place, self._since = at, time.monotonic()

    def _jump_to(self, at: float) -> None:
        self._jump, self.over = at, False
