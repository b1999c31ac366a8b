"""Which worker has which camera: carries out what `placement` says, one task for each camera at most."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import LiveError, UsageError, first_line
from pymafx_live.core.types import SourceState
from pymafx_live.pipeline.fleet.address import Address
from pymafx_live.pipeline.fleet.answers import Trouble, cause, quietly, within
from pymafx_live.pipeline.fleet.crew import CLOSE, Crew, Employee
from pymafx_live.pipeline.fleet.fleet_file import key_of
from pymafx_live.pipeline.fleet.journal import Journal
from pymafx_live.pipeline.fleet.load import measure
from pymafx_live.pipeline.fleet.placement import CameraLoad, Memory, WorkerLoad, plan

GRACE = 20.0
"""Seconds in which cameras that are new wait for workers that start, as others may be full by then."""
OPEN = 10.0
"""Seconds in which a camera that opens should have a result; one that is away is waited for by its worker."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera is, or is about to be, and what of its settings it was opened with."""

    worker: str
    key: str


class Casting:
    """The cameras that are `wanted` (of `read_fleet`), and their places. `save` is called after each change."""

    def __init__(
        self, places: Mapping[str, Place], crew: Crew, address: Address, journal: Journal, save: Callable[[], None]
    ) -> None:
        self.wanted: Mapping[str, Mapping[str, Any]] = {}
        self.pools: Mapping[str, Mapping[str, Any]] = {}
        self.balance = True
        """Whether cameras move for load."""
        self.places = dict(places)
        self.trouble: dict[str, Trouble] = {}
        """Why cameras could not be opened."""
        self.left_out: dict[str, str] = {}
        """Why cameras have no place."""
        self._crew, self._address, self._journal, self._save = crew, address, journal, save
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._moving: set[str] = set()
        self._settled: dict[str, float] = {}
        self._seen = set(places)
        self._memory = Memory(moved_at=time.monotonic())

    def at(self, camera: str) -> str:
        """The worker of a camera; "" where it has none."""
        return self.places[camera].worker if camera in self.places else ""

    def on(self, worker: str) -> list[str]:
        """The cameras that have their place there."""
        return sorted(camera for camera, place in self.places.items() if place.worker == worker)

    def state(self, camera: str, worker: str = "") -> Mapping[str, Any]:
        """What a worker, by default its own, says of a camera."""
        worker = worker or self.at(camera)
        return self._crew[worker].cameras.get(camera, {}) if worker in self._crew else {}

    def step(self) -> None:
        """Begins what is to be done now; nothing is waited for."""
        now = time.monotonic()
        for worker in self._crew.ready().values():
            self._look_at(worker, now)
        memory = self._memory if self.balance else Memory(moved_at=now)
        made = plan(self._cameras(now), self._workers(), now, memory, len(self._moving))
        self._memory = made.memory
        for stop in made.stops:
            self._spawn(stop.camera, self._close, stop.camera, stop.worker, stop.why)
        for assignment in made.assignments:
            self._spawn(assignment.camera, self._open, assignment.camera, assignment.worker)
        for move in made.moves:
            self._spawn(move.camera, self._move, move.camera, move.origin, move.target, move.why)
        self._note_left_out({left.camera: left.why for left in made.left_out})

    def lose(self, worker: Employee) -> None:
        """A worker is no more: its cameras have no place, and what was done to them there is given up."""
        lost = self.on(worker.name)
        had = f"; {', '.join(lost)} go elsewhere" if lost else ""
        self._journal.note(f"worker {worker.name} is lost: {worker.dead}{had}")
        for camera in lost:
            if camera in self._tasks:
                self._tasks[camera].cancel()
            del self.places[camera]

    def leave(self, worker: str) -> None:
        """A worker ends: its cameras have no place."""
        for camera in self.on(worker):
            del self.places[camera]

    async def move(self, camera: str, target: str) -> str:
        """Moves a camera to a worker, "": the emptiest; returns the worker. Raises `UsageError`."""
        place = self.places.get(camera)
        if camera not in self.wanted or place is None:
            raise UsageError(f"no camera {camera!r} runs in this fleet: pymafx-live fleet status lists them")
        if camera in self._tasks:
            raise UsageError(f"the camera {camera} is just being opened or moved: try again in some seconds")
        worker = self._target(camera, place.worker, target)
        self._spawn(camera, self._move, camera, place.worker, worker, "it was asked for")
        await asyncio.wait({self._tasks[camera]})
        if self.at(camera) != worker:
            raise UsageError(f"{camera} did not move: {self._journal.last}")
        return worker

    def cancel(self) -> None:
        """Gives up all that was begun."""
        for task in self._tasks.values():
            task.cancel()

    def _cameras(self, now: float) -> list[CameraLoad]:
        """All but those that are in trouble just now, and new ones that can wait."""
        costs = {}
        for name, worker in self._crew.ready().items():
            measured = measure(worker.state or {})
            costs.update({camera: cost for camera, cost in measured.costs.items() if self.at(camera) == name})
        return [
            CameraLoad(name, camera["pool"], camera["priority"], costs.get(name))
            for name, camera in self.wanted.items()
            if name in self.places
            or (now >= self.trouble.get(name, Trouble()).until and not self._may_wait(name, camera["pool"], now))
        ]

    def _workers(self) -> list[WorkerLoad]:
        """Those who are ready; and who was found and has not answered yet keeps what it has."""
        made = []
        for name, worker in self._crew.workers.items():
            pool, cameras = worker.member.pool, tuple(self.on(name))
            limit = self.pools.get(pool, {}).get("cameras", "auto")
            if worker.state is not None:
                known, most = measure(worker.state), None if limit == "auto" else limit
                load = WorkerLoad(
                    name, pool, worker.member.node, most, cameras, known.age, known.dropped, known.busy, worker.leaving
                )
                made.append(load)
            elif worker.found:
                made.append(WorkerLoad(name, pool, worker.member.node, len(cameras), cameras))
        return made

    def _may_wait(self, camera: str, pool: str, now: float) -> bool:
        """Whether a camera that nobody watched yet is to wait for workers that start, so that all get their share."""
        starting = (w for w in self._crew.workers.values() if w.state is None and w.member.pool == pool)
        return camera not in self._seen and any(now - worker.born < GRACE for worker in starting)

    def _look_at(self, worker: Employee, now: float) -> None:
        """Cameras that are not where they should be, were opened otherwise, have failed, or are where none should."""

        def is_known(camera: str) -> bool:  # its state is newer than the last that was done to it
            return camera not in self._tasks and self._settled.get(camera, 0) < worker.asked

        for camera, state in worker.cameras.items():
            if not is_known(camera):
                continue
            if self.at(camera) != worker.name:
                self._spawn(camera, self._close, camera, worker.name, "it is open elsewhere")
            elif camera in self.wanted and self.places[camera].key != key_of(self.wanted[camera]):
                self._spawn(camera, self._reopen, camera, worker.name, "its settings are new")
            elif state["state"] == str(SourceState.FAILED):
                if camera not in self.trouble:
                    self._note_trouble(camera, str(state.get("reason", "")))
                elif now >= self.trouble[camera].until:
                    self._spawn(camera, self._reopen, camera, worker.name, "it has failed")
        for camera in self.on(worker.name):
            if camera not in worker.cameras and is_known(camera):
                del self.places[camera]  # it is assigned anew

    def _note_trouble(self, camera: str, reason: str) -> None:
        known, reason = self.trouble.get(camera, Trouble()), SECRETS.hide(reason)
        if known.why != reason:
            self._journal.note(f"{camera} cannot be opened: {reason}")
            self._address.tell(camera, SourceState.FAILED, reason)
        self.trouble[camera] = known.again(reason, time.monotonic())

    def _note_left_out(self, left: dict[str, str]) -> None:
        for camera, reason in left.items():
            if self.left_out.get(camera) != reason:
                self._address.tell(camera, SourceState.CONNECTING, reason)
                if len(self._crew.ready()) == len(self._crew.workers):
                    self._journal.note(f"{camera} has no place: {reason}")
        self.left_out = left

    def _spawn(self, camera: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: str) -> None:
        """Begins a camera's task, unless it has one: what is to be done then is found again."""
        if camera not in self._tasks:
            self._tasks[camera] = asyncio.create_task(self._run(camera, work, *arguments))

    async def _run(self, camera: str, work: Callable[..., Coroutine[Any, Any, None]], *arguments: str) -> None:
        try:
            await work(*arguments)
        except Exception as error:
            logger.exception("what was done to %s met an error", camera)
            self._journal.note(f"{camera}: {first_line(error)}")
        finally:
            self._settled[camera] = time.monotonic()
            self._tasks.pop(camera, None)
            self._save()

    async def _open(self, camera: str, worker: str) -> None:
        wanted = self.wanted[camera]
        self.places[camera] = Place(worker, key_of(wanted))
        self._save()
        self._address.route(camera, worker)
        if (state := await self._added(camera, worker, wanted)) is not None:
            self.trouble.pop(camera, None)
            self._seen.add(camera)
            self._journal.note(f"{camera} is {state['state']} on {worker}")
        elif self.at(camera) == worker:
            del self.places[camera]

    async def _added(self, camera: str, worker: str, wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The camera's state once the worker has it; None, and it is said, where it cannot be opened there."""
        try:
            state: Mapping[str, Any] = await within(self._crew[worker].handle.add.remote(wanted, OPEN), 3 * OPEN)
            return state
        except TimeoutError:
            self._journal.note(f"{worker} has not opened {camera} in {3 * OPEN:.0f} s")
        except Exception as error:
            if isinstance(raised := cause(error), LiveError):
                self._note_trouble(camera, str(raised))
        return None

    async def _close(self, camera: str, worker: str, reason: str, moved: bool = False) -> None:
        if worker in self._crew:
            await quietly(within(self._crew[worker].handle.remove.remote(camera, moved), CLOSE))
        if self.at(camera) == worker:
            del self.places[camera]
        if camera not in self.wanted and not self.at(camera):
            self._address.forget(camera)
        if not moved:
            self._journal.note(f"{camera} is closed on {worker}: {reason}")

    async def _reopen(self, camera: str, worker: str, reason: str) -> None:
        await self._close(camera, worker, reason)
        if camera in self.wanted and worker in self._crew:
            await self._open(camera, worker)

    async def _move(self, camera: str, origin: str, target: str, reason: str) -> None:
        """Opens it on the target, lets that speak for it, closes it on the origin: nothing is lost or sent twice."""
        wanted, before = self.wanted[camera], self.places[camera]
        was_live = self.state(camera, origin).get("state") == str(SourceState.LIVE)
        self.places[camera] = Place(target, key_of(wanted))
        self._save()
        state: Mapping[str, Any] | None = None
        self._moving.add(camera)
        try:
            state = await self._added(camera, target, wanted)
        finally:  # also where the target is lost meanwhile: the origin has it still
            self._moving.discard(camera)
            moved = state is not None and (state["state"] == str(SourceState.LIVE) or not was_live)
            if not moved and origin in self._crew:
                self.places[camera] = before
        if moved:
            await self._address.hand_over(camera, target)
            await self._close(camera, origin, reason, moved=True)
            self._journal.note(f"{camera} has moved from {origin} to {target}: {reason}")
        else:
            self._journal.note(f"{camera} stays on {origin}: {target} has no picture of it")
            if state is not None:
                await self._close(camera, target, "it did not move", moved=True)

    def _target(self, camera: str, origin: str, target: str) -> str:
        pool = self.wanted[camera]["pool"]
        others = {
            name: measure(worker.state or {}).busy for name, worker in self._crew.ready().items()
            if not worker.leaving and worker.member.pool == pool and name != origin
        }  # fmt: skip
        if not others:
            raise UsageError(f"{camera} cannot move: the pool {pool} has no other worker that is ready")
        if target and target not in others:
            raise UsageError(
                f"{camera} cannot move to {target!r}: name another worker of the pool {pool}: {', '.join(others)}"
            )
        return target or min(others, key=lambda name: (others[name], name))


def as_plain(places: Mapping[str, Place]) -> dict[str, dict[str, str]]:
    """Places as they are stored."""
    return {camera: asdict(place) for camera, place in places.items()}
