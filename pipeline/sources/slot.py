"""The one place between the thread that reads a source and the loop: it holds a single image."""

from dataclasses import replace
from threading import Condition

from pymafx_live.pipeline.sources.reader import Shot


class Slot:
    """Hands shots from one thread to another.

    With `newest_wins` a new shot replaces the one that nobody took, which `dropped` and the `lost` of every
    later shot count; otherwise the reader waits until the slot is empty.
    """

    def __init__(self, *, newest_wins: bool) -> None:
        self.dropped = 0
        self.ended = False
        self.error: BaseException | None = None
        self._newest_wins = newest_wins
        self._shot: Shot | None = None
        self._closed = False
        self._changed = Condition()

    @property
    def full(self) -> bool:
        """Whether a shot waits to be taken."""
        return self._shot is not None

    def put(self, shot: Shot) -> bool:
        """Places a shot; False once the slot is closed."""
        with self._changed:
            if not self._newest_wins:
                self._changed.wait_for(lambda: self._shot is None or self._closed)
            else:
                late = self._shot
                self.dropped += late is not None
                cut = shot.cut or (late is not None and late.cut)
                shot = replace(shot, lost=shot.lost + self.dropped, cut=cut)
            if not self._closed:
                self._shot = shot
            self._changed.notify_all()
            return not self._closed

    def end(self, error: BaseException | None = None) -> None:
        """Says that no shot will follow, because of `error` or because the source is at its end."""
        with self._changed:
            self.ended, self.error = True, error
            self._changed.notify_all()

    def take(self, seconds: float) -> Shot | None:
        """The shot in the slot, waiting `seconds` at most; None where none came."""
        with self._changed:
            self._changed.wait_for(lambda: self._shot is not None or self.ended, seconds)
            shot, self._shot = self._shot, None
            self._changed.notify_all()
            return shot

    def close(self) -> None:
        """Refuses further shots and drops the one it holds."""
        with self._changed:
            self._closed, self._shot = True, None
            self._changed.notify_all()
