"""Replays results without their frames, such as those of a `--json` file: they enter behind the engine."""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import FrameResult
from pymafx_live.core.wire import MalformedMessageError, from_map
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.events import SourceStates
from pymafx_live.pipeline.presence import Presence

_LONGEST = 2**23
"""Characters of a line: eight times those of a hundred people."""


def read_results(file: Path) -> Iterator[FrameResult]:
    """The results of a file of JSON lines; a last line that is cut short is left out, as a killed run leaves one.

    Raises:
        SourceError: the file cannot be read, or a line is no result.
        UnknownVersionError: it was written by another release.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(iter(partial(lines.readline, _LONGEST), ""), 1):
                try:
                    yield from_map(json.loads(line))
                except (ValueError, RecursionError, MalformedMessageError) as error:
                    if not line.endswith("\n") and len(line) < _LONGEST:
                        return
                    raise SourceError(f"line {number} of {file} is no result as --json writes them: {error}") from error
    except OSError as error:
        raise SourceError(f"cannot read {file} ({error.strerror}): check the path") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{file} is no file of JSON lines: give one that --json has written") from error


def replay(results: Iterable[FrameResult], delivery: Delivery) -> None:
    """Delivers results, as fast as they come and the outputs take them, with the events of their sources.

    Where a recording was cut short, or its writer killed, who is still there ends here.
    """
    present: dict[str, Presence] = {}
    with SourceStates(delivery.tell) as states:
        for result in results:
            states.result_of(result.source)
            present.setdefault(result.source, Presence()).note(result)
            delivery.write(result, None)
            if not delivery.alive:
                return
        for last in present.values():
            if (goodbye := last.goodbye()) is not None:
                delivery.write(goodbye, None)
