"""Recordings that are read from anywhere: where in the file each quarter of a second begins.

The clock is that of the journal (`journal.Clock`): each source's own, and all as far apart as they were.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline.mailbox import Item

_SECOND = 1e9
_APART = 4096
"""Bytes between two marks, at least."""
Timed = Iterator[tuple[int, Item]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file where one can begin to read, and the latest that follows up to the next mark, in ns."""

    last: int
    place: int


def mark(marks: list[Mark], last: int, place: int) -> None:
    """Adds a mark, or widens the one before where that is near: a file of crumbs is to fill no memory."""
    if marks and place - marks[-1].place < _APART:
        last, place = max(last, marks[-1].last), marks.pop().place
    marks.append(Mark(last, place))


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
