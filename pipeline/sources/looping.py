"""Plays a file, or pictures, again and again: a stand-in for a camera."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.pipeline.sources.reader import Reader, Shot

_PAUSE = 1 / 25
"""Seconds between rounds of what holds one picture, which does not say its pace."""


def looped(reader: Reader, wanted: bool) -> Reader:
    """The reader, or one that begins it anew whenever it ends; raises `UsageError` for what has no end."""
    if not wanted:
        return reader
    if reader.live and not reader.paced:
        raise UsageError(f"--loop plays files and pictures again, and {reader.name} has no end: leave it out")
    made: Any = LoopingReader(reader)
    return cast(Reader, made)


class LoopingReader:
    """Another reader, without an end: the first frame of each round is a cut, and times and losses go on.

    One picture, shown again, is no cut, unless it is a photo, which always is.
    """

    count = 0

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.name = reader.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reader, name)

    @property
    def files(self) -> Sequence[Path]:
        """See `Reader.files`."""
        return self._reader.files

    def open(self) -> None:
        """See `Reader.open`."""
        self._reader.open()

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` where a round gives nothing."""
        began, lost = 0.0, 0
        while True:
            last, step, before, frames = 0.0, _PAUSE, lost, 0
            try:
                for shot in self._reader.shots():
                    step = shot.time - last if frames else step
                    again = began > 0 and frames == 0 and self._reader.count != 1
                    last, lost, frames = shot.time, before + shot.lost, frames + 1
                    yield replace(shot, time=began + shot.time, lost=lost, cut=shot.cut or again)
            except SourceError:
                if not frames:
                    raise  # else the end was bad, as it will be in every round
            began += last + step
            self._reader.close()
            self._reader.open()

    def close(self) -> None:
        """See `Reader.close`."""
        self._reader.close()
