"""The one place that imports Ray, which calls nobody here."""

import os
from dataclasses import dataclass
from typing import Any

from pymafx_live.core.errors import UsageError

_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}  # or it reports to its makers, and writes that it does


def ray() -> Any:
    """The module `ray`; its telemetry is off, whatever the environment says.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.update(_QUIET)
    try:
        import ray as module
    except ImportError as error:
        raise UsageError('a fleet runs on Ray: install it with pip install "pymafx-live[fleet]"') from error
    return module


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: Ray's id of the node, the address at which other nodes reach it, and what of the node is
    its own: processors, or a share of the GPUs that it sees (both None: all that there is)."""

    node: str
    address: str
    cpus: float | None = None
    gpus: float | None = None


def here() -> Place:
    """The place of this process; the node "" of this machine alone where it is none of Ray's."""
    module = ray()
    if not module.is_initialized():
        return Place("", "127.0.0.1")
    context = module.get_runtime_context()
    mine = context.get_assigned_resources()
    return Place(
        context.get_node_id(), module.util.get_node_ip_address(), float(mine.get("CPU", 0)), float(mine.get("GPU", 0))
    )
