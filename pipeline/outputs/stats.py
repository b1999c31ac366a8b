"""Leaves the closing figures of a run in a JSON file."""

import json
from pathlib import Path

from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.outputs.writing import writing
from pymafx_live.pipeline.statistics import Statistics


class StatsFile:
    """The figures of `Statistics` as a file, written when the run ends, however it ends.

    Raises:
        UsageError: the file cannot be written.
    """

    def __init__(self, file: Path, statistics: Statistics) -> None:
        self._file = file
        self._statistics = statistics
        self._save()  # at once, so that a path that cannot be written is told before the run

    def write(self, result: FrameResult, frame: Frame) -> None:
        """The statistics count by themselves."""

    def close(self) -> None:
        """Writes the file."""
        self._save()

    def _save(self) -> None:
        with writing(self._file, "give another --stats"):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._statistics.summary(), indent=2) + "\n", encoding="utf-8")
