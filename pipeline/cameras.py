"""Brings the frames of several sources together, as batches that hold one frame of each source at most."""

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Condition, Thread

from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import Frame, SourceEvent, SourceState

Item = Frame | SourceEvent
Batch = list[tuple[int, Item]]
"""What came, and the index of the source that it came from: each source's events before its frame."""
OVER = (SourceState.ENDED, SourceState.FAILED)
_PATIENCE = 0.3
"""Seconds that `close` waits for a thread."""


class Cameras:
    """Sources side by side. That one ends or fails does not end the others.

    Live sources give the newest frame that they have, whoever has one: what nobody took in time is dropped, and counted
    by the next frame. Others lose none: where no source is live, a batch waits for the next frame of each, so that
    the batches do not depend on how fast anybody reads. The last event of each source says that it ended, or failed
    and why.
    """

    def __init__(self, sources: Sequence[Iterable[Item]]) -> None:
        """A source is live where its attribute `live` says so."""
        self._sources = sources
        self._feeds: list[_Feed] = []

    def __iter__(self) -> Iterator[Batch]:
        """Raises the `LiveError` of the first source once all have failed; any other error at once."""
        if len(self._sources) == 1:  # nobody to wait for, so no thread between
            return ([(0, item)] for item in _to_the_end(self._sources[0]))
        return self._batches()

    def close(self) -> None:
        """Takes no more frames; the sources are to be closed by who opened them."""
        for feed in self._feeds:
            feed.close()

    def _batches(self) -> Iterator[Batch]:
        changed = Condition()
        self._feeds = [_Feed(source, changed) for source in self._sources]
        while True:
            with changed:
                changed.wait_for(self._ready)
                batch = [(k, item) for k, feed in enumerate(self._feeds) for item in feed.take()]
                errors = [feed.error for feed in self._feeds if feed.error is not None]
            for error in errors:
                if not isinstance(error, LiveError):
                    raise error
            if batch:
                yield batch
            elif len(errors) == len(self._feeds):
                raise errors[0]
            else:
                return

    def _ready(self) -> bool:
        if all(feed.over for feed in self._feeds):
            return True
        if any(feed.items for feed in self._feeds if feed.live):
            return True
        stored = [feed for feed in self._feeds if not feed.live]
        return any(feed.items for feed in stored) and all(feed.over or feed.frame is not None for feed in stored)


class _Feed:
    """One source, read on a thread of its own; all is to be used with the lock `changed` held."""

    def __init__(self, source: Iterable[Item], changed: Condition) -> None:
        self.live = bool(getattr(source, "live", False))
        self.items: deque[Item] = deque()
        self.over = False
        self.error: BaseException | None = None
        self._dropped, self._closed, self._changed = 0, False, changed
        self._thread = Thread(target=self._read, args=(source,), name="camera", daemon=True)
        self._thread.start()

    @property
    def frame(self) -> Frame | None:
        """The frame that waits to be taken; there is one at most."""
        return next((item for item in self.items if isinstance(item, Frame)), None)

    def take(self) -> list[Item]:
        """All that waits, in order."""
        items = list(self.items)
        self.items.clear()
        self._changed.notify_all()
        return items

    def close(self) -> None:
        """Ends the thread, unless it hangs in the source."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE)

    def _read(self, source: Iterable[Item]) -> None:
        error: BaseException | None = None
        try:
            for item in _to_the_end(source):
                if not self._put(item):
                    break
        except BaseException as raised:  # raised again where the batches are taken
            error = raised
        with self._changed:
            self.over, self.error = True, error
            self._changed.notify_all()

    def _put(self, item: Item) -> bool:
        """Adds an item, a frame in place of the one that waits where the source is live; False once it is closed."""
        with self._changed:
            if isinstance(item, Frame):
                if not self.live:
                    self._changed.wait_for(lambda: self.frame is None or self._closed)
                elif (late := self.frame) is not None:
                    self.items.remove(late)
                    self._dropped += 1
                    item = replace(item, cut=item.cut or late.cut)
                if self._dropped:
                    item = replace(item, dropped=item.dropped + self._dropped)
            self.items.append(item)
            self._changed.notify_all()
            return not self._closed


def _to_the_end(source: Iterable[Item]) -> Iterator[Item]:
    """All that comes from a source, and how it ended, where it does not say so itself."""
    name, last = str(getattr(source, "name", "")), ""
    try:
        for item in source:
            name, last = item.source, "" if isinstance(item, Frame) else item.state
            yield item
    except LiveError as error:
        if last not in OVER:
            yield SourceEvent(name, SourceState.FAILED, time.time(), str(error))
        raise
    if last not in OVER:
        yield SourceEvent(name, SourceState.ENDED, time.time())
