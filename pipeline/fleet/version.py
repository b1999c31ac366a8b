"""Which package runs: all nodes of a fleet must have the same."""

import hashlib
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from pathlib import Path

_FOLDERS = ("core", "configs", "engines", "trackers", "pipeline")


@cache
def version() -> str:
    """The package's version and eight letters that tell its code from other code of that version."""
    digest = hashlib.sha256()
    for folder in _FOLDERS:
        (root,) = (Path(path) for path in import_module(f"pymafx_live.{folder}").__path__)
        for file in sorted(root.rglob("*.py")):
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    try:
        number = installed("pymafx-live")
    except PackageNotFoundError:
        number = "?"
    return f"{number} ({digest.hexdigest()[:8]})"
