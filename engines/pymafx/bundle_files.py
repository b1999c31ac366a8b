"""The bundle's place in the asset folder, and whether it is still the one that its sources make. Needs no torch."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pymafx_live.engines.pymafx.sources import READ

FORMAT = 2
BUNDLE = "pymafx-live-bundle"


def fingerprint(path: Path) -> dict[str, Any]:
    """Size, time and sha256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}


def read_meta(bundle: Path) -> dict[str, Any] | None:
    """What `bundle.json` holds, None where there is none or it is of another format."""
    try:
        meta = json.loads((bundle / "bundle.json").read_text())
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and meta.get("format") == FORMAT else None


def is_current(folder: Path) -> bool:
    """Whether the bundle exists and its sources are still those it was made from.

    A source that is gone is not missed; one of another time is hashed again, so that copying a folder does not
    make its bundle stale.
    """
    meta = read_meta(folder / BUNDLE)
    if meta is None:
        return False
    for name in READ:
        path, known = folder / name, meta["sources"].get(name)
        if not path.exists():
            continue
        if known is None:
            return False
        status = path.stat()
        if status.st_size != known["bytes"]:
            return False
        if status.st_mtime_ns != known["mtime_ns"] and fingerprint(path)["sha256"] != known["sha256"]:
            return False
    return True
