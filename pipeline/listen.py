"""Prints the people that arrive on a ZeroMQ address."""

import sys
import time

from pymafx_live.core.text import LONGEST, quiet
from pymafx_live.core.types import FrameResult, Origin, Person, SourceEvent
from pymafx_live.pipeline.client import MalformedMessageError, NoMessageError, Subscriber
from pymafx_live.pipeline.outputs.jsonl import to_json

_SILENCE = 2.0
"""Seconds without a message after which it says so."""
_EVERY = 0.25
"""Seconds between two printed frames of one source: a reader's pace."""


def listen(address: str, source: str, *, as_json: bool, max_frames: int, curve: str = "") -> None:
    """Prints until `max_frames` have arrived (0: for ever) or the reader of standard output goes away.

    Raises:
        UsageError: the address is none of ZeroMQ's, or the key file `curve` cannot be used.
        UnknownVersionError: the sender is of another release.
    """
    printed: dict[str, float] = {}
    received = 0
    silent = False
    with Subscriber(address, source, timeout=_SILENCE, on_event=_print_event, curve=curve) as subscriber:
        while not max_frames or received < max_frames:
            try:
                result = next(subscriber)
            except NoMessageError as error:
                if not silent:
                    key = "does it know this key" if curve else "without --curve"
                    print(f"{error}: is pymafx-live running there, and {key}?", file=sys.stderr, flush=True)
                silent = True
                continue
            except MalformedMessageError as error:
                print(quiet(str(error)), file=sys.stderr, flush=True)
                continue
            received, silent = received + 1, False
            now = time.monotonic()
            if not as_json and now - printed.get(result.source, 0.0) < _EVERY:
                continue
            printed[result.source] = now
            try:
                print(to_json(result) if as_json else line(result), flush=True)
            except BrokenPipeError:
                sys.stdout = None  # or Python complains when it flushes it at exit
                return


def _print_event(event: SourceEvent) -> None:
    reason = f": {event.reason}" if event.reason else ""
    print(quiet(f"{event.source} is {event.state}{reason}", LONGEST), file=sys.stderr, flush=True)


def line(result: FrameResult) -> str:
    """One frame on one line: who is there, where, and how much of each was measured."""
    people = "; ".join(_person(person) for person in result.people) or "nobody"
    age = f"{result.age * 1000:.0f} ms old"
    return quiet(f"{result.source[:LONGEST]} #{result.sequence}  {age}  {people}")


def _person(person: Person) -> str:
    x, y, z = person.pelvis
    measured = sum(part.origin is Origin.MEASURED for part in person.parts.values())
    return (
        f"{person.id} {person.state[:LONGEST]} {person.score:.2f} at ({x:+.2f} {y:+.2f} {z:.2f}) m, "
        f"{measured}/{len(person.parts)} parts measured"
    )
