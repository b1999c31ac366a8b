"""What waits for an output: results and events, of which there is never more than a limited number."""

import time
from collections import deque
from collections.abc import Callable
from threading import Condition

from pymafx_live.core.interfaces import Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent

Item = tuple[FrameResult, Frame | None] | SourceEvent

ROOM = 32
"""Items that wait at most; each may hold a picture."""
_POLL = 0.1
"""Seconds between two looks at whether waiting still makes sense."""


class Mailbox:
    """Hands items from the run to the thread of one output; `dropped` counts the results that it did not keep."""

    def __init__(self, policy: Policy) -> None:
        self.dropped = 0
        self.taken_at = time.monotonic()
        """When the output last came for an item, or had none to come for, by `time.monotonic`."""
        self._policy = policy
        self._items: deque[tuple[Item, float]] = deque()  # and when each was placed
        self._closed = False
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: Item, give_up: Callable[[], bool]) -> None:
        """Places an item. With `BLOCK` it waits for room until `give_up()`; a closed mailbox takes nothing."""
        with self._changed:
            if self._policy is Policy.BLOCK:
                while len(self._items) >= ROOM and not self._closed and not give_up():
                    self._changed.wait(_POLL)
            if self._closed:
                return
            if not self._items:
                self.taken_at = time.monotonic()
            if self._policy is Policy.NEWEST and not isinstance(item, SourceEvent) and not item[0].final:
                self._drop_result(item[0].source)
            if len(self._items) >= ROOM and not self._drop_result():
                self._items.popleft()  # a hundred events that nobody heard
            self._items.append((item, time.monotonic()))
            self._changed.notify_all()

    def take(self) -> tuple[Item, float] | None:
        """The next item and when it was placed, waiting for it; None once the mailbox is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._closed)
            self.taken_at = time.monotonic()
            item = self._items.popleft() if self._items else None
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Takes nothing more; what is in it can still be taken."""
        with self._changed:
            if not self._closed:
                self._closed, self.taken_at = True, time.monotonic()
            self._changed.notify_all()

    def empty(self) -> None:
        """Drops what is in it."""
        with self._changed:
            while self._drop_result():
                pass
            self._items.clear()

    def _drop_result(self, source: str | None = None) -> bool:
        """Drops the oldest result (of that source), and says whether there was one."""
        for index, (item, _) in enumerate(self._items):
            if not isinstance(item, SourceEvent) and source in (None, item[0].source):
                del self._items[index]
                self.dropped += 1
                return True
        return False
