"""Turns readers into a source: numbered frames, from one connection after the other where it is lost."""

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame, SourceEvent, SourceGone, SourceState
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

T = TypeVar("T")
logger = logging.getLogger(__name__)


class ThreadedSource:
    """The frames of one source, by the rules of `core.interfaces.Source`.

    A frame's `sequence` counts every image of the source, so that a gap shows a drop. What has no end of its own
    (a camera) is opened again whenever it is lost, and waited for where it is not there yet. After `gone_after` seconds
    without a frame a `SourceGone` says so, and the next frame is a cut.

    Raises:
        SourceError: it cannot be opened, or was lost for longer than `give_up` seconds.
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
        gone_after: float = 3.0,
        max_fps: float | None = None,
    ) -> None:
        """Begins to open; `make` gives a reader for each connection."""
        self._make, self._lens, self._mount, self._stop = make, lens, mount, stop
        self._wait, self._give_up, self._gone_after = wait, give_up, gone_after
        self._closed, self._max_fps = False, max_fps
        self._session = Session(make(), mount, max_fps=max_fps)
        self._left: list[Session] = []
        self.name, self.live = self._session.reader.name, self._session.reader.live
        self._delivered, self._dropped, self._time = 0, 0, 0.0
        self._size: tuple[int, int] | None = None
        self._offset = 0.0  # of this connection's times
        self._quiet, self._gone = 0.0, False  # seconds without a frame, and whether that was told to be too long
        self._lost_since: float | None = None
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

    @property
    def size(self) -> tuple[int, int] | None:
        """See `Source.size`."""
        told = self._session.reader.size
        return told if told is None else self._mount.sides(*told)

    def __len__(self) -> int:
        return self._session.reader.count

    def __bool__(self) -> bool:
        return True  # an unknown length is not an empty source

    def __iter__(self) -> Iterator[Frame | SourceEvent]:
        while not self._ending():
            error = SourceError(f"{self.name} has ended its stream: check what sends it")
            try:
                while not self._waited(self._session.opened):
                    yield from self._missed(SourceState.RECONNECTING)
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
            yield from self._lost(error)
            yield from self._connect_again(error)

    def close(self) -> None:
        """Ends the reading, and the attempts to open it again."""
        self._closed = True
        self._session.close(_PATIENCE)

    def _frames(self) -> Iterator[Frame | SourceEvent]:
        """What the connection gives until it ends; raises `SourceError` where it breaks or falls silent."""
        session, live = self._session, self._session.reader.live
        session.start()
        unseen = session.slot.dropped  # while nobody looked
        earlier, state, began = self._dropped, "", time.monotonic()
        before, first = self._quiet, True
        while not self._ending():
            shot = self._waited(lambda: session.slot.take(POLL))
            if shot is None:
                if session.slot.ended:
                    session.check()
                    return
                silent = self._quiet - before
                if silent > session.reader.timeout:
                    raise session.silence()
                if live and silent > _STALLED and state == SourceState.LIVE:
                    state = SourceState.STALLED
                    yield SourceEvent(self.name, state, time.time(), f"no frame for {_STALLED:g} s")
                away = (
                    SourceState.STALLED if state else SourceState.RECONNECTING
                )  # its first frame may not be there yet
                for event in self._missed(away) if live else ():
                    state = away
                    yield event
                continue
            if live and state != SourceState.LIVE:
                state = SourceState.LIVE
                self._is_back()
                yield SourceEvent(self.name, state, time.time())
            self._dropped = earlier + shot.lost - unseen
            if time.monotonic() - began > _LONGEST_PAUSE:
                self._pause = _FIRST_PAUSE
            if first:
                self._offset = self._continued(shot)
            yield self._frame(shot)
            before, first = 0.0, False

    def _ending(self) -> bool:
        return self._stop.requested or self._closed

    def _waited(self, wait: Callable[[], T]) -> T:
        """What `wait` gives, the time for which it did noted as one without a frame."""
        began = time.monotonic()
        try:
            return wait()
        finally:  # a process that was stopped has not been listening
            self._quiet += min(time.monotonic() - began, 2 * POLL)

    def _missed(self, state: SourceState) -> Iterator[SourceEvent]:
        """Tells once that there was no frame for so long that whoever was there is so no more."""
        if self._delivered and not self._gone and self._quiet >= self._gone_after:
            self._gone = True
            reason = self._reason or f"no frame for {self._quiet:.1f} s"
            yield SourceGone(self.name, state, time.time(), reason)

    def _continued(self, shot: Shot) -> float:
        """What a connection's times lack to go on after the last one's, of which `shot` is the first."""
        if self._delivered and (self._session.reader.paced or shot.time <= self._time):
            return self._time + max(self._quiet, POLL) - shot.time
        return 0.0

    def _frame(self, shot: Shot) -> Frame:
        height, width = shot.image.shape[:2]
        captured = time.monotonic() if shot.captured is None else shot.captured
        stamp = shot.time + self._offset
        if self._delivered and stamp <= self._time:
            stamp = self._time + 1e-4
        frame = Frame(
            image=shot.image,
            source=self.name,
            sequence=self._delivered + self._dropped,
            time=stamp,
            captured_at=WALL.unix(captured),
            camera=self._mount.lens(self._lens, width, height),
            dropped=self._dropped,
            cut=shot.cut or self._gone or self._size not in (None, (width, height)),
            captured=captured,
            capture_origin=shot.origin,
            nominal_fps=self._session.reader.nominal_fps,
        )
        self._delivered, self._time, self._size = self._delivered + 1, stamp, (width, height)
        self._quiet, self._gone = 0.0, False
        return frame

    def _is_back(self) -> None:
        if self._lost_since is not None:
            logger.warning("%s is there", self.name)
        self._lost_since, self._reason = None, ""

    def _lost(self, error: SourceError) -> Iterator[SourceEvent]:
        """Tells that there is nothing, and why, once for each reason."""
        if self._lost_since is None:
            self._lost_since = time.monotonic()
            if self._delivered:
                logger.warning("connecting again: %s", error)
        if str(error) != self._reason:
            self._reason = str(error)
            state = SourceState.RECONNECTING if self._delivered else SourceState.CONNECTING
            yield SourceEvent(self.name, state, time.time(), self._reason)

    def _connect_again(self, error: SourceError) -> Iterator[SourceEvent]:
        """Closes the connection, and begins to open another after a pause."""
        yield from self._leave(self._session)
        yield from self._sleep(self._pause * random.uniform(0.5, 1.0), error)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        if not self._ending():
            self._session = Session(self._make(), self._mount, self._session, self._max_fps)
        if self._closed:  # meanwhile
            self._session.close(_PATIENCE)

    def _leave(self, session: Session) -> Iterator[SourceEvent]:
        """Closes a connection, and waits for one that was left alone where too many are."""
        until = time.monotonic() + _GOODBYE
        self._waited(lambda: session.close(POLL))
        self._left = [left for left in [*self._left, session] if left.alive]
        while not self._ending() and self._left:
            if len(self._left) < _LEFT and not (session.alive and time.monotonic() < until):
                break
            yield from self._missed(SourceState.RECONNECTING)
            self._waited(lambda: session.close(POLL) if session.alive else time.sleep(POLL))
            self._left = [left for left in self._left if left.alive]

    def _sleep(self, seconds: float, error: SourceError) -> Iterator[SourceEvent]:
        """Lets the source alone for a while; raises `SourceError` once it has been lost for too long."""
        until = time.monotonic() + seconds
        while not self._ending() and (left := until - time.monotonic()) > 0:
            self._waited(lambda: time.sleep(min(left, POLL)))
            yield from self._missed(SourceState.RECONNECTING)
            lost = time.monotonic() - (self._lost_since or until)
            if self._give_up is not None and lost >= self._give_up:
                raise SourceError(f"{error}; it was given up after {self._give_up:g} s")
