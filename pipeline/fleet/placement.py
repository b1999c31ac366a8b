"""Which worker has which camera: pure functions of what was measured, without Ray.

A camera's cost and a worker's load are shares of one worker: 1 is all that a worker of its pool can do. Both are
measured (`pipeline.fleet.load`), so that a camera with eight people in it counts for more than one in an empty hall. A
camera goes to the emptiest worker, and rather to a full one than to none. A worker whose load stays above `OVER` gives
a camera away, if that makes the worse of the two clearly better: at most one camera a minute in the whole fleet, and
the same one not again for ten.

What must be is done at once: cameras of dead workers and new ones are assigned, those of a draining one move. Where
there is not enough room, cameras of lower priority make way for those of higher.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum
from statistics import median
from typing import TypeVar

from pymafx_live.pipeline.fleet.load import demanded

FULL = 0.85
"""Load up to which a worker is given cameras."""
CROWDED = 4.0
"""Load up to which it is given one that would be dark else, once all that it has is measured: then three of four frames
are dropped."""
OVER = 0.95
"""Load from which on a worker gives one away, when it has lasted for `SUSTAINED`."""
GAIN = 0.15
"""By how much the worse of both workers must be better off after a move for load."""
SUSTAINED = 10.0
"""Seconds that a load must last before a camera moves for it."""
MOVE_EVERY = 60.0
"""Seconds between two moves for load in the whole fleet."""
REST = 600.0
"""Seconds in which a camera that moved for load does not move for load again."""
UNMEASURED = 0.2
"""Cost of a camera while no camera of its pool was measured."""
OLDEST = 0.5
"""Seconds of age of results that count as a load of 1, of a worker that is busy at all."""
_BUSY = 0.5
"""Busy share below which old results are the camera's or the network's doing, which no move helps."""
MOVES_AT_ONCE = 8
"""Moves off draining workers at one time: each opens a camera a second time."""


@dataclass(frozen=True, slots=True)
class CameraLoad:
    """A camera that is wanted. `cost` is the share of a worker that it takes, None where nobody measured it yet; of a
    higher `priority` is who must not be left out."""

    name: str
    pool: str = "default"
    priority: int = 0
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """A worker, and how it has been lately.

    `cameras` are those that it has or is about to have: a camera that moves counts at its new worker only. `limit` is
    how many it may have, None: as many as its load admits. `age` is the seconds from capture to publication of its
    results (None: there were none), `dropped` the share of frames that nobody looked at, `busy` the share of the time
    in which it did not wait for a frame. A `draining` worker is to lose its cameras; one that is not `alive` has lost
    them.
    """

    name: str
    pool: str = "default"
    node: str = ""
    limit: int | None = None
    cameras: tuple[str, ...] = ()
    age: float | None = None
    dropped: float = 0.0
    busy: float = 0.0
    draining: bool = False
    alive: bool = True

    @property
    def load(self) -> float:
        """What is asked of it, as a share of what it can do; above 1 it drops frames.

        A worker that is always busy and drops two of three frames is asked for three times what it can do.
        """
        load = demanded(self.busy, self.dropped)
        return max(load, self.age / OLDEST) if self.age is not None and self.busy >= _BUSY else load


@dataclass(frozen=True, slots=True)
class Assignment:
    """A camera without a worker is to be opened on one."""

    camera: str
    worker: str


@dataclass(frozen=True, slots=True)
class Move:
    """A camera is to be opened on `target`, and then closed on `origin`. `forced`: not for load."""

    camera: str
    origin: str
    target: str
    why: str
    forced: bool = True


@dataclass(frozen=True, slots=True)
class Stop:
    """A camera is to be closed on a worker: nobody wants it, it is open twice, or it makes way for another."""

    camera: str
    worker: str
    why: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A wanted camera for which there is no room, and why. `worker` is a draining one on which it still runs."""

    camera: str
    why: str
    worker: str | None = None


