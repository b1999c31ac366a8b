"""One connection of a source: a reader on a thread of its own, which can be left alone where it hangs."""

import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from threading import Event, Thread

from pymafx_live.core.errors import SourceError
from pymafx_live.core.heap import trim_heap
from pymafx_live.pipeline.camera import Mount
from pymafx_live.pipeline.sources.cuts import Cuts
from pymafx_live.pipeline.sources.pace import Pace, Thinning
from pymafx_live.pipeline.sources.reader import Reader, Shot
from pymafx_live.pipeline.sources.slot import Slot

POLL = 0.1
"""Seconds between two looks at whether the run is to end: waiting must not delay that."""


class Session:
    """Opens a reader and puts its images into `slot` until it ends; what it raises is raised by `wait` and by `check`.

    Reading starts at once for a device or a stream, which would otherwise pile up stale images, and with `start` for
    what is played from a store.
    """

    def __init__(
        self, reader: Reader, mount: Mount, earlier: "Session | None" = None, max_fps: float | None = None
    ) -> None:
        """The first image of a session that follows an `earlier` one is compared with the last one of that. Of a live
        reader no more than `max_fps` images per second are put there."""
        self.reader = reader
        self._mount = mount
        self._thinning = Thinning(max_fps) if max_fps and reader.live else None
        self._cuts: Cuts = Cuts() if earlier is None else Cuts(earlier._cuts)
        self.slot = Slot(newest_wins=reader.live)
        self._opened, self._started, self._closing = Event(), Event(), Event()
        self._deadline = time.monotonic() + reader.timeout
        # A daemon, because a read that hangs inside a driver must not keep the process alive.
        self._thread = Thread(target=self._read, name=f"read {reader.name}", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    def opened(self) -> bool:
        """Whether it is open, waiting a moment for it; raises `SourceError` where it failed, or takes too long."""
        if not self._opened.wait(POLL):
            if time.monotonic() > self._deadline:  # FFmpeg and drivers have limits of their own, and do not keep them
                raise self.silence()
            return False
        if not self.slot.full:  # what came before an error is still good
            self.check()
        return True

    def start(self) -> None:
        """Begins to play what is played from a store."""
        self._started.set()

    def check(self) -> None:
        """Raises what ended the reading, if it was an error."""
        if self.slot.error is not None:
            raise self.slot.error

    def close(self, patience: float) -> None:
        """Ends the reading. A read that hangs is left alone: it ends with its own timeout, or with the process."""
        self._closing.set()
        self._started.set()
        self.slot.close()
        self._thread.join(patience)

    def silence(self) -> SourceError:
        """The error of a source from which nothing comes."""
        name, seconds = self.reader.name, self.reader.timeout
        return SourceError(f"{name} has sent nothing for {seconds:g} s: check that it is on and reachable")

    def _read(self) -> None:
        try:
            self.reader.open()
            self._opened.set()
            shots = self._played() if self.reader.paced else self.reader.shots()
            for shot in shots if self._thinning is None else self._thinned(shots, self._thinning):
                if not self.slot.put(self._seen(shot)):
                    break
            self.slot.end()
        except BaseException as error:  # raised again on the thread that iterates
            let_go(error)
            within = error.__traceback__ and error.__traceback__.tb_next  # without this function, which has the session
            self.slot.end(error.with_traceback(within))
            del within
        finally:
            self._opened.set()
            self.reader.close()
            trim_heap()

    def _thinned(self, shots: Iterator[Shot], thinning: Thinning) -> Iterator[Shot]:
        """Those that are not left out; a cut before one that is, is one before the next."""
        cut = False
        for shot in shots:
            if self._closing.is_set():
                return
            cut = cut or shot.cut
            if not thinning.leaves_out(time.monotonic() if shot.captured is None else shot.captured):
                yield replace(shot, cut=cut)
                cut = False

    def _seen(self, shot: Shot) -> Shot:
        """The image upright, and whether another shot begins with it."""
        cut = shot.cut or self._cuts.before(shot.image)
        return replace(shot, image=self._mount.shown(shot.image), cut=cut)

    def _played(self) -> Iterator[Shot]:
        """Stored images at the pace of their times, as if a camera had taken them just now."""
        self._started.wait()
        pace = Pace(live=self.reader.endless)
        for shot in self.reader.shots():
            now = time.monotonic()
            if self._closing.wait(max(0.0, pace.due(shot.time, now, shot.waited) - now)):
                return
            yield replace(shot, captured=time.monotonic())


def let_go(error: BaseException | None) -> None:
    """Drops what the functions that an error has ended still hold: decoders with threads and pictures.

    They are in circles with it, which the garbage collector sees to seldom where little garbage is made.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
