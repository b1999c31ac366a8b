"""Which file an output writes: never an input of the run, and never over what was there unless it is wished."""

import logging
import os
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.writing import writing

logger = logging.getLogger(__name__)


class Targets:
    """Gives each output of a run its place; raises `UsageError` for one that would destroy something."""

    def __init__(self, inputs: Sequence[Path] = (), overwrite: bool = False) -> None:
        """`inputs` are the files and folders that the run reads."""
        self._inputs = [path for path in inputs if path.exists()]
        self._overwrite = overwrite
        self._given: list[Path] = []

    def file(self, path: Path, flag: str) -> Path:
        """The file to write for `path`: itself, or with a number if something is there that must stay.

        A pipe or a device stays what it is. The folder is made, and that it can be written is tried now.
        """
        path = path.expanduser()
        self._refuse_input(path, flag)
        if path.exists() and not path.is_file() and not path.is_dir():
            self._refuse_known(path, flag)
            return path
        free = _numbered(path) if _holds_something(path) and not self._overwrite else path
        if free != path:
            logger.warning("%s is there already: %s goes to %s (--overwrite replaces it)", path, flag, free)
        self._refuse_twice(free, flag)
        with writing(free, f"give another {flag}", UsageError):
            _try(free)
        return free

    def read(self, files: Sequence[Path]) -> None:
        """Takes what is read from now on; refuses what is written."""
        for path in files:
            if path.resolve() in self._given:
                raise UsageError(f"{path} cannot be a source: this run writes it")
        self._inputs += files

    def check(self, path: Path, flag: str) -> None:
        """Refuses what `file` would refuse later on, for one that is made when the run is over."""
        self._refuse_input(path, flag)
        self._refuse_known(path, flag)

    def claim(self, path: Path, flag: str) -> None:
        """Keeps `path`, where something else than a file is made, from being an input or another output's file."""
        self._refuse_input(path, flag)
        self._refuse_twice(path, flag)

    def folder(self, path: Path, flag: str) -> Path:
        """The same of a folder of files."""
        path = path.expanduser()
        self._refuse_input(path, flag)
        if not self._overwrite and path.is_dir() and any(path.iterdir()):
            there, path = path, _numbered(path)
            logger.warning("%s is there already: %s goes to %s (--overwrite writes into it)", there, flag, path)
        with writing(path, f"give another {flag}", UsageError):
            path.mkdir(parents=True, exist_ok=True)
            _try(path / "0")
        return path

    def shelf(self, path: Path, flag: str) -> Path:
        """A folder, made if there is none, for files whose names nothing in it has."""
        path = path.expanduser()
        with writing(path, f"give another {flag}", UsageError):
            path.mkdir(parents=True, exist_ok=True)
            _try(path / "0")
        return path

    def _refuse_twice(self, path: Path, flag: str) -> None:
        self._refuse_known(path, flag)
        self._given.append(path.resolve())

    def _refuse_known(self, path: Path, flag: str) -> None:
        if path.resolve() in self._given:
            raise UsageError(f"{flag} {path} is written by another output too: give each a file of its own")

    def _refuse_input(self, path: Path, flag: str) -> None:
        for source in self._inputs:
            inside = path.is_dir() and source.is_file() and source.resolve().is_relative_to(path.resolve())
            if inside or (path.exists() and path.samefile(source)):
                raise UsageError(f"{flag} {path} would destroy {source}, which this run reads: give another {flag}")


def _holds_something(path: Path) -> bool:
    """Whether there is a file with what must not be lost."""
    return path.is_file() and path.stat().st_size > 0


def _numbered(path: Path) -> Path:
    """The first free name of `out-2.mp4`, `out-3.mp4`, …"""
    names = (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(2))
    return next(name for name in names if not name.exists())


def _try(path: Path) -> None:
    """Raises `OSError` where the file could not be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise IsADirectoryError(21, os.strerror(21))
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, os.strerror(13))
    with tempfile.TemporaryFile(dir=path.parent):
        pass