@dataclass(frozen=True)
class Memory:
    """What the next plan must know of those before. A fleet that is found running begins with `moved_at` now."""

    moved_at: float = float("-inf")
    """When a camera was last moved for load."""
    rested: Mapping[str, float] = field(default_factory=dict)
    """When each camera was last moved for load."""
    over_since: Mapping[str, float] = field(default_factory=dict)
    """Since when each worker has been above `OVER`."""
    placed_at: float = float("-inf")
    """When cameras were last placed because they had to be: what that does to the loads is not measured at once."""


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order: stops, assignments, moves. `memory` is for the next plan."""

    stops: tuple[Stop, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    moves: tuple[Move, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    memory: Memory = field(default_factory=Memory)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do. Cameras may be left out all the same."""
        return not (self.stops or self.assignments or self.moves)


def plan(
    cameras: Iterable[CameraLoad],
    workers: Iterable[WorkerLoad],
    now: float,
    memory: Memory | None = None,
    moving: int = 0,
) -> Plan:
    """What is to be done so that every camera that there is room for is on one worker.

    `now` are seconds of a clock that never runs backwards, `moving` is how many cameras are just being moved. The
    result depends on the arguments only, not on their order; once a plan is carried out, the same cameras and workers
    give an empty one until they are measured anew.

    Raises:
        ValueError: two cameras or two workers have one name.
    """
    return _Planner(_named(cameras), _named(workers), now, memory or Memory(), moving).plan()


Kind = TypeVar("Kind", CameraLoad, WorkerLoad)


class _Worker:
    """A worker as it will be when the plan is carried out."""

    def __init__(self, given: WorkerLoad, costs: Mapping[str, float]) -> None:
        self.name, self.pool, self.node, self.limit, self.given = given.name, given.pool, given.node, given.limit, given
        self._costs = costs
        self.cameras = {name for name in given.cameras if name in costs} if given.alive else set()
        self._weigh()

    def has_room(self, cost: float, most: float = FULL) -> bool:
        if self.limit is not None:
            return len(self.cameras) < self.limit
        return not self.cameras or self.load + cost <= most

    def take(self, camera: str) -> None:
        self.cameras.add(camera)
        self._weigh()

    def lose(self, camera: str) -> None:
        self.cameras.discard(camera)
        self._weigh()

    def _weigh(self) -> None:
        """What it was given a moment ago is not in its measured load yet, and what it lost still is: the larger one
        counts, as it will for the next plan."""
        self.load = max(self.given.load, fsum(self._costs[name] for name in self.cameras))


def _least_loaded(workers: Iterable[_Worker]) -> _Worker | None:
    return min(workers, key=lambda worker: (worker.load, len(worker.cameras), worker.name), default=None)


