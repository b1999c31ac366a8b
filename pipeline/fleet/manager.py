"""Keeps a fleet as its file says: an actor that lives on without the program that started it.

It asks every worker every half second how it is, and does what `allocation` and `placement` say is to be done. What is
wanted and what was begun is kept in the cluster's own store, where the next manager finds it should this one die; the
workers go on meanwhile, as they belong to nobody.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import UsageError, first_line
from pymafx_live.core.types import SourceState
from pymafx_live.pipeline.fleet.actors import log_without_secrets, on_node, version_of
from pymafx_live.pipeline.fleet.address import Address, published
from pymafx_live.pipeline.fleet.allocation import Member, Node, allocate
from pymafx_live.pipeline.fleet.answers import cause, quietly, within
from pymafx_live.pipeline.fleet.casting import Casting, Place, as_plain
from pymafx_live.pipeline.fleet.cluster import nodes as cluster_nodes
from pymafx_live.pipeline.fleet.crew import PERIOD, Crew, Employee
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.fleet_file import default_pool, key_of
from pymafx_live.pipeline.fleet.journal import Journal
from pymafx_live.pipeline.fleet.store import Store
from pymafx_live.pipeline.fleet.version import version

MANAGER = "manager"
_LOOK = 5.0
"""Seconds between two looks at the nodes, and for what nobody owns."""
_NODES = 30.0
"""Seconds in which the cluster should know its nodes."""
_VERSION = 60.0
"""Seconds in which a node should start a process that says which package it has."""
_AGAIN = 10.0
"""The same of a node on which a worker did not answer."""

logger = logging.getLogger(__name__)


class Manager:
    """The actor: what the command line asks for, and what goes on by itself."""

    def __init__(self) -> None:
        self._store, self._journal = Store(), Journal()
        self._wanted: dict[str, Any] = self._store.load("wanted", {})
        self._kept: dict[str, Any] = self._store.load("kept", {"count": 0, "drained": [], "members": {}, "places": {}})
        self._address = Address(self._store, self._journal)
        self._crew = Crew(self._kept, self._address, self._journal)
        places = {camera: Place(**place) for camera, place in self._kept["places"].items()}
        self._casting = Casting(places, self._crew, self._address, self._journal, self._save)
        self._short: dict[str, str] = {}
        self._nodes: list[dict[str, Any]] = []
        self._versions: dict[str, str] = self._kept.setdefault("versions", {})
        self._fault = ""
        self._ticked = time.monotonic()
        self._ready = asyncio.Event()
        self._goings_on: list[asyncio.Task[None]] = []
        self._telling: asyncio.Task[None] | None = None
        self._ending: dict[str, asyncio.Task[None]] = {}
        self._take_in(self._wanted)

    def begin(self) -> None:
        """Takes up the work where a manager before this one has left it; called on the actor's loop."""
        self._goings_on = [asyncio.create_task(self._go_on()), asyncio.create_task(self._look_around())]

    # What the command line asks for.

    async def hello(self) -> str:
        """Says which package this is."""
        return version()

    async def apply(self, wanted: Mapping[str, Any]) -> list[str]:
        """Makes `wanted` (of `read_fleet`) what is to be; returns what of it is another than before.

        Raises:
            UsageError: no node of the cluster has what a pool needs, or the address cannot be published on.
        """
        await self._ready.wait()
        await self._look_at_nodes()
        wanted = _complete(wanted, self._nodes)
        _check_room(wanted["pools"], self._nodes)
        changed = _changes(self._wanted, wanted)
        if not self._address.open or published(wanted) != published(self._wanted):
            await self._address.bind(wanted)
        if changed:
            self._take_in(wanted)
            self._store.save("wanted", wanted)
            for line in changed:
                self._journal.note(line)
            for name in set(wanted["cameras"]) - set(self._casting.places):
                self._address.tell(name, SourceState.CONNECTING, "")
        return changed

    async def status(self, since: int = 0) -> dict[str, Any]:
        """All that is known, and the events after the number `since`."""
        drained = self._kept["drained"]
        nodes = [{**n, "drained": n["id"] in drained, "version": self._versions.get(n["id"], "")} for n in self._nodes]
        return {
            "version": version(), "address": self._address.where, "fault": self._fault, "nodes": nodes,
            "workers": [_worker_now(worker) for worker in self._crew.workers.values()],
            "cameras": [self._camera_now(name) for name in self._casting.wanted],
            "short": self._short, "event": self._journal.number, "events": self._journal.since(since),
        }  # fmt: skip

    async def move(self, camera: str, target: str = "") -> str:
        """Moves a camera to a worker, by default the emptiest other one of its pool; returns the worker.

        Raises:
            UsageError: there is no such camera or worker, or it cannot be moved there now.
        """
        return await self._casting.move(camera, target)

    async def drain(self, node: str, back: bool = False) -> str:
        """Takes all cameras off a node, named by its id's beginning, name or address, or (`back`) lets it have some.

        Raises:
            UsageError: no node is called so, or several are.
        """
        await self._look_at_nodes()
        found = [n for n in self._nodes if node and (n["id"].startswith(node) or node in (n["name"], n["address"]))]
        if len(found) != 1:
            known = ", ".join(f"{n['id'][:8]} ({n['name']})" for n in self._nodes)
            what = "several nodes are" if found else "no node is"
            raise UsageError(f"{what} called {node!r}: name one of {known}")
        chosen = str(found[0]["id"])
        drained = set(self._kept["drained"])
        self._kept["drained"] = sorted(drained - {chosen} if back else drained | {chosen})
        self._save()
        self._journal.note(f"the node {chosen[:8]} {'may have workers again' if back else 'is drained'}")
        return chosen

    async def stop(self) -> None:
        """Closes every camera, worker and the address; the manager is then to be killed."""
        for task in self._goings_on:
            task.cancel()
        self._casting.cancel()
        workers = list(self._crew.workers.values())
        await asyncio.gather(*(self._crew.dismiss(worker, "the fleet is stopped") for worker in workers))
        await self._address.close()
        self._store.clear()

    # What goes on by itself.

    async def _go_on(self) -> None:
        await self._crew.find_again()
        if self._wanted:
            await self._address.find_again()
        while not self._nodes:  # or all would seem to have gone
            await quietly(self._look_at_nodes())
            await asyncio.sleep(0 if self._nodes else PERIOD)
        self._ready.set()
        while True:
            began = time.monotonic()
            try:
                self._step(began)
                self._fault = ""
            except Exception as error:  # the next look may be luckier
                self._fault = SECRETS.hide(f"{type(error).__name__}: {first_line(error)}")
                logger.exception("the manager of the fleet met an error")
            await asyncio.sleep(max(0.05, PERIOD - (time.monotonic() - began)))

    def _step(self, now: float) -> None:
        """One look at everything; nothing is waited for here."""
        if (late := now - self._ticked - 2 * PERIOD) > 0:  # it is us who did not listen
            self._crew.excuse(late)
        self._ticked = now
        if not self._wanted:
            return
        for worker in self._crew.take_the_dead():
            self._casting.lose(worker)
            self._save()
        self._staff()
        self._casting.step()
        if self._telling is None or self._telling.done():
            states = {name: worker.state for name, worker in self._crew.ready().items() if worker.state is not None}
            places = {camera: place.worker for camera, place in self._casting.places.items()}
            self._telling = asyncio.create_task(self._address.update(self._wanted, states, places))

    def _staff(self) -> None:
        """Starts the workers that are missing, and lets go who is not needed."""
        pools, workers = self._casting.pools, self._crew.workers
        cameras = Counter(camera["pool"] for camera in self._casting.wanted.values())
        keys = {name: key_of(pool) for name, pool in pools.items()}
        members = [_member(worker, len(self._casting.on(name))) for name, worker in workers.items()]
        made = allocate(pools, keys, cameras, self._usable(), members, self._crew.suspects)
        for name in [name for name, why in made.short.items() if self._short.get(name) != why]:
            self._journal.note(f"pool {name}: {made.short[name]}")
        self._short = made.short
        for pool, node in made.starts:
            self._crew.start(pool, keys[pool], pools[pool], node)
        for name, worker in workers.items():
            worker.leaving = name in made.leaves
        for name in made.closed:
            self._end(workers[name], "another one with new settings takes its place")
        for name in made.leaves:
            if not workers[name].cameras and not self._casting.on(name):
                self._end(workers[name], "it is not needed any more")
        if made.starts:
            self._save()

    def _end(self, worker: Employee, why: str) -> None:
        if worker.name not in self._ending:
            self._casting.leave(worker.name)
            self._ending[worker.name] = asyncio.create_task(self._let_go(worker, why))

    async def _let_go(self, worker: Employee, why: str) -> None:
        await self._crew.dismiss(worker, why)
        del self._ending[worker.name]
        self._save()

    async def _look_around(self) -> None:
        """Now and then: which nodes there are, and who is there that should not."""
        while True:
            await asyncio.sleep(_LOOK)
            await quietly(self._look_at_nodes())
            await quietly(self._crew.end_strangers())

    async def _look_at_nodes(self) -> None:
        """Which nodes there are, and which package they have."""
        found = await asyncio.wait_for(asyncio.to_thread(cluster_nodes), _NODES)
        for node in sorted({node["id"] for node in self._nodes} - {node["id"] for node in found}):
            self._journal.note(f"the node {node[:8]} is gone")
        self._nodes = found
        suspects = self._crew.suspects
        new = [node for node in found if node["id"] not in self._versions or node["id"] in suspects]
        answers = (within(version_of(n["id"]), _AGAIN if n["id"] in suspects else _VERSION) for n in new)
        for node, told in zip(new, await asyncio.gather(*answers, return_exceptions=True), strict=True):
            broken = isinstance(told, ray().exceptions.RayTaskError)
            if isinstance(told, BaseException) and not broken:
                continue  # it is asked again, if it is still there
            suspects.discard(node["id"])
            known = f"none that starts ({first_line(cause(told))})" if isinstance(told, BaseException) else str(told)
            self._versions[node["id"]] = known
            if known != version():
                self._journal.note(f"the node {node['id'][:8]} is not used: {foreign(node, known)}")

    def _usable(self) -> list[Node]:
        """The nodes that may have workers."""
        return [
            Node(node["id"], node["cpus"], node["gpus"]) for node in self._nodes
            if node["id"] not in self._kept["drained"] and self._versions.get(node["id"]) == version()
        ]  # fmt: skip

    def _take_in(self, wanted: dict[str, Any]) -> None:
        self._wanted = wanted
        self._casting.wanted, self._casting.pools = wanted.get("cameras", {}), wanted.get("pools", {})
        self._casting.balance, self._crew.timeout = wanted.get("balance", True), wanted.get("timeout", 5.0)
        self._casting.trouble.clear()
        self._crew.crashes.clear()
        for camera in self._casting.wanted.values():
            SECRETS.learn(camera["uri"])

    def _camera_now(self, name: str) -> dict[str, Any]:
        casting, worker = self._casting, self._casting.at(name)
        trouble = casting.trouble[name].why if name in casting.trouble else ""
        unknown = SourceState.CONNECTING if worker else SourceState.FAILED if trouble else "waiting"
        state = dict(casting.state(name)) or {"state": str(unknown)}
        node = self._crew[worker].member.node if worker in self._crew else ""
        waits = "" if worker or len(self._crew.ready()) == len(self._crew.workers) else "workers start"
        reason = state.get("reason") or trouble or casting.left_out.get(name, waits)
        return {**state, "name": name, "worker": worker, "node": node, "reason": reason,
                "pool": casting.wanted[name]["pool"]}  # fmt: skip

    def _save(self) -> None:
        self._kept["places"] = as_plain(self._casting.places)
        self._store.save("kept", self._kept)


