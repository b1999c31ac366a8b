"""Recordings that are begun and ended while a run goes on, each in a file of its own."""

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from pymafx_live.core.errors import LiveError, OutputError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.pipeline.recordings.journal import Journal
from pymafx_live.pipeline.writing import writing

SHOWN = 10
"""Recordings that the page offers: the newest ones."""
MOST = 1000
"""Recordings of one run: whoever looks may begin one."""
SPARE = 500_000_000
"""Bytes that are left free on the disk."""
_EVERY = 0.5
"""Seconds between two words on how it goes."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that is whole, its length in seconds and its size in bytes."""

    file: Path
    seconds: float
    size: int


class Recorder(Output):
    """Writes journals into a folder, each from when it is asked to until it is told that it is enough.

    What goes wrong ends the recording that it befalls, and neither this output nor the run. `changed` is called when
    there is something to tell of it, on any thread.
    """

    policy = Policy.BLOCK

    def __init__(self, folder: Path, video: bool = False) -> None:
        """`video` keeps the frames too."""
        self.name = f"--record-dir {folder}"
        self.folder = folder
        self.finished: Sequence[Recording] = ()
        self.changed: Callable[[], None] = lambda: None
        self._video = video
        self._wanted, self._fault, self._begun = False, "", 0
        self._journal: Journal | None = None
        self._events: dict[str, SourceEvent] = {}
        self._since = self._said = 0.0
        self._lock = Lock()  # of the journal: who holds it may wait for the disk

    def ask(self, on: bool) -> None:
        """Begins a recording with the next result, or ends the one that there is. Never waits; for one thread."""
        if on == self._wanted:
            return
        self._wanted = on
        if on:
            self._fault = ""
        else:
            Thread(target=self._end, args=(self._journal,), name="end of recording", daemon=True).start()
        self.changed()

    def state(self) -> dict[str, Any]:
        """What the page shows."""
        journal = self._journal
        lasted = time.monotonic() - self._since if journal is not None else 0.0
        return {
            "on": self._wanted, "seconds": lasted, "bytes": 0 if journal is None else journal.size,
            "fault": self._fault, "folder": self.folder.name,
            "files": [[made.file.stem, made.seconds, made.size] for made in self.finished],
        }  # fmt: skip

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Records it, where that is wanted."""
        with self._lock:
            if not self._wanted:
                return
            try:
                if self._journal is None:
                    self._journal = self._begin()
                self._journal.write(result, frame)
                if time.monotonic() - self._said < _EVERY:
                    return
                self._check_room()
            except LiveError as error:
                self._fail(error)
        self._tell()

    def tell(self, event: SourceEvent) -> None:
        """Keeps it for recordings that begin later."""
        with self._lock:
            self._events[event.source] = event
            if self._journal is not None:
                with suppress(LiveError):  # which the next result meets too
                    self._journal.tell(event)

    def close(self) -> None:
        """Ends the recording that there is."""
        self._wanted = False
        self._end(self._journal)

    def _tell(self) -> None:
        self._said = time.monotonic()
        self.changed()

    def _begin(self) -> Journal:
        """A journal in a file of its own, which nobody else had begun."""
        if self._begun == MOST:
            raise OutputError(f"this run has made {MOST} recordings: start it again for more")
        self._begun += 1
        self._check_room()
        stem, number = time.strftime("%Y-%m-%dT%H-%M-%S"), 1
        while True:
            file = self.folder / (f"{stem}.mcap" if number == 1 else f"{stem}-{number}.mcap")
            number += 1
            with writing(file), suppress(FileExistsError):
                file.touch(exist_ok=False)
                break
        self._since = time.monotonic()
        journal = Journal(file, self._video)
        for event in self._events.values():
            journal.tell(event)
        return journal

    def _check_room(self) -> None:
        with writing(self.folder):
            free = shutil.disk_usage(self.folder).free
        if free < SPARE:
            raise OutputError(
                f"only {free / 1e6:.0f} MB are free where {self.folder} is, and the last {SPARE / 1e6:.0f} are left: "
                "free some space"
            )

    def _fail(self, error: LiveError) -> None:
        logger.error("the recording from the page has ended: %s", error)
        self._wanted, self._fault = False, str(error)
        self._finish()

    def _end(self, journal: Journal | None) -> None:
        with self._lock:
            if journal is not None and journal is self._journal:
                self._finish()
        self._tell()

    def _finish(self) -> None:
        """Brings the journal to its end; one that is empty goes."""
        journal, self._journal = self._journal, None
        if journal is None:
            return
        seconds = time.monotonic() - self._since
        try:
            journal.close()
        except LiveError as error:
            self._fault = self._fault or str(error)
        with suppress(OSError):
            if size := journal.file.stat().st_size:
                self.finished = (*self.finished, Recording(journal.file, seconds, size))[-SHOWN:]
            else:
                journal.file.unlink()