class _Planner:
    def __init__(
        self, cameras: dict[str, CameraLoad], workers: dict[str, WorkerLoad], now: float, memory: Memory,
        moving: int,
    ) -> None:  # fmt: skip
        self._cameras, self._now, self._memory, self._moving = cameras, now, memory, moving
        self._measured = {name for name, camera in cameras.items() if camera.cost is not None}
        self._costs = _costs(cameras.values())
        self._workers = {name: _Worker(worker, self._costs) for name, worker in workers.items()}
        self._open: dict[str, list[_Worker]] = defaultdict(list)
        for worker in self._workers.values():
            if worker.given.alive and not worker.given.draining:
                self._open[worker.pool].append(worker)
        self._stops: list[Stop] = []
        self._assignments: list[Assignment] = []
        self._moves: list[Move] = []
        self._left_out: list[LeftOut] = []
        self._displaced: dict[str, str] = {}

    def plan(self) -> Plan:
        places = self._places()
        self._place_all(places)
        urgent = bool(self._assignments or self._moves)
        over_since = self._over_since()
        rested = {name: at for name, at in self._memory.rested.items() if self._now - at < REST}
        moved_at, placed_at = self._memory.moved_at, self._now if urgent else self._memory.placed_at
        calm = placed_at < self._now and self._now - moved_at >= MOVE_EVERY
        if calm and (move := self._relief(over_since, rested)):
            self._moves.append(move)
            moved_at = rested[move.camera] = self._now
        return Plan(
            tuple(self._stops), tuple(self._assignments), tuple(self._moves), tuple(self._left_out),
            Memory(moved_at, rested, over_since, placed_at),
        )  # fmt: skip

    def _places(self) -> dict[str, _Worker]:
        """The worker of each camera that has one; what is not wanted, or open twice, is stopped."""
        holders: dict[str, list[_Worker]] = defaultdict(list)
        for worker in self._workers.values():
            for name in worker.given.cameras if worker.given.alive else ():
                if name in self._cameras:
                    holders[name].append(worker)
                else:
                    self._stops.append(Stop(name, worker.name, "it is not wanted any more"))
        for name, several in holders.items():
            several.sort(key=lambda w: (w.pool != self._cameras[name].pool, w.given.draining, w.load, w.name))
            for worker in several[1:]:
                self._stops.append(Stop(name, worker.name, f"it is open on {several[0].name} too"))
                worker.lose(name)
        return {name: several[0] for name, several in holders.items()}

    def _place_all(self, places: Mapping[str, _Worker]) -> None:
        """Finds a worker for who has none or must leave his, the most important and then the dearest first."""
        waiting: list[tuple[int, float, str]] = []
        for name in self._cameras:
            worker = places.get(name)
            if worker is None or worker.given.draining or worker.pool != self._cameras[name].pool:
                waiting.append(self._rank(name))
        heapq.heapify(waiting)
        moving, handled, homeless = self._moving, set(), dict[str, _Worker | None]()
        while waiting:
            name = heapq.heappop(waiting)[2]
            if name in handled:  # it had to leave, and has made way too
                continue
            handled.add(name)
            origin = places.get(name)
            if origin is not None and name not in self._displaced and moving >= MOVES_AT_ONCE:
                continue
            target = self._emptiest(name) or self._least_crowded(name) or self._make_way(name, waiting)
            if target is None:
                homeless[name] = origin
                continue
            target.take(name)
            if origin is None:
                self._assignments.append(Assignment(name, target.name))
                continue
            if target is not origin:  # as it is where there still is room for who has made way
                self._moves.append(Move(name, origin.name, target.name, self._why_forced(name, origin)))
            if name not in self._displaced:
                moving += 1
                origin.lose(name)
                again = [other for other in homeless if self._cameras[other].pool == origin.pool]
                for other in again:  # each is more important than whoever comes now
                    del homeless[other]
                    handled.remove(other)
                    heapq.heappush(waiting, self._rank(other))
        for name, origin in homeless.items():
            self._leave_out(name, origin)

    def _rank(self, name: str) -> tuple[int, float, str]:
        return -self._cameras[name].priority, -self._costs[name], name

    def _emptiest(self, name: str) -> _Worker | None:
        """The worker with the smallest load of those that have room."""
        return _least_loaded(w for w in self._open[self._cameras[name].pool] if w.has_room(self._costs[name]))

    def _least_crowded(self, name: str) -> _Worker | None:
        """The worker that suffers least by one more, of those of which is known how much they have."""
        cost, workers = self._costs[name], self._open[self._cameras[name].pool]
        return _least_loaded(w for w in workers if w.has_room(cost, CROWDED) and w.cameras <= self._measured)

    def _make_way(self, name: str, waiting: list[tuple[int, float, str]]) -> _Worker | None:
        """The worker that has room once cameras of lower priority are gone; these wait for another place."""
        camera, best = self._cameras[name], None
        for worker in self._open[camera.pool]:
            lower = sorted(
                (other for other in worker.cameras if self._cameras[other].priority < camera.priority),
                key=lambda other: (self._cameras[other].priority, -self._costs[other], other),
            )
            count = self._how_many(worker, lower, self._costs[name])
            if count:
                rank = self._cameras[lower[count - 1]].priority, count, worker.load, worker.name
                best = min(best, (rank, worker, lower[:count])) if best else (rank, worker, lower[:count])
        if best is None:
            return None
        _, worker, gone = best
        for other in gone:
            worker.lose(other)
            self._displaced[other] = name
            if self._rank(other) not in waiting:  # as one that is on another pool's worker already is
                heapq.heappush(waiting, self._rank(other))
        return worker

    def _how_many(self, worker: _Worker, lower: Sequence[str], cost: float) -> int:
        """How many of these must leave a worker before it has room; 0 where that is not enough."""
        if worker.limit is not None:
            needed = len(worker.cameras) - worker.limit + 1
            return needed if needed <= len(lower) and worker.limit > 0 else 0
        load = worker.load
        for count, other in enumerate(lower, start=1):
            load -= self._costs[other]
            if load + cost <= CROWDED or count == len(worker.cameras):
                return count
        return 0

    def _leave_out(self, name: str, origin: _Worker | None) -> None:
        camera = self._cameras[name]
        if by := self._displaced.get(name):
            why = f"it made way for {by}, of higher priority"
        elif workers := self._open[camera.pool]:
            there, one = sum(len(worker.cameras) for worker in workers), len(workers) == 1
            whose = f"its {len(workers)} worker{' has' if one else 's have'} {there} camera{'' if there == 1 else 's'}"
            why = f"the pool {camera.pool} is full: {whose}, none of them less important"
        else:
            why = f"the pool {camera.pool} has no worker"
        if origin is not None and not by:  # better there than nowhere, as long as that worker is there
            self._left_out.append(LeftOut(name, why, origin.name))
            return
        if origin is not None:
            self._stops.append(Stop(name, origin.name, why))
        self._left_out.append(LeftOut(name, why))

    def _why_forced(self, name: str, origin: _Worker) -> str:
        if by := self._displaced.get(name):
            return f"it makes way for {by}, of higher priority"
        if origin.given.draining:
            return f"{origin.name} is drained"
        return f"its pool is {self._cameras[name].pool}"

    def _over_since(self) -> dict[str, float]:
        over = (worker for workers in self._open.values() for worker in workers if worker.given.load > OVER)
        return {worker.name: self._memory.over_since.get(worker.name, self._now) for worker in over}

    def _relief(self, over_since: Mapping[str, float], rested: Mapping[str, float]) -> Move | None:
        """One move that helps the fullest worker that can be helped."""
        lasting = [self._workers[name] for name, at in over_since.items() if self._now - at >= SUSTAINED]
        for origin in sorted(lasting, key=lambda worker: (-worker.load, worker.name)):
            if len(origin.cameras) < 2:
                continue
            share = origin.load / len(origin.cameras)
            for name in sorted(origin.cameras, key=lambda name: (self._costs[name] < share, self._rank(name)[1:])):
                cost = self._costs[name]
                target = None if name in rested else self._emptiest(name)
                if target is None or target is origin or target.load + cost > FULL:
                    continue
                if max(origin.load - cost, target.load + cost) <= origin.load - GAIN:
                    why = f"{origin.name} has a load of {origin.load:.2f}, {target.name} one of {target.load:.2f}"
                    return Move(name, origin.name, target.name, why, forced=False)
        return None


def _named(given: Iterable[Kind]) -> dict[str, Kind]:
    """By their names, in the order of these."""
    ordered = sorted(given, key=lambda one: one.name)
    named = {one.name: one for one in ordered}
    if len(named) < len(ordered):
        raise ValueError("two cameras or two workers have one name")
    return named


def _costs(cameras: Iterable[CameraLoad]) -> dict[str, float]:
    """What each takes; who was not measured takes what half of his pool's do not reach."""
    cameras = list(cameras)
    known: dict[str, list[float]] = defaultdict(list)
    for camera in cameras:
        if camera.cost is not None:
            known[camera.pool].append(camera.cost)
    usual = {pool: median(costs) for pool, costs in known.items()}
    return {
        camera.name: usual.get(camera.pool, UNMEASURED) if camera.cost is None else camera.cost for camera in cameras
    }
