"""Writes every result as one line of JSON, with the fields of the wire protocol."""

import json
import sys
from pathlib import Path
from typing import TextIO

from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.core.wire import to_map
from pymafx_live.pipeline.outputs.writing import writing
from pymafx_live.pipeline.stop import Stop


def to_json(result: FrameResult) -> str:
    """The result as one line: people's numbers with six decimals, finer than any camera measures."""
    return json.dumps(to_map(result, decimals=6), separators=(",", ":"), ensure_ascii=False)


class JsonOutput:
    """A file of JSON lines, or standard output for `-`; each line is written whole and at once.

    When the reader of a pipe goes away, the run is asked to end.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, file: str, stop: Stop) -> None:
        self._file = "standard output" if file == "-" else file
        self._stop = stop
        self._stream: TextIO = sys.stdout if file == "-" else self._open(Path(file))

    def write(self, result: FrameResult, frame: Frame) -> None:
        """Writes one line."""
        try:
            with writing(self._file, "free some space"):
                self._stream.write(to_json(result) + "\n")
                self._stream.flush()
        except BrokenPipeError:
            self._stop.request()

    def close(self) -> None:
        """Closes the file; standard output stays open."""
        if self._stream is not sys.stdout:
            with writing(self._file, "free some space"):
                self._stream.close()

    @staticmethod
    def _open(file: Path) -> TextIO:
        with writing(file, "give another --json"):
            file.parent.mkdir(parents=True, exist_ok=True)
            return file.open("w", encoding="utf-8")
