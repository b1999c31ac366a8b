"""Keeps a fleet as its file says: an actor that lives on without the program that started it.

It asks every worker every half second how it is, and does what `allocation` and `placement` say is to be done. What is
wanted and what was begun is kept in the cluster's own store, where the next manager finds it should this one die; the
workers go on meanwhile, as they belong to nobody.
"""

import asyncio
import hashlib
import json
import logging
import re
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import LiveError, UsageError, first_line
from pymafx_live.core.types import SourceEvent, SourceState
from pymafx_live.pipeline.fleet import keys as fleet_keys
from pymafx_live.pipeline.fleet.actors import (
    PROXY,
    find,
    log_without_secrets,
    make_proxy,
    make_worker,
    on_node,
    version_of,
    worker_name,
)
from pymafx_live.pipeline.fleet.allocation import Member, Node, allocate
from pymafx_live.pipeline.fleet.cluster import nodes as cluster_nodes
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.fleet_file import default_pool
from pymafx_live.pipeline.fleet.load import measure
from pymafx_live.pipeline.fleet.placement import CameraLoad, Memory, WorkerLoad, plan
from pymafx_live.pipeline.fleet.store import Store
from pymafx_live.pipeline.fleet.version import version

MANAGER = "manager"
PERIOD = 0.5
"""Seconds between two looks at everything."""
SILENT = 4.0
"""Seconds without an answer after which a worker is given up."""
START = 180.0
"""Seconds that a worker may take to start."""
GRACE = 20.0
"""Seconds in which cameras that are new wait for workers that start, as others may be full by then."""
OPEN = 10.0
"""Seconds in which a camera that opens should have a result; one that is away is waited for by its worker."""
CLOSE = 10.0
"""Seconds that a worker may take to say goodbye."""
RETRY = (2.0, 60.0)
"""Seconds after which a camera that cannot be opened is tried again: the first time, and at most."""
YOUNG = 60.0
"""Seconds: a worker that dies sooner may do so again and again."""
_SUSPECT = 30.0
"""Seconds in which nothing is begun on a node whose worker did not answer."""
_SLOW = 5.0
"""Seconds between two looks for what nobody owns."""
_KEPT = 500
"""Events that are kept for who asks."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera is, or is about to be, and what of its settings it was opened with."""

    worker: str
    key: str


@dataclass
class Employee:
    """A worker as the manager knows it."""

    member: Member
    handle: Any
    born: float = field(default_factory=time.monotonic)
    heard: float = 0.0
    """When its last answer came, or it was begun to be waited for."""
    asked: float = 0.0
    """When the question was put whose answer `state` is."""
    state: dict[str, Any] | None = None
    dead: str = ""
    """Why it is no more."""
    leaving: bool = False
    watch: "asyncio.Task[None] | None" = None


@dataclass
class Trouble:
    """Why a camera cannot be opened, and when that is tried again."""

    why: str
    pause: float
    until: float


