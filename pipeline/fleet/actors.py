"""A fleet's processes as actors of Ray: named and detached, so that they belong to nobody and are found again.

Where each of them runs is decided here and not by Ray, which only counts what each reserves. None is restarted by Ray
but the manager, which starts the others.
"""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.text import quiet
from pymafx_live.pipeline.fleet.allocation import Member
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.keys import lay_out
from pymafx_live.pipeline.fleet.proxy import Proxy
from pymafx_live.pipeline.fleet.version import version
from pymafx_live.pipeline.fleet.worker import Worker

PROXY = "proxy"
OPENING = 32
"""Cameras that a worker opens at once."""
_QUICK = "quick"
"""Calls that wait for none of these: who opens many absent cameras still says how it is."""
_LONG = 1000


class WorkerActor(Worker):
    """A worker whose way to the proxy is encrypted, and whose log has no passwords in it."""

    def __init__(self, name: str, settings: Mapping[str, Any], keys: Mapping[str, bytes]) -> None:
        """`keys` are `FleetKeys.worker`; the rest is as of `Worker`."""
        log_without_secrets()
        self._folder = tempfile.TemporaryDirectory(prefix="pymafx-live-")
        secret = str(lay_out(keys, Path(self._folder.name)))
        output = {**settings.get("output", {}), "curve": secret}
        super().__init__(name, {**settings, "output": output})

    def close(self) -> None:
        """Ends the run; see `Worker`."""
        super().close()
        self._folder.cleanup()


class ProxyActor(Proxy):
    """The proxy."""

    def __init__(self, published: tuple[str, str, bool], keys: Mapping[str, bytes]) -> None:
        """`published` are the address, the publisher's key file and `insecure`; `keys` are `FleetKeys.proxy`."""
        log_without_secrets()
        address, curve, insecure = published
        super().__init__(address, curve, insecure=insecure, keys=keys)


def find(name: str) -> Any:
    """The actor of that name in this fleet; None where there is none."""
    try:
        return ray().get_actor(name)
    except ValueError:
        return None


def worker_name(name: str) -> str:
    """The actor's name of a worker."""
    return f"worker {name}"


def make_proxy(head: str, published: tuple[str, str, bool], keys: Mapping[str, bytes]) -> Any:
    """A proxy on the head node; it carries out its calls in their order."""
    kind = ray().remote(ProxyActor)
    return kind.options(
        name=PROXY, lifetime="detached", num_cpus=0, scheduling_strategy=on_node(head)
    ).remote(published, dict(keys))  # fmt: skip


def make_worker(member: Member, settings: Mapping[str, Any], keys: Mapping[str, bytes]) -> Any:
    """A worker on its node, with what it reserves; it starts in the background."""
    for method in (WorkerActor.state, WorkerActor.remove, WorkerActor.close):
        ray().method(concurrency_group=_QUICK)(method)
    kind = ray().remote(concurrency_groups={_QUICK: 4})(WorkerActor)
    return kind.options(
        name=worker_name(member.name), lifetime="detached", num_cpus=member.cpus, num_gpus=member.gpus,
        scheduling_strategy=on_node(member.node), max_concurrency=OPENING, max_restarts=0,
    ).remote(member.name, dict(settings), dict(keys))  # fmt: skip


def version_of(node: str) -> Any:
    """Asks a node which package it has; the answer is to be waited for."""
    return ray().remote(_version).options(num_cpus=0, scheduling_strategy=on_node(node), max_retries=0).remote()


def _version() -> str:
    return version()


def on_node(node: str) -> Any:
    """Where an actor is to run: there, or not at all."""
    ray()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    return NodeAffinitySchedulingStrategy(node, soft=False)


def log_without_secrets(level: int = logging.WARNING) -> None:
    """Our log lines go to the process's own file of Ray's, without what is secret."""

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = quiet(SECRETS.hide(record.getMessage()), _LONG), ()
        return True

    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    handler.addFilter(clean)
    ours = logging.getLogger("pymafx_live")
    ours.handlers, ours.propagate = [handler], False
    ours.setLevel(level)
