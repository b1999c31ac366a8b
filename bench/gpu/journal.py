"""What the steps have found so far, as one JSON file that is whole at any time."""

import json
import math
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import UsageError
from pymafx_live.core.files import write_whole

Figures = Mapping[str, Any]
"""Numbers and short texts by name."""
RUNNING, OK, FAILED, LATE, LEFT_OUT = "running", "ok", "failed", "out of time", "left out"
SAID = 200
"""Messages of a step that are kept."""


@dataclass(slots=True)
class Entry:
    """One step: how it went, its rows of figures by name, and what was said meanwhile."""

    name: str
    state: str = RUNNING
    seconds: float = 0.0
    error: str = ""
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)


class Journal:
    """The entries, written anew at each change. A reader, or whoever is left after a crash, finds all until then."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Raises `UsageError` where the file cannot be written."""
        self._path, self._settings = path, dict(settings)
        self._machine = {"platform": platform.platform(), "python": platform.python_version()}
        self._began = time.time()
        self.entries: list[Entry] = []
        self._write()

    def begin(self, name: str) -> Entry:
        """A new entry, the last one."""
        self.entries.append(Entry(name))
        self._write()
        return self.entries[-1]

    def add(self, entry: Entry, row: str, figures: Figures) -> None:
        """One more row of a step."""
        entry.figures.setdefault(row, {}).update(figures)
        self._write()

    def say(self, entry: Entry, text: str) -> None:
        """One more message of a step; written with the next row."""
        if len(entry.said) < SAID:
            entry.said.append(text)

    def end(self, entry: Entry, state: str, seconds: float, error: str = "") -> None:
        """How a step went in the end."""
        entry.state, entry.seconds, entry.error = state, seconds, error
        self._write()

    def document(self) -> dict[str, Any]:
        """All of it, as it is in the file."""
        found: dict[str, Any] = _clean(
            {
                "benchmark": "gpu",
                "settings": self._settings,
                "machine": self._machine,
                "began": self._began,
                "seconds": time.time() - self._began,
                "steps": [asdict(entry) for entry in self.entries],
            }
        )
        return found

    def _write(self) -> None:
        try:
            write_whole(self._path, (json.dumps(self.document(), indent=1) + "\n").encode())
        except OSError as error:
            raise UsageError(
                f"The figures cannot be written to {self._path} ({error.strerror}): name another file with --json."
            ) from error


def _clean(value: Any) -> Any:
    """The same for JSON: a number that does not exist is null."""
    if isinstance(value, Mapping):
        return {str(key): _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool | None) else str(value)
