"""Turns a reader into a source: a thread reads, a slot holds one image, the loop takes numbered frames."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.sources.reader import Reader, Shot
from pymafx_live.pipeline.sources.slot import Slot
from pymafx_live.pipeline.stop import Stop

_POLL = 0.1
"""Seconds between two looks at `Stop`: waiting for a frame must not delay the end of the run."""

_PATIENCE = 0.3
"""Seconds that `close` waits for the thread, longer than the decoding of any frame takes."""


class ThreadedSource:
    """The frames of one reader, by the rules of `core.interfaces.Source`.

    A frame's `sequence` counts every image of the source, so that a gap shows a drop. Reading starts at once
    for a device or a stream, which would otherwise pile up stale images, and with the iteration for a store.

    Raises:
        SourceError: the reader cannot be opened, fails for good, or is silent for longer than its timeout.
    """

    def __init__(self, reader: Reader, lens: Lens, stop: Stop) -> None:
        self.name = reader.name
        self.live = reader.live
        self._reader = reader
        self._lens = lens
        self._stop = stop
        self._slot = Slot(newest_wins=reader.live)
        self._opened, self._started, self._closing = Event(), Event(), Event()
        # A daemon, because a read that hangs inside a driver must not keep the process alive.
        self._thread = Thread(target=self._read, name=f"read {reader.name}", daemon=True)
        self._thread.start()
        try:
            self._await_open()
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> Sequence[Path]:
        """The files that are read."""
        return self._reader.files

    def __len__(self) -> int:
        return self._reader.count

    def __bool__(self) -> bool:
        return True  # an unknown length is not an empty source

    def __iter__(self) -> Iterator[Frame]:
        self._started.set()
        unseen = self._slot.dropped  # while nobody looked
        delivered, size, heard = 0, None, time.monotonic()
        while not self._stop.requested:
            shot = self._slot.take(_POLL)
            if shot is None:
                if self._slot.ended:
                    self._raise_error()
                    return
                if time.monotonic() - heard > self._reader.timeout:
                    raise SourceError(self._silence())
                continue
            height, width = shot.image.shape[:2]
            dropped = shot.lost - unseen
            now = time.monotonic()
            arrived = now if shot.arrived is None else shot.arrived
            yield Frame(
                image=shot.image,
                source=self.name,
                sequence=delivered + dropped,
                time=shot.time,
                captured_at=time.time() - (now - arrived),
                camera=self._lens.camera(width, height),
                dropped=dropped,
                cut=shot.cut or size not in (None, (width, height)),
                arrived=arrived,
            )
            delivered, size, heard = delivered + 1, (width, height), time.monotonic()

    def close(self) -> None:
        """Ends the reading. A read that hangs is left alone: it ends with its own timeout, or with the process."""
        self._closing.set()
        self._started.set()
        self._slot.close()
        self._thread.join(timeout=_PATIENCE)

    def _await_open(self) -> None:
        # Readers keep their own timeout; this one is for a call that hangs in spite of it (a name server).
        deadline = time.monotonic() + self._reader.timeout + 1.0
        while not self._opened.wait(_POLL):
            if time.monotonic() > deadline:
                raise SourceError(self._silence())
        self._raise_error()

    def _raise_error(self) -> None:
        if self._slot.error is not None:
            raise self._slot.error

    def _silence(self) -> str:
        return f"{self.name} has sent nothing for {self._reader.timeout:g} s: check that it is on and reachable"

    def _read(self) -> None:
        try:
            self._reader.open()
            self._opened.set()
            for shot in self._played() if self._reader.paced else self._reader.shots():
                if not self._slot.put(shot):
                    break
            self._slot.end()
        except BaseException as error:  # raised again on the thread that iterates
            self._slot.end(error)
        finally:
            self._opened.set()
            self._reader.close()

    def _played(self) -> Iterator[Shot]:
        """Stored images at the pace of their times, as if a camera had taken them just now."""
        self._started.wait()
        offset: float | None = None
        for shot in self._reader.shots():
            now = time.monotonic()
            offset = now - shot.time if offset is None else offset
            if self._closing.wait(max(0.0, shot.time + offset - now)):
                return
            yield Shot(shot.image, shot.time, time.monotonic(), shot.lost, shot.cut)
