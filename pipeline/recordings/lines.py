"""JSON lines: every result as one line, with the fields of the wire protocol (`.jsonl`)."""

import json
import logging
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.core.wire import ALL_JOINTS, MalformedMessageError, from_map, to_map
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place, Tape
from pymafx_live.pipeline.writing import writing

LONGEST = 2**23
"""Characters of a line: eight times those of a hundred people."""


logger = logging.getLogger(__name__)


class JsonLines:
    """What `--json` writes; it has no events and no frames."""

    def read(self, file: Path) -> Iterator[Item]:
        """See `Readable.read`."""
        return ((result, None) for result in read_results(file))

    def tape(self, file: Path) -> Tape:
        """See `Readable.tape`."""
        from pymafx_live.pipeline.recordings.tapes import lines

        return lines(file)

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
            for number, line in enumerate(iter(partial(lines.readline, LONGEST), ""), 1):
                try:
                    yield from_map(json.loads(line))
                except (ValueError, RecursionError, MalformedMessageError) as error:
                    if not line.endswith("\n") and len(line) < LONGEST:
                        logger.warning("the last line of %s is cut short, as a killed run leaves it: left out", file)
                        return
                    raise SourceError(f"line {number} of {file} is no result as --json writes them: {error}") from error
    except OSError as error:
        raise SourceError(f"cannot read {file} ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no file of JSON lines: give one that --json has written") from error
    if not number and not begin:
        raise SourceError(f"{file} is empty: give a recording that has begun")