class ManagerActor(Manager):
    """The manager, at work from the moment that Ray starts it, or starts it again."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it on the actor's loop
        log_without_secrets(logging.INFO)
        super().__init__()
        self.begin()


def make_manager(head: str) -> Any:
    """The manager, on the head node, as its store is there; the one that is there already where there is one."""
    kind = ray().remote(ManagerActor)
    return kind.options(
        name=MANAGER, get_if_exists=True, lifetime="detached", max_restarts=-1, num_cpus=0,
        scheduling_strategy=on_node(head), max_concurrency=1000,
    ).remote()  # fmt: skip


def foreign(node: Mapping[str, Any], told: str) -> str:
    """What is wrong with a node that has another package."""
    return f"{node['name']} has pymafx-live {told}, and here is {version()}: install the same on every node"


def _member(worker: Employee, cameras: int) -> Member:
    known = worker.member
    return Member(known.name, known.pool, known.node, known.key, known.cpus, known.gpus, cameras)


def _worker_now(worker: Employee) -> dict[str, Any]:
    state = worker.state or {}
    told = "leaving" if worker.leaving else "ready" if state else "starting"
    return {
        "name": worker.name, "pool": worker.member.pool, "node": worker.member.node, "state": told,
        "pid": state.get("pid", 0), "busy": state.get("busy", 0.0), "metrics": state.get("metrics", ""),
        "address": state.get("address", ""), "cameras": sorted(worker.cameras),
    }  # fmt: skip


def _complete(wanted: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """With the pool that a file without pools means."""
    default = default_pool(wanted["settings"], max((node["gpus"] for node in nodes), default=0.0))
    return {**wanted, "pools": wanted["pools"] or {"default": default}}


def _check_room(pools: Mapping[str, Mapping[str, Any]], nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raises `UsageError` for a pool of which no node could ever run a worker."""
    for name, pool in pools.items():
        if any(node["cpus"] >= pool["cpus"] and node["gpus"] >= pool["gpus"] for node in nodes):
            continue
        if pool["gpus"] and not any(node["gpus"] for node in nodes):
            raise UsageError(
                f"the pool {name} needs {pool['gpus']:g} GPU a worker, and no node of the cluster has one: give it "
                "`cpus` instead, or add a node that has (`ray start`)"
            )
        most = max((node["cpus"] for node in nodes), default=0)
        raise UsageError(
            f"the pool {name} needs {pool['cpus']:g} CPUs and {pool['gpus']:g} GPUs a worker, and no node has so much "
            f"(the largest has {most:g} CPUs): ask for less"
        )


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is another than before, in words."""
    changed = []
    for kind, word in (("cameras", "camera"), ("pools", "pool")):
        old, new = before.get(kind, {}), after[kind]
        changed += [f"{word} {name} is removed" for name in old if name not in new]
        changed += [f"{word} {name} is added" for name in new if name not in old]
        changed += [f"{word} {name} is changed" for name in new if name in old and old[name] != new[name]]
    if before and published(before) != published(after):
        changed.append(f"the address is {after['publish']}")
    for name in ("timeout", "balance"):
        if before and before.get(name) != after[name]:
            changed.append(f"{name} is {after[name]}")
    return changed
