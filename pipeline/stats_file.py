"""Leaves the closing figures of a run in a JSON file."""

import json
from pathlib import Path

from pymafx_live.core.errors import UsageError
from pymafx_live.core.files import write_whole
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.writing import writing


class StatsFile:
    """The figures of `Statistics` as a file, written when the run ends, however it ends.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, file: Path, statistics: Statistics) -> None:
        self._file = file
        self._statistics = statistics
        with writing(file, "give another --stats", UsageError):
            self._save()  # at once, so that a path that cannot be written is told before the run

    def close(self) -> None:
        """Writes the file, of which a full disk leaves the state before."""
        with writing(self._file):
            self._save()

    def _save(self) -> None:
        text = json.dumps(self._statistics.summary(), indent=2) + "\n"
        if self._file.exists() and not self._file.is_file():
            self._file.write_text(text, encoding="utf-8")  # a pipe or device stays what it is
        else:
            write_whole(self._file.resolve(), text.encode())