class Manager:
    """The actor. Its methods are called one at a time, but may wait for each other's tasks."""

    def __init__(self) -> None:
        self._store = Store()
        self._wanted: dict[str, Any] = self._store.load("wanted", {})
        self._running: dict[str, Any] = self._store.load("running", {"count": 0, "drained": [], "members": {}})
        self._places = {name: Place(**place) for name, place in self._running.get("places", {}).items()}
        self._workers: dict[str, Employee] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._settled: dict[str, float] = {}
        self._trouble: dict[str, Trouble] = {}
        self._seen = set(self._places)
        self._left_out: dict[str, str] = {}
        self._short: dict[str, str] = {}
        self._versions: dict[str, str] = {}
        self._nodes: list[dict[str, Any]] = []
        self._events: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self._numbered = 0
        self._memory = Memory(moved_at=time.monotonic())
        self._proxy: Any = None
        self._where = ""
        self._known_to_proxy: dict[str, str] = {}
        self._fault = ""
        self._ticked = time.monotonic()
        self._suspects: dict[str, float] = {}
        self._crashes: dict[str, Trouble] = {}
        self._ready = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._telling: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._learn()

    # What the command line asks for.

    def begin(self) -> None:
        """Takes up the work where a manager before this one has left it; called on the actor's loop."""
        self._loop = asyncio.create_task(self._go_on())

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
        wanted = self._complete(dict(wanted))
        _check_room(wanted, self._nodes)
        changed = _changes(self._wanted, wanted)
        if self._proxy is None or _published(wanted) != _published(self._wanted):
            await self._open_proxy(wanted)
        if changed:
            self._wanted = wanted
            self._learn()
            self._store.save("wanted", wanted)
            self._trouble.clear()
            self._crashes.clear()
            for line in changed:
                self._note(line)
            for name in set(wanted["cameras"]) - set(self._places):
                self._tell(name, SourceState.CONNECTING, "")
        return changed

    async def status(self, since: int = 0) -> dict[str, Any]:
        """All that is known, and the events after the number `since`."""
        return {
            "version": version(), "address": self._where, "fault": self._fault, "nodes": self._nodes_now(),
            "workers": [self._worker_now(worker) for worker in self._workers.values()],
            "cameras": [self._camera_now(name) for name in self._wanted.get("cameras", {})],
            "short": dict(self._short), "event": self._numbered,
            "events": [event for event in self._events if event["number"] > since],
        }  # fmt: skip

    async def move(self, camera: str, target: str = "") -> str:
        """Moves a camera to a worker, by default the emptiest other one of its pool; returns the worker.

        Raises:
            UsageError: there is no such camera or worker, or it cannot be moved there now.
        """
        place = self._places.get(camera)
        if camera not in self._wanted.get("cameras", {}) or place is None:
            raise UsageError(f"no camera {camera!r} runs in this fleet: pymafx-live fleet status lists them")
        if camera in self._tasks:
            raise UsageError(f"the camera {camera} is just being opened or moved: try again in some seconds")
        worker = self._worker_for(camera, place.worker, target)
        await self._begin(camera, self._move(camera, place.worker, worker, "it was asked for"))
        if self._places.get(camera, place).worker != worker:
            raise UsageError(f"{camera} did not move: {self._events[-1]['text']}")
        return worker

    async def drain(self, node: str, back: bool = False) -> str:
        """Takes all cameras off a node, named by its id's beginning, name or address, or (`back`) lets it have some."""
        await self._look_at_nodes()
        found = [n for n in self._nodes if node and (n["id"].startswith(node) or node in (n["name"], n["address"]))]
        if len(found) != 1:
            known = ", ".join(f"{n['id'][:8]} ({n['name']})" for n in self._nodes)
            what = "several nodes are" if found else "no node is"
            raise UsageError(f"{what} called {node!r}: name one of {known}")
        drained = set(self._running["drained"])
        (drained.discard if back else drained.add)(found[0]["id"])
        self._running["drained"] = sorted(drained)
        self._save()
        self._note(f"the node {found[0]['id'][:8]} {'may have workers again' if back else 'is drained'}")
        return str(found[0]["id"])

    async def stop(self) -> None:
        """Closes every camera, worker and the address; the manager is then to be killed."""
        if self._loop is not None:
            self._loop.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(
            *(self._dismiss(worker, "the fleet is stopped") for worker in list(self._workers.values()))
        )
        await asyncio.sleep(0.2)  # for the last messages to pass the proxy
        if self._proxy is not None:
            await _quietly(_within(self._proxy.close.remote(), CLOSE))
            ray().kill(self._proxy)
        self._store.clear()

    # What goes on by itself.

    async def _go_on(self) -> None:
        await self._find_again()
        self._ready.set()
        self._looking = asyncio.create_task(self._look_again_and_again())
        while True:
            began = time.monotonic()
            try:
                self._tick(began)
                self._fault = ""
            except Exception as error:  # the next look may be luckier
                self._fault = SECRETS.hide(f"{type(error).__name__}: {first_line(error)}")
                logger.exception("the manager of the fleet met an error")
            await asyncio.sleep(max(0.05, PERIOD - (time.monotonic() - began)))

    def _tick(self, now: float) -> None:
        """One look at everything; nothing is waited for here."""
        late = now - self._ticked - 2 * PERIOD
        if late > 0:  # it is us who did not listen
            for worker in self._workers.values():
                worker.heard += late
        self._ticked = now
        if not self._wanted:
            return
        self._bury()
        self._staff()
        self._place()
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell_proxy())

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(_SLOW)
            await _quietly(self._look_at_nodes())
            await _quietly(self._end_strangers())

    async def _look_at_nodes(self) -> None:
        """Which nodes there are, and which package they have."""
        found = await asyncio.wait_for(asyncio.to_thread(cluster_nodes), 30)
        new = [node for node in found if node["id"] not in self._versions]
        known = await asyncio.gather(*(_within(version_of(node["id"]), 60) for node in new), return_exceptions=True)
        for node, answer in zip(new, known, strict=True):
            if not isinstance(answer, BaseException):
                self._versions[node["id"]] = str(answer)
            elif not isinstance(answer, TimeoutError):
                self._versions[node["id"]] = f"none that starts ({first_line(_cause(answer))})"
            if (told := self._versions.get(node["id"])) not in (None, version()):
                self._note(f"the node {node['id'][:8]} is not used: {foreign(node, str(told))}")
        gone = {node["id"] for node in self._nodes} - {node["id"] for node in found}
        for node in sorted(gone):
            self._note(f"the node {node[:8]} is gone")
        self._nodes = found

    def _usable(self) -> list[Node]:
        drained = self._running["drained"]
        return [
            Node(node["id"], node["cpus"], node["gpus"]) for node in self._nodes
            if node["id"] not in drained and self._versions.get(node["id"]) == version()
            and self._suspects.get(node["id"], 0) < time.monotonic()
        ]  # fmt: skip

    async def _find_again(self) -> None:
        """The workers and the proxy that a manager before this one has started."""
        for name, told in self._running["members"].items():
            worker = Employee(Member(**told), await asyncio.to_thread(find, worker_name(name)), heard=time.monotonic())
            if worker.handle is None:
                worker.dead = "it is not there any more"
            self._employ(worker)
        if self._wanted and (proxy := await asyncio.to_thread(find, PROXY)) is not None:
            self._proxy = proxy
            try:
                self._where = await _within(proxy.where.remote(), SILENT)
            except Exception:
                self._proxy = None

    def _employ(self, worker: Employee) -> None:
        self._workers[worker.member.name] = worker
        if not worker.dead:
            worker.watch = asyncio.create_task(self._watch(worker))

    async def _watch(self, worker: Employee) -> None:
        """Asks a worker how it is, one question at a time, until it is no more."""
        while not worker.dead:
            asked = time.monotonic()
            answer = asyncio.ensure_future(_plain(worker.handle.state.remote()))
            while not answer.done():
                await asyncio.wait({answer}, timeout=PERIOD)
                patience = SILENT if worker.state is not None else START
                if not answer.done() and time.monotonic() - worker.heard > patience:
                    worker.dead = f"it has not answered for {patience:.0f} s"
                    self._suspects[worker.member.node] = time.monotonic() + _SUSPECT  # it may be the node's doing
                    answer.cancel()
                    return
            if (error := answer.exception()) is not None:
                worker.dead = _why(error)
                return
            if worker.state is None:
                self._note(f"worker {worker.member.name} is ready on {worker.member.node[:8]}")
            worker.heard, worker.asked, worker.state = time.monotonic(), asked, answer.result()
            if worker.state.get("error"):
                worker.dead = str(worker.state["error"])
                return
            await asyncio.sleep(PERIOD)

    def _bury(self) -> None:
        """Who is dead is taken off the list; the cameras have no place now, and get another in the same look."""
        for name, worker in list(self._workers.items()):
            if not worker.dead:
                continue
            lost = sorted(camera for camera, place in self._places.items() if place.worker == name)
            had = f"; {', '.join(lost)} go elsewhere" if lost else ""
            self._note(f"worker {name} is lost: {worker.dead}{had}")
            self._slow_down(worker)
            for camera in lost:
                if camera in self._tasks:
                    self._tasks[camera].cancel()
                del self._places[camera]
            self._remove(worker)

    def _slow_down(self, worker: Employee) -> None:
        """A pool whose workers die young gets new ones with pauses that grow."""
        if worker.state is not None and time.monotonic() - worker.born > YOUNG:
            return
        known, pool = self._crashes.get(worker.member.pool), worker.member.pool
        pause = RETRY[0] if known is None else min(2 * known.pause, RETRY[1])
        self._crashes[pool] = Trouble(worker.dead, pause, time.monotonic() + pause)

    def _remove(self, worker: Employee) -> None:
        name = worker.member.name
        if self._proxy is not None:  # at once, as another one speaks for its cameras soon
            self._proxy.remove.remote(name)
            self._known_to_proxy.pop(name, None)
        if worker.watch is not None and worker.watch is not asyncio.current_task():
            worker.watch.cancel()
        if worker.handle is not None:
            ray().kill(worker.handle)
        del self._workers[name]
        self._running["members"].pop(name, None)
        self._save()

    def _staff(self) -> None:
        """Starts the workers that are missing, and lets go who is not needed."""
        pools = self._wanted["pools"]
        cameras = [camera["pool"] for camera in self._wanted["cameras"].values()]
        members = [self._as_member(worker) for worker in self._workers.values()]
        wanted = {pool: cameras.count(pool) for pool in pools}
        made = allocate(pools, {name: _key(pool) for name, pool in pools.items()}, wanted, self._usable(), members)
        for name, why in made.short.items():
            if self._short.get(name) != why:
                self._note(f"pool {name}: {why}")
        self._short = made.short
        for pool, node in made.starts:
            if time.monotonic() >= self._crashes.get(pool, _NONE).until:
                self._start(pool, pools[pool], node)
        for name, worker in self._workers.items():
            worker.leaving = name in made.leaves
        for name in made.closed:
            self._retire(self._workers[name], "another one with new settings takes its place")
        for name in made.leaves:
            worker = self._workers[name]
            if not self._busy_with(worker):
                self._retire(worker, "it is not needed any more")

    def _as_member(self, worker: Employee) -> Member:
        held = sum(place.worker == worker.member.name for place in self._places.values())
        return Member(**{**asdict(worker.member), "cameras": held})

    def _busy_with(self, worker: Employee) -> bool:
        name = worker.member.name
        held = worker.state["cameras"] if worker.state is not None else ()
        return bool(held) or any(place.worker == name for place in self._places.values()) or f"{name} " in self._tasks

    def _start(self, pool: str, what: Mapping[str, Any], node: str) -> None:
        self._running["count"] += 1
        name = f"{pool}-{self._running['count']}"
        member = Member(name, pool, node, _key(what), what["cpus"], what["gpus"])
        self._running["members"][name] = asdict(member)
        self._save()  # first, so that a manager that comes after knows of it
        handle = make_worker(member, what["settings"], self._keys()["worker"])
        self._note(f"worker {name} starts on {node[:8]}")
        self._employ(Employee(member, handle, heard=time.monotonic()))

    def _retire(self, worker: Employee, why: str) -> None:
        name = f"{worker.member.name} "  # no camera's, as it ends with a blank
        if name not in self._tasks:
            self._tasks[name] = asyncio.create_task(self._run(name, self._dismiss(worker, why)))

    async def _dismiss(self, worker: Employee, why: str) -> None:
        self._note(f"worker {worker.member.name} ends: {why}")
        if worker.watch is not None:
            worker.watch.cancel()
        if worker.state is not None:
            await _quietly(_within(worker.handle.close.remote(), CLOSE))
        for camera in [camera for camera, place in self._places.items() if place.worker == worker.member.name]:
            del self._places[camera]
        if worker.member.name in self._workers:
            self._remove(worker)

    def _place(self) -> None:
        """Opens, moves and closes cameras as the plan says, each as a task of its own."""
        now = time.monotonic()
        self._notice_faults(now)
        cameras, workers = self._loads(now)
        made = plan(cameras, workers, now, self._memory)
        self._memory = made.memory
        for stop in made.stops:
            if stop.camera not in self._tasks:
                self._spawn(stop.camera, self._close(stop.camera, stop.worker, stop.why))
        for assignment in made.assignments:
            if assignment.camera not in self._tasks:
                self._spawn(assignment.camera, self._open(assignment.camera, assignment.worker))
        for move in made.moves:
            if move.camera not in self._tasks:
                self._spawn(move.camera, self._move(move.camera, move.origin, move.target, move.why))
        self._note_left_out({left.camera: left.why for left in made.left_out})

    def _loads(self, now: float) -> tuple[list[CameraLoad], list[WorkerLoad]]:
        """What the plan is made of: only workers that are ready, only cameras that are not in trouble just now."""
        costs: dict[str, float] = {}
        workers = []
        for name, worker in self._workers.items():
            if worker.state is None:
                continue
            measured = measure(worker.state)
            costs.update({c: x for c, x in measured.costs.items() if self._at(c) == name})
            limit = self._wanted["pools"].get(worker.member.pool, {}).get("cameras", "auto")
            workers.append(WorkerLoad(
                name, worker.member.pool, worker.member.node, None if limit == "auto" else limit,
                tuple(sorted(c for c, place in self._places.items() if place.worker == name)),
                measured.age, measured.dropped, measured.busy, worker.leaving or f"{name} " in self._tasks,
            ))  # fmt: skip
        cameras = [
            CameraLoad(name, camera["pool"], camera["priority"], costs.get(name))
            for name, camera in self._wanted["cameras"].items()
            if name in self._places
            or (now >= self._trouble.get(name, _NONE).until and not self._may_wait(name, camera["pool"], now))
        ]
        return cameras, workers

    def _may_wait(self, camera: str, pool: str, now: float) -> bool:
        """Whether a camera that nobody watched yet is to wait for workers that start, so that all get their share."""
        starting = (worker for worker in self._workers.values() if worker.state is None and worker.member.pool == pool)
        return camera not in self._seen and any(now - worker.born < GRACE for worker in starting)

    def _at(self, camera: str) -> str:
        return self._places[camera].worker if camera in self._places else ""

    def _notice_faults(self, now: float) -> None:
        """Cameras that are not where they should be, were opened otherwise, have failed, or are where none should."""
        cameras = self._wanted["cameras"]
        for name, worker in self._workers.items():
            if worker.state is None or f"{name} " in self._tasks:
                continue
            there = worker.state["cameras"]
            for camera in [c for c in there if c not in self._tasks and self._settled.get(c, 0) < worker.asked]:
                if self._at(camera) != name:
                    self._spawn(camera, self._close(camera, name, "it is open elsewhere"))
                elif camera in cameras and self._places[camera].key != _key(cameras[camera]):
                    self._spawn(camera, self._reopen(camera, name, "its settings are new"))
                elif there[camera]["state"] == str(SourceState.FAILED) and now >= self._again(camera, there[camera]):
                    self._spawn(camera, self._reopen(camera, name, "it has failed"))
            for camera, place in list(self._places.items()):
                if place.worker == name and camera not in there and self._idle(camera, worker):
                    del self._places[camera]  # it is assigned anew

    def _idle(self, camera: str, worker: Employee) -> bool:
        return camera not in self._tasks and self._settled.get(camera, 0) < worker.asked

    def _again(self, camera: str, state: Mapping[str, Any]) -> float:
        if camera not in self._trouble:
            self._add_trouble(camera, str(state.get("reason", "")))
        return self._trouble[camera].until

    def _add_trouble(self, camera: str, why: str) -> None:
        known = self._trouble.get(camera)
        pause = RETRY[0] if known is None else min(2 * known.pause, RETRY[1])
        if known is None or known.why != why:
            self._note(f"{camera} cannot be opened: {why}")
            self._tell(camera, SourceState.FAILED, why)
        self._trouble[camera] = Trouble(why, pause, time.monotonic() + pause)

    def _note_left_out(self, left: dict[str, str]) -> None:
        starting = any(worker.state is None for worker in self._workers.values())
        for camera, why in left.items():
            if self._left_out.get(camera) != why:
                self._tell(camera, SourceState.CONNECTING, "a worker starts" if starting else why)
                if not starting:
                    self._note(f"{camera} has no place: {why}")
        self._left_out = left

    # What is done to one camera; there is one task of each at most.

    def _spawn(self, camera: str, work: Coroutine[Any, Any, None]) -> None:
        self._tasks[camera] = asyncio.create_task(self._run(camera, work))

    async def _begin(self, camera: str, work: Coroutine[Any, Any, None]) -> None:
        self._spawn(camera, work)
        await asyncio.wait({self._tasks[camera]})

    async def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            logger.exception("what was done to %s met an error", name)
            self._note(f"{name.strip()}: {first_line(error)}")
        finally:
            work.close()
            self._settled[name] = time.monotonic()
            self._tasks.pop(name, None)
            self._save()

    async def _open(self, camera: str, worker: str) -> None:
        wanted = self._wanted["cameras"][camera]
        self._places[camera] = Place(worker, _key(wanted))
        self._save()
        if self._proxy is not None:
            self._proxy.route.remote(camera, worker)
        if (state := await self._added(camera, worker, wanted)) is not None:
            self._trouble.pop(camera, None)
            self._seen.add(camera)
            self._note(f"{camera} is {state['state']} on {worker}")
        elif self._at(camera) == worker:
            del self._places[camera]

    async def _added(self, camera: str, worker: str, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
        """The camera's state once the worker has it; None, and it is said, where it cannot be opened there."""
        try:
            state: dict[str, Any] = await _within(self._workers[worker].handle.add.remote(wanted, OPEN), 3 * OPEN)
            return state
        except TimeoutError:
            self._note(f"{worker} has not opened {camera} in {3 * OPEN:.0f} s")
        except Exception as error:
            if isinstance(cause := _cause(error), LiveError):
                self._add_trouble(camera, SECRETS.hide(str(cause)))
        return None

    async def _close(self, camera: str, worker: str, why: str, moved: bool = False) -> None:
        if (holder := self._workers.get(worker)) is not None and holder.state is not None:
            await _quietly(_within(holder.handle.remove.remote(camera, moved), CLOSE))
        if self._at(camera) == worker:
            del self._places[camera]
        if camera not in self._wanted["cameras"] and not self._at(camera):
            await self._proxy_does("forget", camera)
        if not moved:
            self._note(f"{camera} is closed on {worker}: {why}")

    async def _reopen(self, camera: str, worker: str, why: str) -> None:
        await self._close(camera, worker, why)
        if camera in self._wanted["cameras"]:
            await self._open(camera, worker)

    async def _move(self, camera: str, origin: str, target: str, why: str) -> None:
        """Opens it on the target, lets that speak for it, closes it on the origin: nothing is lost or sent twice."""
        wanted = self._wanted["cameras"][camera]
        before = Place(origin, self._places[camera].key) if camera in self._places else None
        was = self._state_of(camera, origin).get("state")
        self._places[camera] = Place(target, _key(wanted))
        self._save()
        try:
            state = await self._added(camera, target, wanted)
        except asyncio.CancelledError:  # the target is lost, and the origin has it still
            if before is not None and origin in self._workers:
                self._places[camera] = before
            raise
        live = state is not None and (state["state"] == str(SourceState.LIVE) or was != str(SourceState.LIVE))
        if not live:
            self._note(f"{camera} stays on {origin}: {target} has no picture of it")
            if before is not None and origin in self._workers:
                self._places[camera] = before
            else:
                self._places.pop(camera, None)
            if state is not None:
                await self._close(camera, target, "it did not move", moved=True)
            return
        await self._route(camera, target)
        await self._close(camera, origin, why, moved=True)
        self._note(f"{camera} has moved from {origin} to {target}: {why}")

    def _worker_for(self, camera: str, origin: str, target: str) -> str:
        pool = self._wanted["cameras"][camera]["pool"]
        others = {
            name: measure(worker.state).busy for name, worker in self._workers.items()
            if worker.state is not None and not worker.leaving and worker.member.pool == pool and name != origin
        }  # fmt: skip
        if target and target not in others:
            raise UsageError(
                f"{camera} cannot move to {target!r}: name another worker of the pool {pool}: "
                f"{', '.join(sorted(others)) or 'there is none'}"
            )
        if not others:
            raise UsageError(f"{camera} cannot move: the pool {pool} has no other worker that is ready")
        return target or min(others, key=lambda name: (others[name], name))

    # The one address.

    def _keys(self) -> dict[str, Any]:
        kept: dict[str, Any] | None = self._store.load("keys")
        if kept is None:
            made = fleet_keys.make()
            kept = {"worker": dict(made.worker), "proxy": dict(made.proxy)}
            self._store.save("keys", kept)
        return kept

    async def _open_proxy(self, wanted: Mapping[str, Any]) -> None:
        """The proxy at the address that is wanted, in place of another. Raises `UsageError`."""
        if self._proxy is not None:
            await _quietly(_within(self._proxy.close.remote(), CLOSE))
            ray().kill(self._proxy)
            self._proxy = None
        proxy = make_proxy(ray().get_runtime_context().get_node_id(), _published(wanted), self._keys()["proxy"])
        try:
            self._where = await _within(proxy.where.remote(), 60)
        except Exception as error:
            ray().kill(proxy)
            if isinstance(cause := _cause(error), LiveError):
                raise cause from None
            raise UsageError(f"{wanted['publish']} cannot be published on: {_why(error)}") from error
        self._proxy, self._known_to_proxy = proxy, {}
        self._note(f"people are published on {self._where}")

    async def _tell_proxy(self) -> None:
        """Which workers there are, who speaks for which camera, and how all are; a proxy that died is made again."""
        if self._proxy is None:
            await self._open_proxy(self._wanted)
        try:
            for name in set(self._known_to_proxy) - set(self._workers):
                await _within(self._proxy.remove.remote(name), SILENT)
                del self._known_to_proxy[name]
            for name, worker in self._workers.items():
                address = worker.state["address"] if worker.state is not None else ""
                if address and self._known_to_proxy.get(name) != address:
                    await _within(self._proxy.add.remote(name, address), SILENT)
                    self._known_to_proxy[name] = address
                    for camera, place in self._places.items():
                        if place.worker == name and camera not in self._tasks:
                            await self._route(camera, name)
            states = [worker.state for worker in self._workers.values() if worker.state is not None]
            await _within(self._proxy.describe.remote(states), SILENT)
        except Exception as error:
            self._note(f"the proxy is lost ({_why(error)}): it is made anew")
            ray().kill(self._proxy)
            self._proxy = None

    async def _route(self, camera: str, worker: str) -> None:
        await self._proxy_does("route", camera, worker)

    async def _proxy_does(self, what: str, *arguments: Any) -> None:
        if self._proxy is not None:
            await _quietly(_within(getattr(self._proxy, what).remote(*arguments), SILENT))

    # What is known and said.

    def _note(self, text: str) -> None:
        """An event, for the log and for who asks."""
        self._numbered += 1
        text = SECRETS.hide(text)
        self._events.append({"number": self._numbered, "at": time.time(), "text": text})
        logger.info("%s", text)

    def _tell(self, camera: str, state: SourceState, why: str) -> None:
        """An event on the wire, of a camera that no worker speaks for."""
        if self._proxy is not None:
            self._proxy.tell.remote(SourceEvent(camera, state, time.time(), SECRETS.hide(why)))

    def _state_of(self, camera: str, worker: str) -> Mapping[str, Any]:
        holder = self._workers.get(worker)
        return {} if holder is None or holder.state is None else holder.state["cameras"].get(camera, {})

    def _camera_now(self, name: str) -> dict[str, Any]:
        worker = self._at(name)
        state = dict(self._state_of(name, worker))
        trouble = self._trouble[name].why if name in self._trouble else ""
        why = trouble or self._left_out.get(name, "")
        if not state:
            state = {"state": str(SourceState.CONNECTING if worker else SourceState.FAILED if trouble else "waiting")}
        node = self._workers[worker].member.node if worker in self._workers else ""
        reason = state.get("reason") or why
        return {**state, "name": name, "worker": worker, "node": node, "reason": reason,
                "pool": self._wanted["cameras"][name]["pool"]}  # fmt: skip

    def _worker_now(self, worker: Employee) -> dict[str, Any]:
        state = worker.state or {}
        told = "leaving" if worker.leaving else "ready" if state else "starting"
        return {
            "name": worker.member.name, "pool": worker.member.pool, "node": worker.member.node, "state": told,
            "pid": state.get("pid", 0), "busy": state.get("busy", 0.0), "metrics": state.get("metrics", ""),
            "address": state.get("address", ""), "cameras": sorted(state.get("cameras", ())),
        }  # fmt: skip

    def _nodes_now(self) -> list[dict[str, Any]]:
        drained = self._running["drained"]
        return [
            {**node, "drained": node["id"] in drained, "version": self._versions.get(node["id"], "")}
            for node in self._nodes
        ]

    def _complete(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """With the pool that a file without pools means."""
        if not wanted["pools"]:
            wanted["pools"] = {"default": default_pool(wanted["settings"], max(n["gpus"] for n in self._nodes))}
        return wanted

    def _learn(self) -> None:
        for camera in self._wanted.get("cameras", {}).values():
            SECRETS.learn(camera["uri"])

    async def _end_strangers(self) -> None:
        """Workers that were given up and are still there, such as behind a network that was split."""
        names = await asyncio.to_thread(lambda: ray().util.list_named_actors())
        known = {worker_name(name) for name in self._running["members"]}
        for name in [name for name in names if name.startswith(worker_name("")) and name not in known]:
            if (stranger := await asyncio.to_thread(find, name)) is not None:
                ray().kill(stranger)

    def _save(self) -> None:
        self._running["places"] = {camera: asdict(place) for camera, place in self._places.items()}
        self._store.save("running", self._running)


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


_NONE = Trouble("", 0.0, 0.0)
_OURS = re.compile(r"pymafx_live\.core\.errors\.\w+: (.+)")


def foreign(node: Mapping[str, Any], told: str) -> str:
    """What is wrong with a node that has another package."""
    return f"{node['name']} has pymafx-live {told}, and here is {version()}: install the same on every node"


def _check_room(wanted: Mapping[str, Any], nodes: Iterable[Mapping[str, Any]]) -> None:
    """Raises `UsageError` for a pool of which no node could ever run a worker."""
    for name, pool in wanted["pools"].items():
        if any(node["cpus"] >= pool["cpus"] and node["gpus"] >= pool["gpus"] for node in nodes):
            continue
        if pool["gpus"] and not any(node["gpus"] for node in nodes):
            raise UsageError(
                f"the pool {name} needs {pool['gpus']:g} GPU a worker, and no node of the cluster has one: give it "
                "`cpus` instead, or add a node that has (`ray start`)"
            )
        most = max((node["cpus"] for node in nodes), default=0)
        raise UsageError(
            f"the pool {name} needs {pool['cpus']:g} CPUs and {pool['gpus']:g} GPU a worker, and no node has so much "
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
    if before and _published(before) != _published(after):
        changed.append(f"the address is {after['publish']}")
    return changed or (
        [] if before.get("settings", after["settings"]) == after["settings"] else ["settings are changed"]
    )


def _published(wanted: Mapping[str, Any]) -> tuple[Any, ...]:
    return wanted.get("publish"), wanted.get("curve"), wanted.get("insecure")


def _key(what: Mapping[str, Any]) -> str:
    """Tells settings from others."""
    made = {k: v for k, v in what.items() if k not in ("priority", "pool", "workers", "cameras")}
    return hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()[:12]


def _cause(error: BaseException) -> BaseException:
    """What an actor has raised, of what Ray makes of it."""
    return getattr(error, "cause", None) or error


def _why(error: BaseException) -> str:
    """Why an actor does not answer, in a sentence; what it has raised while it started stands deep in Ray's own."""
    if said := _OURS.findall(str(error)):
        return str(said[-1])
    names = {"ActorDiedError": "its process has died", "ActorUnavailableError": "it cannot be reached"}
    cause = _cause(error)
    return names.get(type(cause).__name__, first_line(cause))


async def _plain(reference: Any) -> Any:
    return await reference


async def _within(reference: Any, seconds: float) -> Any:
    return await asyncio.wait_for(_plain(reference), seconds)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    """Does it, or not: who does not answer is found by who watches it."""
    try:
        await work
    except Exception as error:
        logger.info("%s", first_line(error))
