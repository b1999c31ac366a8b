"""Tells Prometheus where the metrics of a fleet's workers are: a file for its `file_sd_configs`.

The format is that of https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import OutputError
from pymafx_live.core.files import write_whole


def targets(workers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each of these `workers` (of the manager's `status`) that serves metrics, by their names.

    Every metric gets the labels `worker`, `pool` and `node`.
    """
    known = sorted((worker for worker in workers if worker["metrics"]), key=lambda worker: str(worker["name"]))
    return [
        {
            "targets": [worker["metrics"]],
            "labels": {"worker": worker["name"], "pool": worker["pool"], "node": worker["node"]},
        }
        for worker in known
    ]


def write_targets(file: Path, workers: Iterable[Mapping[str, Any]]) -> int:
    """Writes that, all of it or nothing, and not at all where the file has it already; returns how many there are.

    Raises:
        OutputError: the file cannot be written.
    """
    found = targets(workers)
    content = (json.dumps(found, indent=2) + "\n").encode()
    try:
        if not file.exists() or file.read_bytes() != content:
            write_whole(file, content)
            file.chmod(0o644)  # Prometheus is another user
    except OSError as error:
        raise OutputError(f"cannot write the targets {file} ({error.strerror}): give another file") from error
    return len(found)
