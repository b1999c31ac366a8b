"""A fleet as the command line handles it: joins the cluster, finds the manager, or makes it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pymafx_live.core.errors import LiveError, UsageError, first_line
from pymafx_live.pipeline.fleet import cluster
from pymafx_live.pipeline.fleet.actors import find, version_of
from pymafx_live.pipeline.fleet.cluster import Cluster, joined
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.manager import MANAGER, foreign, make_manager
from pymafx_live.pipeline.fleet.version import version

_PATIENCE = 60.0
"""Seconds for an answer of the manager, which may be just starting again."""
_PAUSE = 0.5


class Fleet:
    """A fleet that this process can talk to."""

    def __init__(self, cluster: Cluster, manager: Any) -> None:
        self.cluster, self._manager = cluster, manager

    def call(self, method: str, *arguments: Any, patience: float = _PATIENCE) -> Any:
        """What the manager answers. It is asked again where it is being restarted.

        Raises:
            LiveError: what it raises; or it does not answer.
        """
        module = ray()
        end = time.monotonic() + patience
        while True:
            try:
                return module.get(
                    getattr(self._manager, method).remote(*arguments), timeout=max(end - time.monotonic(), 0.1)
                )
            except module.exceptions.ActorUnavailableError as error:
                if time.monotonic() > end:
                    raise UsageError("the manager of the fleet cannot be reached: try again in a minute") from error
                time.sleep(_PAUSE)
            except module.exceptions.GetTimeoutError as error:
                raise UsageError(f"the manager of the fleet has not answered for {patience:.0f} s") from error
            except module.exceptions.RayTaskError as error:
                if isinstance(cause := error.cause, LiveError):
                    raise cause from None
                raise
            except module.exceptions.RayActorError as error:
                raise UsageError("the fleet is not there any more: it was stopped") from error


@contextmanager
def running(address: str) -> Iterator[Fleet]:
    """Within it there is the fleet that runs in the cluster at `address` (""; the local one).

    Raises:
        UsageError: there is none, or no cluster.
    """
    with joined(address, start=False) as here:
        manager = find(MANAGER)
        if manager is None:
            raise UsageError(f"no fleet runs in the cluster at {here.address}: pymafx-live fleet FILE starts one")
        yield Fleet(here, manager)


@contextmanager
def started(address: str, wanted: Mapping[str, Any]) -> Iterator[tuple[Fleet, list[str]]]:
    """Within it there is a fleet that is as `wanted` says, new or found, and what was changed for that.

    Raises:
        UsageError: there is no cluster, or it cannot have what is wanted.
    """
    with joined(address, start=True) as here:
        manager = find(MANAGER)
        try:
            if manager is None:
                check_versions()
            fleet = Fleet(here, manager or make_manager(next(node["id"] for node in cluster.nodes() if node["head"])))
            if (other := fleet.call("hello")) != version():
                raise UsageError(
                    f"the fleet that runs is of pymafx-live {other}, and this is {version()}: take the same one, or "
                    "end it with pymafx-live fleet stop"
                )
            changed = fleet.call("apply", dict(wanted))
        except BaseException:
            if manager is None:
                _give_up(here)
            raise
        yield fleet, changed


def stop(address: str) -> bool:
    """Ends the fleet in the cluster at `address`, and the cluster if it was made for it; returns whether it was.

    Raises:
        UsageError: there is none.
    """
    with joined(address, start=False) as here:
        manager = find(MANAGER)
        if manager is None and not here.process:
            raise UsageError(f"no fleet runs in the cluster at {here.address}")
        if manager is not None:
            Fleet(here, manager).call("stop")
            ray().kill(manager)
    cluster.end(here)
    return here.process != 0


def check_versions() -> None:
    """Raises `UsageError` for a node with another package."""
    module = ray()
    for node in cluster.nodes():
        try:
            told = module.get(version_of(node["id"]), timeout=_PATIENCE)
        except module.exceptions.RayError as error:
            missing = "ModuleNotFoundError" in str(error) or "pymafx_live" in str(error)
            why = "has no pymafx-live: install it there" if missing else f"starts no process ({first_line(error)})"
            raise UsageError(f"the node {node['name']} ({node['address']}) {why}") from error
        if told != version():
            raise UsageError(foreign(node, told))


def _give_up(here: Cluster) -> None:
    """Leaves nothing behind of a fleet that could not begin."""
    if (manager := find(MANAGER)) is not None:
        ray().kill(manager)
    cluster.end(here)
