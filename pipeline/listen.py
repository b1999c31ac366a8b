"""Prints the people that arrive on a ZeroMQ address."""

import json
import sys
import time
from collections import Counter
from contextlib import suppress

from pymafx_live.core.errors import SourceError
from pymafx_live.core.text import LONGEST, quiet
from pymafx_live.core.types import FrameResult, Listing, Origin, Person, SourceEvent
from pymafx_live.core.wire import directory_to_map
from pymafx_live.pipeline.client import (
    MalformedMessageError,
    NoMessageError,
    Subscriber,
    UnknownVersionError,
    directory,
)
from pymafx_live.pipeline.recordings.lines import to_json

_SILENCE = 2.0
"""Seconds without a message after which it says so."""
_EVERY = 0.25
"""Seconds between two printed frames of one source: a reader's pace."""


def listen(address: str, source: str, *, as_json: bool, max_frames: int, curve: str = "") -> None:
    """Prints until `max_frames` have arrived (0: for ever) or the reader of standard output goes away.

    Raises:
        UsageError: the address is none of ZeroMQ's, or the key file `curve` cannot be used.
    """
    pace = _Pace(thin=not as_json and not max_frames)
    received = 0
    silent = foreign = False
    with Subscriber(address, source, timeout=_SILENCE, on_event=_Events(), curve=curve) as subscriber:
        while not max_frames or received < max_frames:
            try:
                result = next(subscriber)
            except NoMessageError as error:
                if not silent:
                    print(quiet(f"{error}: {_who_else(address, source, curve)}"), file=sys.stderr, flush=True)
                silent = True
                continue
            except UnknownVersionError as error:  # of one publisher behind a proxy; others may be understood
                if not foreign:
                    print(quiet(str(error)), file=sys.stderr, flush=True)
                foreign = True
                continue
            except MalformedMessageError as error:
                print(quiet(str(error)), file=sys.stderr, flush=True)
                continue
            received, silent = received + 1, False
            if not pace.due(result):
                continue
            try:
                print(to_json(result) if as_json else line(result, pace.rate(result)), flush=True)
            except BrokenPipeError:
                sys.stdout = None  # or Python complains when it flushes it at exit
                return


def print_directory(address: str, *, as_json: bool, curve: str = "") -> None:
    """Prints which sources a fleet has, once.

    Raises:
        SourceError: nobody says so there.
        UsageError: the address is none of ZeroMQ's, or the key file `curve` cannot be used.
    """
    try:
        told = directory(address, curve=curve)
    except NoMessageError as error:
        raise SourceError(str(error)) from error
    if as_json:
        print(json.dumps(directory_to_map(told), ensure_ascii=False))
        return
    for listing in told.sources:
        print(listed(listing))
    if told.total > len(told.sources):
        print(f"and {told.total - len(told.sources)} more")


def listed(listing: Listing) -> str:
    """A source of a directory on one line."""
    where = f" on {listing.worker} ({listing.node})" if listing.worker else ""
    figures = [
        "" if listing.fps is None else f"{listing.fps:.1f} fps",
        "" if listing.age is None else f"{listing.age * 1000:.0f} ms old",
        "" if listing.people is None else f"{listing.people} people",
        "" if listing.dropped is None else f"{listing.dropped:.0%} dropped",
    ]
    shown = "".join(f"  {figure}" for figure in figures if figure)
    reason = f": {listing.reason}" if listing.reason else ""
    return quiet(f"{listing.source[:LONGEST]} is {listing.state[:LONGEST]}{where[:LONGEST]}{shown}{reason}")


class _Pace:
    """How many results of each source are shown, and how many there are."""

    def __init__(self, thin: bool) -> None:
        self._thin, self._told = thin, False
        self._shown: dict[str, float] = {}
        self._count: Counter[str] = Counter()
        self._rate: dict[str, float] = {}

    def due(self, result: FrameResult) -> bool:
        """Whether a result is to be shown; says once that not all are."""
        now, name = time.monotonic(), result.source
        self._count[name] += 1
        elapsed = now - self._shown.setdefault(name, now)
        first = self._count[name] == 1 and name not in self._rate
        if self._thin and not first and elapsed < _EVERY:
            if not self._told:
                self._told = True
                print(f"{1 / _EVERY:g} lines a second are shown; --json shows every message", file=sys.stderr)
            return False
        if elapsed > 0:
            self._rate[name] = self._count[name] / elapsed
            self._shown[name], self._count[name] = now, 0
        return True

    def rate(self, result: FrameResult) -> float | None:
        """Results of the source per second, lately; None where nobody knows yet."""
        return self._rate.get(result.source)


class _Events:
    """Prints what happens to the sources, but not what is only said again."""

    def __init__(self) -> None:
        self._known: dict[str, SourceEvent] = {}

    def __call__(self, event: SourceEvent) -> None:
        if self._known.get(event.source) != event:
            reason = f": {event.reason}" if event.reason else ""
            print(quiet(f"{event.source} is {event.state}{reason}", LONGEST), file=sys.stderr, flush=True)
        self._known[event.source] = event


def _who_else(address: str, source: str, curve: str) -> str:
    """What may be done about silence: every source says once a second that it is there."""
    names: set[str] = set()
    with Subscriber(address, timeout=_SILENCE, on_event=lambda e: names.add(e.source), curve=curve) as everybody:
        until = time.monotonic() + _SILENCE
        with suppress(NoMessageError, MalformedMessageError):
            while time.monotonic() < until:
                names.add(next(everybody).source)
    if source and names and source not in names:
        return f"there is no source {source}, but {', '.join(sorted(names))}"
    if names:
        return "its sources send no frames"
    key = "does it know this key" if curve else "without --curve"
    return f"is pymafx-live running there, and {key}?"


def line(result: FrameResult, rate: float | None = None) -> str:
    """One frame on one line: who is there, where, and how much of each was measured; and frames per second."""
    people = "; ".join(_person(person) for person in result.people) or "nobody"
    age = f"{result.age * 1000:.0f} ms old"
    fps = "" if rate is None else f"  {rate:.1f} fps"
    return quiet(f"{result.source[:LONGEST]} #{result.sequence}{fps}  {age}  {people}")


def _person(person: Person) -> str:
    x, y, z = person.pelvis
    measured = sum(part.origin is Origin.MEASURED for part in person.parts.values())
    return (
        f"{person.id} {person.state[:LONGEST]} {person.score:.2f} at ({x:+.2f} {y:+.2f} {z:.2f}) m, "
        f"{measured}/{len(person.parts)} parts measured"
    )
