"""The network's graphs as ONNX files beside its bundle: which they are, and whether they still belong to it. No torch.

`BUNDLE/graphs-PRECISION/` holds `hands.onnx`, `face.onnx`, `body.onnx` and `graphs.json`, which says what they were
made from and how far they are from the network. They are made anew when a source of the bundle or the code that they
follow from is another.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymafx_live.core import files
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.pymafx.files.bundle import BUNDLE, read_meta
from pymafx_live.engines.pymafx.spec import GRAPHS, PRECISIONS

ABOUT = "graphs.json"
FOLLOWS_FROM = ("spec.py", "network/*.py", "graphs/modules.py", "graphs/onnx_export.py")
"""The files that decide what is in a graph."""


def known_precision(name: str) -> str:
    """`fp32` or `mixed`. Raises `UsageError` for a precision that does not exist."""
    if name not in PRECISIONS:
        raise UsageError(f"there is no precision {name!r}: give one of {', '.join(PRECISIONS)}.")
    return PRECISIONS[name]


def graph_paths(target: Path) -> dict[str, Path]:
    """Where the files of a folder are."""
    return {name: target / f"{name}.onnx" for name in GRAPHS}


def graphs_key(folder: Path, precision: str) -> str:
    """What the graphs of the bundle in an asset folder are known by: its sources and the code."""
    digest = hashlib.sha256(precision.encode())
    digest.update(json.dumps(source_hashes(folder), sort_keys=True).encode())
    for path in sorted(file for pattern in FOLLOWS_FROM for file in Path(__file__).parents[1].glob(pattern)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def source_hashes(folder: Path) -> dict[str, str]:
    """The sha256 of every file that the bundle was made from. Raises `AssetError` where there is no bundle."""
    meta = read_meta(folder / BUNDLE)
    if meta is None:
        raise AssetError(f"{folder} is not prepared; run `pymafx-live assets prepare {folder}`.")
    return {name: known["sha256"] for name, known in meta["sources"].items()}


def current_graphs(target: Path, key: str) -> dict[str, Path] | None:
    """The files of a folder if they are whole and those of `key`."""
    about = read_about(target)
    paths = graph_paths(target)
    try:
        whole = about["key"] == key and all(path.stat().st_size == about["bytes"][n] for n, path in paths.items())
    except (OSError, KeyError, TypeError):
        return None
    return paths if whole else None


def read_about(target: Path) -> dict[str, Any]:
    """What `graphs.json` says, nothing where it is missing or damaged."""
    try:
        about = json.loads((target / ABOUT).read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def need_export() -> None:
    """Raises `UsageError` where a package that exporting needs is not installed."""
    missing = [name for name in ("torch", "safetensors", "onnx", "onnxscript") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"exporting PyMAF-X needs {' and '.join(missing)}; install the extra: pip install 'pymafx-live[export]'."
        )


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keeps other processes that would write the folder `target` waiting. Raises `AssetError` if it is not writable."""
    try:
        with files.locked(target):
            yield
    except OSError as error:
        raise AssetError(f"cannot write {target}: {error.strerror}; make room there or make it writable.") from error
