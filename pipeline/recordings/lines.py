"""JSON lines: every result as one line, with the fields of the wire protocol (`.jsonl`)."""

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.core.wire import ALL_JOINTS, MalformedMessageError, from_map, to_map
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place, Tape
from pymafx_live.pipeline.recordings.journal import Clock
from pymafx_live.pipeline.recordings.tapes import Mark, MarkedTape, mark
from pymafx_live.pipeline.writing import writing

_LONGEST = 2**23
"""Characters of a line: eight times those of a hundred people."""


_TIMES = re.compile(
    rb'\{"version":\d+,"source":("(?:[^"\\]|\\.)*"),[^{[]*?"time":([-+.\deE]+),"captured_at":([-+.\deE]+),'
)
"""How a line begins that we have written."""


logger = logging.getLogger(__name__)


class JsonLines:
    """What `--json` writes; it has no events and no frames."""

    def read(self, file: Path) -> Iterator[Item]:
        """See `Readable.read`."""
        return ((result, None) for result in read_results(file))

    def tape(self, file: Path) -> Tape:
        """See `Readable.tape`."""
        return _tape_of(file)

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        file = place(file)
        with writing(file), file.open("w", encoding="utf-8") as lines:
            for item in items:
                if not isinstance(item, SourceEvent):
                    lines.write(to_json(item[0]) + "\n")
        return [file]


def to_json(result: FrameResult, joints: int = ALL_JOINTS) -> str:
    """The result as one line: people's numbers with six decimals, finer than any camera measures.

    `joints` is how many of each person's joints go with it, at most. Characters that a terminal would obey or not show
    are escaped.
    """
    content = to_map(result, decimals=6, joints=joints)
    line = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    return line if line.isprintable() else json.dumps(content, separators=(",", ":"))


def read_results(file: Path, begin: int = 0) -> Iterator[FrameResult]:
    """The results of a file of JSON lines; a last line that is cut short is left out, as a killed run leaves one.

    `begin` is the byte that a line begins at, to begin with that.

    Raises:
        SourceError: the file cannot be read, is empty, or a line is no result.
        UnknownVersionError: it was written by another release.
    """
    number = 0
    try:
        with file.open(encoding="utf-8") as lines:
            lines.seek(begin)
            for number, line in enumerate(iter(partial(lines.readline, _LONGEST), ""), 1):
                try:
                    yield from_map(json.loads(line))
                except (ValueError, RecursionError, MalformedMessageError) as error:
                    if not line.endswith("\n") and len(line) < _LONGEST:
                        logger.warning("the last line of %s is cut short, as a killed run leaves it: left out", file)
                        return
                    raise SourceError(f"line {number} of {file} is no result as --json writes them: {error}") from error
    except OSError as error:
        raise SourceError(f"cannot read {file} ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no file of JSON lines: give one that --json has written") from error
    if not number and not begin:
        raise SourceError(f"{file} is empty: give a recording that has begun")


def _tape_of(file: Path) -> MarkedTape:
    """See `Readable.tape`."""
    clock, marks, place = Clock(), list[Mark](), 0
    with suppress(OSError, ValueError, KeyError, TypeError), file.open("rb") as stream:  # who reads says what is wrong
        for line in iter(lambda: stream.readline(_LONGEST), b""):
            source, time, captured_at = _times(line)
            mark(marks, clock.at(source, time, captured_at), place)
            place += len(line)
    return MarkedTape(marks, lambda place: ((clock.of(result), (result, None)) for result in read_results(file, place)))


def _times(line: bytes) -> list[Any]:
    """The source, `time` and `captured_at` of a result."""
    if found := _TIMES.match(line):  # a fiftieth of the time that it takes to read it all
        return [json.loads(value) for value in found.groups()]
    content = json.loads(line)
    return [content["source"], content["time"], content["captured_at"]]
