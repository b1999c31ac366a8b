"""Recordings that are read from anywhere: where in the file each quarter of a second begins.

The clock is that of the journal (`journal.Clock`): each source's own, and all as far apart as they were.
"""

import json
import re
import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings.journal import Clock, Reading
from pymafx_live.pipeline.recordings.lines import LONGEST, read_results

_HEAD = struct.Struct("<BQ")
"""Of an MCAP record: its kind, and the bytes that follow."""
_CHUNK, _INDEX = 0x06, 0x07
_MAGIC = 8
_SECOND = 1e9
_TIMES = re.compile(
    rb'\{"version":\d+,"source":("(?:[^"\\]|\\.)*"),[^{[]*?"time":([-+.\deE]+),"captured_at":([-+.\deE]+),'
)
"""How a line begins that we have written."""

Timed = Iterator[tuple[int, Item]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file where one can begin to read, and the latest that follows up to the next mark, in ns."""

    last: int
    place: int


class MarkedTape:
    """A file that `read_from` reads, beginning at a place of a mark."""

    def __init__(self, marks: Sequence[Mark], read_from: Callable[[int], Timed]) -> None:
        self._places = [mark.place for mark in marks] or [0]
        self._lasts = list(accumulate((mark.last for mark in marks), max))
        self._read_from = read_from
        self._first = next((at for at, item in read_from(0) if not isinstance(item, SourceEvent)), 0)
        end = self._lasts[-1] if marks else max((at for at, _ in read_from(0)), default=0)
        self.seconds = max(end - self._first, 0) / _SECOND

    def read(self, at: float) -> Iterator[tuple[float, Item]]:
        """See `Tape.read`."""
        wanted = self._first + round(at * _SECOND)
        begin = min(bisect_left(self._lasts, wanted), len(self._places) - 1) if at > 0 else 0
        for logged, item in self._read_from(self._places[begin] if begin else 0):
            if at <= 0 or logged >= wanted:
                yield max(logged - self._first, 0) / _SECOND, item


def journal(file: Path) -> MarkedTape:
    """A journal, also one without an index: its records are gone through by their heads.

    What a channel is called stands in the chunk that first uses it, and only those that do are opened.
    """
    known, marks, seen = Reading(file), list[Mark](), set[int]()
    unopened = False
    for kind, place, head in _heads(file):
        if kind == _CHUNK:
            if unopened:  # nothing has said what is in it, as it was written in a hurry
                known.learn(marks[-1].place)
            unopened = True
            marks.append(Mark(struct.unpack_from("<8xQ", head)[0], place))
        elif kind == _INDEX and marks:
            unopened = False
            (channel,) = struct.unpack_from("<H", head)
            if channel not in seen:
                seen.add(channel)
                known.learn(marks[-1].place)
    return MarkedTape(marks, lambda place: Reading(file, place, known if place else None).items())


def lines(file: Path) -> MarkedTape:
    """JSON lines."""
    clock, marks, place = Clock(), list[Mark](), 0
    with suppress(OSError, ValueError, KeyError, TypeError), file.open("rb") as stream:  # who reads says what is wrong
        for line in iter(lambda: stream.readline(LONGEST), b""):
            source, time, captured_at = _times(line)
            marks.append(Mark(clock.at(source, time, captured_at), place))
            place += len(line)
    return MarkedTape(marks, lambda place: ((clock.of(result), (result, None)) for result in read_results(file, place)))


def _times(line: bytes) -> list[Any]:
    """The source, `time` and `captured_at` of a result."""
    if found := _TIMES.match(line):  # a fiftieth of the time that it takes to read it all
        return [json.loads(value) for value in found.groups()]
    content = json.loads(line)
    return [content["source"], content["time"], content["captured_at"]]


def _heads(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Of each whole record its kind, its place in the file, and the first 16 bytes of it."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        place = _MAGIC
        while place + _HEAD.size <= size:
            stream.seek(place)
            kind, length = _HEAD.unpack(stream.read(_HEAD.size))
            if place + _HEAD.size + length > size:
                return
            yield kind, place, stream.read(16).ljust(16, b"\0")
            place += _HEAD.size + length
