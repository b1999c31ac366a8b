"""Brings the frames of several sources together, as batches that hold one frame of each source at most."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from threading import Condition, Thread
from typing import Generic, TypeVar

from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import OVER, Frame, SourceEvent, SourceRemoved, SourceState

Item = Frame | SourceEvent
Key = TypeVar("Key", bound=Hashable)
Batch = list[tuple[Key, Item]]
"""What came, and the key of the source that it came from: each source's events before its frame."""
_PATIENCE = 0.3
"""Seconds that `close` waits for the threads."""
_POLL = 0.1
"""Seconds between two looks at whether there may be more sources."""


class Cameras(Generic[Key]):
    """Sources side by side. That one ends or fails does not end the others.

    Live sources give the newest frame that they have, whoever has one: what nobody took in time is dropped, and counted
    by the next frame. Others lose none: where no source is live, a batch waits for the next frame of each, so that
    the batches do not depend on how fast anybody reads. The last event of each source says that it ended, or failed
    and why. Sources may be added and removed meanwhile, from any thread: the others notice nothing.
    """

    def __init__(
        self, sources: Sequence[Iterable[Item]], keys: Sequence[Key], more: Callable[[], bool] | None = None
    ) -> None:
        """A source is live where its attribute `live` says so; what comes from it is told with its key.

        As long as there may be `more`, the end of all sources is not the end (None: there never are).
        """
        self._sources, self._keys, self._more = sources, keys, more
        self._changed = Condition()
        self._feeds: dict[Key, _Feed] = {}
        self._closed = False
        self._waited, self._waiting = 0.0, False

    def __iter__(self) -> Iterator[Batch[Key]]:
        """Raises the `LiveError` of the first source once all have failed; any other error at once."""
        if len(self._sources) == 1 and self._more is None:  # nobody to wait for, so no thread between
            return ([(self._keys[0], item)] for item in _to_the_end(self._sources[0]))
        return self._batches()

    def add(self, key: Key, source: Iterable[Item], event: SourceEvent) -> None:
        """Reads another source from now on, of which the event is told first."""
        with self._changed:
            self._feeds[key] = feed = _Feed(source, self._changed, event)
            if self._closed:
                feed.end()

    def remove(self, key: Key, event: SourceEvent) -> None:
        """Reads a source no more: a frame that waits is dropped, and the event told as the last thing of it.

        After an event that is no `SourceRemoved` it may be removed once more.
        """
        with self._changed:
            self._feeds[key].leave(event)

    def waited(self) -> float:
        """The seconds until now for which there was no frame to be taken."""
        with self._changed:
            return self._waited + (time.monotonic() if self._waiting else 0.0)

    def close(self) -> None:
        """Takes no more frames; the sources are to be closed by who opened them."""
        with self._changed:
            self._closed, feeds = True, list(self._feeds.values())
        for feed in feeds:
            feed.end()
        until = time.monotonic() + _PATIENCE
        for feed in feeds:
            feed.join(until - time.monotonic())

    def _batches(self) -> Iterator[Batch[Key]]:
        sources = zip(self._keys, self._sources, strict=True)
        with self._changed:
            self._feeds |= {key: _Feed(source, self._changed) for key, source in sources}
        while True:
            with self._changed:
                self._wait()
                batch = [(key, item) for key, feed in self._feeds.items() for item in feed.take()]
                self._feeds = {key: feed for key, feed in self._feeds.items() if not feed.left}
                errors = [feed.error for feed in self._feeds.values() if feed.error is not None]
            for error in errors:
                if not isinstance(error, LiveError):
                    raise error
            if batch:
                yield batch
            elif errors and len(errors) == len(self._feeds):
                raise errors[0]
            else:
                return

    def _wait(self) -> None:
        """Until there is something to take, or nothing will come; the lock is held."""
        self._waited, self._waiting = self._waited - time.monotonic(), True
        while not self._changed.wait_for(self._ready, None if self._more is None else _POLL):
            pass
        self._waited, self._waiting = self._waited + time.monotonic(), False

    def _ready(self) -> bool:
        feeds = list(self._feeds.values())
        if any(feed.items for feed in feeds if feed.live or feed.left):
            return True
        stored = [feed for feed in feeds if not feed.live]
        if any(feed.items for feed in stored) and all(feed.over or feed.frame is not None for feed in stored):
            return True
        return all(feed.over for feed in feeds) and (self._more is None or not self._more())


class _Feed:
    """One source, read on a thread of its own; all is to be used with the lock `changed` held."""

    def __init__(self, source: Iterable[Item], changed: Condition, *first: Item) -> None:
        self.live = bool(getattr(source, "live", False))
        self.items: deque[Item] = deque(first)
        self.over = self.left = False
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

    def leave(self, last: SourceEvent) -> None:
        """Takes nothing more, and no frame is left."""
        self._closed = self.over = True
        self.left = isinstance(last, SourceRemoved)
        self.items = deque([*(item for item in self.items if not isinstance(item, Frame)), last])
        self._changed.notify_all()

    def end(self) -> None:
        """Takes nothing more; the lock need not be held."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        """Waits for the thread, which may hang in the source; the lock must not be held."""
        self._thread.join(max(seconds, 0.0))

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
            if not self._closed:
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
