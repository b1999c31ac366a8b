"""Turns readers into a source: numbered frames, from one connection after the other where it is lost."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame, SourceEvent, SourceState
from pymafx_live.pipeline.camera import Lens, Mount
from pymafx_live.pipeline.sources.clocks import WALL
from pymafx_live.pipeline.sources.reader import Reader, RefusedError, Shot
from pymafx_live.pipeline.sources.session import POLL, Session, let_go
from pymafx_live.pipeline.stop import Stop

_PATIENCE = 0.3
"""Seconds that `close` waits for the thread, longer than the decoding of any frame takes."""
_GOODBYE = 1.0
"""Seconds for an old connection to be closed before a new one is opened: cameras serve few at once."""
_LEFT = 3
"""Readers that hang and were left alone; with so many, no other is begun until one ends."""
_FIRST_LOOK = 3.0
"""Seconds for a camera that is waited for to answer: the others do not wait for it."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
"""Seconds before a connection is tried again; they double each time."""
_STALLED = 2.0
"""Seconds without a frame after which a live source is said to be stalled."""

logger = logging.getLogger(__name__)


class ThreadedSource:
    """The frames of one source, by the rules of `core.interfaces.Source`.

    A frame's `sequence` counts every image of the source, so that a gap shows a drop. What has no end of its own
    (a camera) is opened again whenever it is lost, and waited for where it is not there yet; the first frame after that
    is a cut.

    Raises:
        SourceError: it cannot be opened, or was gone for longer than `give_up` seconds.
    """

    def __init__(
        self,
        make: Callable[[], Reader],
        lens: Lens,
        stop: Stop,
        *,
        mount: Mount,
        wait: bool = True,
        give_up: float | None = None,
    ) -> None:
        """Begins to open; `make` gives a reader for each connection."""
        self._make, self._lens, self._mount, self._stop = make, lens, mount, stop
        self._wait, self._give_up = wait, give_up
        self._session = Session(make(), mount)
        self._left: list[Session] = []
        self.name, self.live = self._session.reader.name, self._session.reader.live
        self._delivered, self._dropped, self._time = 0, 0, 0.0
        self._size: tuple[int, int] | None = None
        self._gone_since: float | None = None
        self._reason = ""
        self._pause = _FIRST_PAUSE

    def open(self) -> None:
        """Waits until it is open, or, where it is to be waited for, until that is known; at most `_FIRST_LOOK` seconds.

        Raises `SourceError` where opening fails and waiting is of no use.
        """
        until = time.monotonic() + _FIRST_LOOK
        patient = self._wait and self._session.reader.endless
        try:
            while not self._session.opened():
                if patient and time.monotonic() > until:
                    logger.warning("waiting for a source: %s has sent nothing yet", self.name)
                    return
        except SourceError as error:
            if isinstance(error, RefusedError) or not patient:
                self.close()
                raise
            logger.warning("waiting for a source: %s", error)
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> Sequence[Path]:
        """The files that are read."""
        return self._session.reader.files

    def __len__(self) -> int:
        return self._session.reader.count

    def __bool__(self) -> bool:
        return True  # an unknown length is not an empty source

    def __iter__(self) -> Iterator[Frame | SourceEvent]:
        while not self._ending():
            error = SourceError(f"{self.name} has ended its stream: check what sends it")
            try:
                while not self._session.opened():
                    if self._ending():
                        return
                yield from self._frames()
                if self._ending() or not self._session.reader.endless:
                    return
            except SourceError as raised:
                let_go(raised)
                error = raised
            hopeless = not self._delivered and (isinstance(error, RefusedError) or not self._wait)
            if hopeless or not self._session.reader.endless:
                raise error
            yield from self._gone(error)
            self._connect_again(error)

    def close(self) -> None:
        """Ends the reading."""
        self._session.close(_PATIENCE)

    def _frames(self) -> Iterator[Frame | SourceEvent]:
        """What the connection gives until it ends; raises `SourceError` where it breaks or falls silent."""
        session, live = self._session, self._session.reader.live
        session.start()
        unseen = session.slot.dropped  # while nobody looked
        earlier, silent, state, began = self._dropped, 0.0, "", time.monotonic()
        fresh = self._delivered > 0
        while not self._ending():
            polled = time.monotonic()
            shot = session.slot.take(POLL)
            if shot is None:
                if session.slot.ended:
                    session.check()
                    return
                silent += min(time.monotonic() - polled, 2 * POLL)  # a process that was stopped has not been listening
                if silent > session.reader.timeout:
                    raise session.silence()
                if live and silent > _STALLED and state == SourceState.LIVE:
                    state = SourceState.STALLED
                    yield SourceEvent(self.name, state, time.time(), f"no frame for {_STALLED:g} s")
                continue
            if live and state != SourceState.LIVE:
                state = SourceState.LIVE
                self._is_back()
                yield SourceEvent(self.name, state, time.time())
            silent = 0.0
            self._dropped = earlier + shot.lost - unseen
            if time.monotonic() - began > _LONGEST_PAUSE:
                self._pause = _FIRST_PAUSE
            yield self._frame(shot, fresh)
            fresh = False

    def _ending(self) -> bool:
        return self._stop.requested

    def _frame(self, shot: Shot, fresh: bool) -> Frame:
        height, width = shot.image.shape[:2]
        captured = time.monotonic() if shot.captured is None else shot.captured
        stamp = shot.time
        if self._delivered and stamp <= self._time:  # a new connection may begin a little before the old one's end
            stamp = self._time + 1e-4
        frame = Frame(
            image=shot.image,
            source=self.name,
            sequence=self._delivered + self._dropped,
            time=stamp,
            captured_at=WALL.unix(captured),
            camera=self._mount.lens(self._lens, width, height),
            dropped=self._dropped,
            cut=shot.cut or fresh or self._size not in (None, (width, height)),
            captured=captured,
            capture_origin=shot.origin,
        )
        self._delivered, self._time, self._size = self._delivered + 1, stamp, (width, height)
        return frame

    def _is_back(self) -> None:
        if self._gone_since is not None:
            logger.warning("%s is there", self.name)
        self._gone_since, self._reason = None, ""

    def _gone(self, error: SourceError) -> Iterator[SourceEvent]:
        """Tells that there is nothing, and why, once for each reason."""
        if self._gone_since is None:
            self._gone_since = time.monotonic()
            if self._delivered:
                logger.warning("connecting again: %s", error)
        if str(error) != self._reason:
            self._reason = str(error)
            state = SourceState.RECONNECTING if self._delivered else SourceState.CONNECTING
            yield SourceEvent(self.name, state, time.time(), self._reason)

    def _connect_again(self, error: SourceError) -> None:
        """Closes the connection, and begins to open another after a pause."""
        self._leave(self._session)
        self._sleep(self._pause * random.uniform(0.5, 1.0), error)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if not self._ending():
            self._session = Session(self._make(), self._mount)

    def _leave(self, session: Session) -> None:
        """Closes a connection, and waits for one that was left alone where too many are."""
        session.close(_GOODBYE)
        self._left = [left for left in [*self._left, session] if left.alive]
        while len(self._left) >= _LEFT and not self._ending():
            time.sleep(POLL)
            self._left = [left for left in self._left if left.alive]

    def _sleep(self, seconds: float, error: SourceError) -> None:
        """Lets the source alone for a while; raises `SourceError` once it has been gone for too long."""
        until = time.monotonic() + seconds
        while not self._ending() and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, POLL))
            gone = time.monotonic() - (self._gone_since or until)
            if self._give_up is not None and gone >= self._give_up:
                raise SourceError(f"{error}; it was given up after {self._give_up:g} s")
