"""Recordings by the ending of their file. To add a format, write a file and give it a line here: docs/recordings.md.

`--record`, `--source` and `pymafx-live convert` find them here; a library is imported when its format is asked for.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from pymafx_live.core.errors import UsageError
from pymafx_live.core.registry import load_class
from pymafx_live.pipeline.mailbox import Item

FORMATS: Mapping[str, str] = {
    ".mcap": "pymafx_live.pipeline.recordings.journal:Mcap",
    ".jsonl": "pymafx_live.pipeline.recordings.lines:JsonLines",
    ".npz": "pymafx_live.pipeline.recordings.npz:Npz",
    ".smpl": "pymafx_live.pipeline.recordings.smpl:Smpl",
    ".bvh": "pymafx_live.pipeline.recordings.bvh:Bvh",
    ".glb": "pymafx_live.pipeline.recordings.glb:Glb",
    ".vrma": "pymafx_live.pipeline.recordings.vrma:Vrma",
    ".bag": "pymafx_live.pipeline.recordings.bag:Bag",
    ".rrd": "pymafx_live.pipeline.recordings.rrd:Rrd",
}
JOURNAL = ".mcap"
"""The ending of what a run writes as it goes: a crash leaves it."""
READABLE = (".mcap", ".jsonl")
"""The endings of what holds everything, and can be replayed and converted."""

Place = Callable[[Path], Path]
"""Says where a file goes that was to be called so; raises `UsageError` where it would destroy something."""


class Format(Protocol):
    """A kind of file."""

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """Writes results and events; returns the files that it has made: one, or one for each track.

        Raises `OutputError` where it cannot be written, or nobody is in the recording.
        """


class Readable(Format, Protocol):
    """A kind of file that holds everything."""

    def read(self, file: Path) -> Iterator[Item]:
        """Results, with their frames where they were recorded, and events, in their order.

        What was cut short is read as far as it goes. Raises `SourceError` where nothing of it can be understood.
        """

    def tape(self, file: Path) -> "Tape":
        """The same with a clock, to begin anywhere; raises as `read` does."""


class Tape(Protocol):
    """A recording of so many `seconds` that is read from anywhere in it."""

    seconds: float

    def read(self, at: float) -> Iterator[tuple[float, Item]]:
        """What comes from `at` on, in seconds since the first result, each with when it is due.

        Events that stand between results are due with the one before them.
        """


def format_of(file: Path, role: str) -> Format:
    """How a file of that ending is written; raises `UsageError` for one that none has, or whose extra is missing."""
    made: Format = _class(file, FORMATS, role)()
    return made


def reader_of(file: Path, role: str) -> Readable:
    """The same of one that can be read."""
    made: Readable = _class(file, {ending: FORMATS[ending] for ending in READABLE}, role)()
    return made


def is_recording(uri: str) -> bool:
    """Whether a source is a recording instead of pictures."""
    return "://" not in uri and Path(uri).suffix.lower() in READABLE


def _class(file: Path, formats: Mapping[str, str], role: str) -> Any:
    target = formats.get(file.suffix.lower())
    if target is None:
        raise UsageError(f"{role} {file} has an ending that is not known: give one of {', '.join(formats)}")
    return load_class(target)
