"""The prepared bundle's files: where they lie, whether they still belong to their sources; read without torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError
from pymafx_live.core.files import file_hash
from pymafx_live.engines.pymafx.files.sources import READ

FORMAT = 2
BUNDLE = "pymafx-live-bundle"


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells a source file from another: its size, time and hash."""
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": file_hash(path)}


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
        if status.st_mtime_ns != known["mtime_ns"] and file_hash(path) != known["sha256"]:
            return False
    return True


def read_meta(bundle: Path) -> dict[str, Any] | None:
    """The bundle's metadata; None where there is none of this format."""
    try:
        meta = json.loads((bundle / "bundle.json").read_text())
    except (OSError, ValueError):
        return None
    return meta if isinstance(meta, dict) and meta.get("format") == FORMAT else None


def read_arrays(folder: Path, names: Sequence[str]) -> list[NDArray[np.float32]]:
    """Some of a prepared bundle's float32 arrays by name, without torch. Raises `AssetError`."""
    from safetensors import SafetensorError, safe_open

    path = folder / BUNDLE / "float32.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            return [file.get_tensor(name) for name in names]
    except (OSError, SafetensorError) as error:
        raise AssetError(f"{path} is missing or damaged; run `pymafx-live assets prepare {folder}`.") from error
