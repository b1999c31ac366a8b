"""What a benchmark says: a table for people on standard output, the same figures as JSON for machines."""

import json
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import UsageError
from pymafx_live.engines.runtime import RUNTIMES
from rich.console import Console
from rich.table import Table

Rows = Mapping[str, Mapping[str, float]]


def print_table(title: str, rows: Rows, columns: Mapping[str, str], decimals: int = 0) -> None:
    """One line per row and one column per entry of `columns`, which maps a figure's key to its heading."""
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for name, figures in rows.items():
        table.add_row(name, *(_shown(figures.get(key, math.nan), decimals) for key in columns))
    Console(width=max(100, 12 * (len(columns) + 1))).print(table)


def _shown(value: float, decimals: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{decimals}f}"


def write_json(path: Path, what: str, rows: Rows, settings: Mapping[str, Any]) -> None:
    """Write the figures, how they were made and on what; numbers that do not exist become null."""
    clean = {name: {k: None if math.isnan(v) else v for k, v in figures.items()} for name, figures in rows.items()}
    machine = {"platform": platform.platform(), "python": platform.python_version()}
    document = {"benchmark": what, "settings": dict(settings), "machine": machine, "figures": clean}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=1) + "\n")
    except OSError as error:
        raise UsageError(f"The figures cannot be written to {path} ({error.strerror}): name another file.") from error


def numbers(text: str) -> Sequence[int]:
    """The numbers in "100,101" or "100-104" or a mixture; raises `UsageError` for anything else."""
    found: list[int] = []
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found.extend(range(int(first), int(last or first) + 1))
    except ValueError as error:
        raise UsageError(f"{text!r} is no list of seeds: write them like 100,101 or 100-104.") from error
    return found


def runtime_names(text: str) -> list[str]:
    """The runtimes in "onnxruntime,openvino"; raises `UsageError` for one that is none."""
    names = text.split(",")
    for name in names:
        if name not in RUNTIMES:
            raise UsageError(f"there is no runtime {name!r}: give one or more of {', '.join(RUNTIMES)}, by comma.")
    return names
