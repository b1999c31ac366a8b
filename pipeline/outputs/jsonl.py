"""Writes every result as one line of JSON, with the fields of the wire protocol."""

import os
import sys
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.core.wire import ALL_JOINTS
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.recordings.lines import to_json
from pymafx_live.pipeline.stop import Stop
from pymafx_live.pipeline.writing import writing


class JsonSettings(Section):
    """JSON lines."""

    jsonl: str = setting("", "file for JSON lines, one frame a line; `-`: standard output", "--json")


class JsonOutput(Output):
    """A file of JSON lines, or standard output for `-`; each line is written whole and at once.

    The file is opened with the first line. When the reader of a pipe goes away, the run is asked to end.
    """

    Settings = JsonSettings
    policy = Policy.BLOCK

    def __init__(self, file: str, stop: Stop, joints: int = ALL_JOINTS) -> None:
        """`joints` is how many of each person's joints are written."""
        self.name = f"--json {file}"
        self._file = "standard output" if file == "-" else file
        self._stop, self._joints = stop, joints
        self._stream: FileIO | None = None

    @classmethod
    def open(cls, settings: JsonSettings, run: Run) -> Self | None:
        """Opens the file, if one is given."""
        if settings.jsonl in ("", "-"):
            return cls("-", run.stop, run.joints) if settings.jsonl else None
        return cls(str(run.targets.file(Path(settings.jsonl), "--json")), run.stop, run.joints)

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Writes one line. One that a full disk cuts short is taken out of the file again."""
        line = to_json(result, self._joints) + "\n"
        try:
            with writing(self._file):
                if self._file == "standard output":
                    sys.stdout.write(line)
                    sys.stdout.flush()
                else:
                    self._append(line.encode())
        except BrokenPipeError:
            self._stop.request()

    def close(self) -> None:
        """Closes the file; standard output stays open."""
        if self._stream is not None:
            with writing(self._file):
                self._stream.close()

    def _append(self, line: bytes) -> None:
        if self._stream is None:  # not before: a run that gets nowhere leaves what was there
            Path(self._file).parent.mkdir(parents=True, exist_ok=True)
            self._stream = Path(self._file).open("wb", buffering=0)  # noqa: SIM115
        written = 0
        try:
            while written < len(line):
                written += self._stream.write(line[written:])
        except OSError:
            with suppress(OSError):  # a pipe cannot take back
                os.truncate(self._stream.fileno(), os.fstat(self._stream.fileno()).st_size - written)
            raise
