"""Placement as a whole: a fleet that is simulated, whose cameras and workers come, go, drain and change."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.pipeline.fleet.placement import (
    FULL,
    GAIN,
    MOVE_EVERY,
    MOVES_AT_ONCE,
    OVER,
    REST,
    SUSTAINED,
    CameraLoad,
    Memory,
    Plan,
    WorkerLoad,
    plan,
)

STEP = 5.0


@dataclass
class Fleet:
    """Workers that do what each plan says; what a camera truly costs is seen only where it has run for a step."""

    cameras: dict[str, CameraLoad]
    workers: dict[str, WorkerLoad]
    truth: dict[str, float]
    now: float = 0.0
    memory: Memory = field(default_factory=Memory)
    moves: list[float] = field(default_factory=list)

    def step(self, seconds: float = STEP) -> Plan:
        """Plans, carries it out, checks what must hold after any plan, and lets so many seconds pass."""
        seen = list(self.cameras.values()), list(self.workers.values())
        done = plan(*seen, self.now, self.memory)
        assert done == plan(reversed(seen[0]), reversed(seen[1]), self.now, self.memory)
        self._carry_out(done)
        self._check(done)
        again = plan(self.cameras.values(), self.workers.values(), self.now, done.memory)
        drains = any(worker.draining for worker in self.workers.values())
        relief = not (again.stops or again.assignments or any(move.forced for move in again.moves))
        assert drains or again.empty or (relief and not done.empty), again  # a crowd is seen to when all have a place
        self.memory = done.memory
        self.moves += [self.now for move in done.moves if not move.forced]
        self.now += seconds
        self._measure()
        return done

    def kill(self, name: str) -> None:
        self.workers[name] = replace(self.workers[name], alive=False)

    def where(self) -> Counter[str]:
        return Counter(name for worker in self.workers.values() if worker.alive for name in worker.cameras)

    def _carry_out(self, done: Plan) -> None:
        has = {name: set(worker.cameras) for name, worker in self.workers.items()}
        for stop in done.stops:
            has[stop.worker].remove(stop.camera)
        for assignment in done.assignments:
            assert assignment.camera not in has[assignment.worker]
            has[assignment.worker].add(assignment.camera)
        for move in done.moves:
            has[move.origin].remove(move.camera)
            has[move.target].add(move.camera)
        for name, worker in self.workers.items():
            self.workers[name] = replace(worker, cameras=tuple(sorted(has[name])))

    def _check(self, done: Plan) -> None:
        where = self.where()
        assert set(where) <= set(self.cameras)
        assert all(count == 1 for count in where.values()), "a camera is on two workers"
        outside = {left.camera for left in done.left_out if left.worker is None}
        assert set(self.cameras) == set(where) | outside, "a camera is lost"
        assert not outside & set(where)
        assert all(left.why for left in done.left_out)
        stay = {left.camera for left in done.left_out if left.worker}
        for worker in self.workers.values():
            for name in worker.cameras if worker.alive else ():
                assert self.cameras[name].pool == worker.pool or name in stay or len(done.moves) == MOVES_AT_ONCE
            # A number is kept to, unless it has been lowered below what is there already.
            taken = [one.worker for one in done.assignments] + [move.target for move in done.moves]
            if worker.limit is not None and worker.name in taken:
                assert len(worker.cameras) <= worker.limit
        self._check_priorities(outside)

    def _check_priorities(self, outside: Iterable[str]) -> None:
        """Nobody is left out while one of lower priority has a place that would do."""
        for name in outside:
            camera = self.cameras[name]
            for worker in self.workers.values():
                if worker.pool == camera.pool and worker.alive and not worker.draining and worker.limit is not None:
                    assert len(worker.cameras) >= worker.limit
                    over = len(worker.cameras) - worker.limit
                    lower = sum(self.cameras[other].priority < camera.priority for other in worker.cameras)
                    assert worker.limit == 0 or lower <= over

    def _measure(self) -> None:
        for name, worker in self.workers.items():
            asked = sum(self.truth[camera] for camera in worker.cameras if camera in self.truth)
            dropped = max(1 - 1 / asked, 0.0) if asked else 0.0
            self.workers[name] = replace(worker, busy=min(asked, 1.0), dropped=dropped, age=0.08)
        for name in self.where():
            self.cameras[name] = replace(self.cameras[name], cost=self.truth[name])


def loads(fleet: Fleet) -> dict[str, float]:
    return {worker.name: worker.load for worker in fleet.workers.values() if worker.alive}


def big(seed: int = 0) -> tuple[Fleet, Random]:
    """1,000 cameras that take from a hundredth to a fifth of a worker, and 100 workers on 25 nodes."""
    chance = Random(seed)
    names = [f"cam{k:04}" for k in range(1000)]
    truth = {name: chance.lognormvariate(-3.0, 0.6) for name in names}
    cameras = {name: CameraLoad(name, priority=chance.randrange(3)) for name in names}
    workers = {f"w{k:03}": WorkerLoad(f"w{k:03}", node=f"node{k // 4}") for k in range(100)}
    return Fleet(cameras, workers, truth), chance


def test_a_thousand_cameras_find_their_place_on_a_hundred_workers_and_stay():
    fleet, _ = big()
    first = fleet.step()
    # Unmeasured, four are thought to fit on each; the others come once these are measured.
    assert len(first.assignments) == 400
    steps = 0
    while len(fleet.where()) < 1000:
        fleet.step()
        steps += 1
        assert steps < 20
    for _ in range(240):
        fleet.step()
    assert max(loads(fleet).values()) < OVER
    fleet.moves.clear()
    for _ in range(40):
        assert fleet.step().empty


def test_a_fleet_in_trouble_loses_nobody_and_moves_seldom():
    fleet, chance = big(1)
    for k in range(400):
        if k % 40 == 10:
            fleet.kill(f"w{chance.randrange(100):03}")
        if k % 40 == 20:
            name = f"new{k}"
            fleet.workers[name] = WorkerLoad(name)
        if k % 100 == 30:
            node = f"node{chance.randrange(25)}"
            for name, worker in fleet.workers.items():
                if worker.node == node:
                    fleet.workers[name] = replace(worker, draining=True)
        if k % 10 == 5:
            name = chance.choice(sorted(fleet.truth))
            fleet.truth[name] *= chance.choice([0.3, 1.5, 4])
        fleet.step()
    assert fleet.moves
    assert all(later - earlier >= MOVE_EVERY for earlier, later in zip(fleet.moves, fleet.moves[1:], strict=False))
    for worker in fleet.workers.values():
        assert not (worker.draining and worker.alive and worker.cameras)


@st.composite
def fleets(draw: st.DrawFn) -> Fleet:
    pools = st.sampled_from(["gpu", "cpu"])
    names = [f"c{k}" for k in range(draw(st.integers(0, 14)))]
    truth = {name: draw(st.floats(0.01, 1.5)) for name in names}
    cameras = {name: CameraLoad(name, draw(pools), draw(st.integers(0, 2))) for name in names}
    workers = {
        name: WorkerLoad(name, draw(pools), draw(st.sampled_from(["n1", "n2"])), draw(st.none() | st.integers(0, 5)))
        for name in (f"w{k}" for k in range(draw(st.integers(0, 5))))
    }
    return Fleet(cameras, workers, truth)


@settings(max_examples=120, deadline=None)
@given(fleets(), st.data())
def test_whatever_happens_no_camera_is_lost_or_there_twice(fleet, data):
    for _ in range(data.draw(st.integers(1, 8))):
        _something_happens(fleet, data.draw)
        fleet.step()
    pauses = zip(fleet.moves, fleet.moves[1:], strict=False)
    assert all(later - earlier >= MOVE_EVERY for earlier, later in pauses)
    # With costs that stay as they are every move for load makes the worse of two loads better, so there is an end.
    for _ in range(20 + 3 * len(fleet.cameras)):
        fleet.step(MOVE_EVERY + SUSTAINED)
    assert all(fleet.step(REST).empty for _ in range(3))


def _something_happens(fleet: Fleet, draw) -> None:
    workers, cameras = sorted(fleet.workers), sorted(fleet.cameras)
    match draw(st.sampled_from(["nothing", "dies", "comes", "drains", "back", "added", "removed", "dearer", "twice"])):
        case "dies" if workers:
            fleet.kill(draw(st.sampled_from(workers)))
        case "comes":
            name = f"x{len(workers)}"
            fleet.workers[name] = WorkerLoad(name, draw(st.sampled_from(["gpu", "cpu"])))
        case "drains" | "back" as what if workers:
            name = draw(st.sampled_from(workers))
            fleet.workers[name] = replace(fleet.workers[name], draining=what == "drains")
        case "added":
            name = f"y{len(cameras)}"
            fleet.cameras[name] = CameraLoad(name, draw(st.sampled_from(["gpu", "cpu"])), draw(st.integers(0, 3)))
            fleet.truth.setdefault(name, draw(st.floats(0.01, 1.5)))
        case "removed" if cameras:
            del fleet.cameras[draw(st.sampled_from(cameras))]
        case "dearer" if cameras:
            fleet.truth[draw(st.sampled_from(cameras))] *= draw(st.floats(0.2, 5))
        case "twice" if workers and cameras:
            name, camera = draw(st.sampled_from(workers)), draw(st.sampled_from(cameras))
            worker = fleet.workers[name]
            fleet.workers[name] = replace(worker, cameras=tuple({*worker.cameras, camera}))


def worker(name: str, *cameras: str, **rest) -> WorkerLoad:
    return WorkerLoad(name, cameras=cameras, **rest)


def cameras(costs: Mapping[str, float | None], **rest) -> list[CameraLoad]:
    return [CameraLoad(name, cost=cost, **rest) for name, cost in costs.items()]


def test_load_decides_and_not_how_many_cameras_there_are():
    three, one = worker("w1", "a", "b", "c", busy=0.15), worker("w2", "d", busy=0.6)
    done = plan(cameras({"a": 0.05, "b": 0.05, "c": 0.05, "d": 0.6, "new": 0.1}), [three, one], 0)
    assert [(one.camera, one.worker) for one in done.assignments] == [("new", "w1")]


def test_a_dear_camera_moves_to_the_emptiest_worker_once_the_load_has_lasted():
    wanted = cameras({"a": 0.7, "b": 0.2, "c": 0.2, "d": 0.3, "e": 0.1})
    workers = [
        worker("w1", "a", "b", "c", busy=1.0, dropped=0.1),
        worker("w2", "d", busy=0.3),
        worker("w3", "e", busy=0.1),
    ]
    first = plan(wanted, workers, 100)
    assert first.empty
    later = plan(wanted, workers, 100 + SUSTAINED, first.memory)
    assert [(move.camera, move.target, move.forced) for move in later.moves] == [("a", "w3", False)]
    assert "w1 has a load of 1.11" in later.moves[0].why
    # Not the next one within the minute, though the measured load has not come down yet.
    assert plan(wanted, workers, 100 + SUSTAINED + MOVE_EVERY - 1, later.memory).empty
    # A short peak moves nobody.
    calm = [replace(one, busy=0.5, dropped=0.0) for one in workers]
    broken = plan(wanted, calm, 105, first.memory)
    assert plan(wanted, workers, 105 + SUSTAINED - 1, broken.memory).empty


def test_no_move_that_gains_little():
    wanted = cameras({"a": 0.5, "b": 0.5, "c": 0.45, "d": 0.45 - GAIN / 10})
    workers = [worker("w1", "a", "b", busy=1.0), worker("w2", "c", "d", busy=0.9)]
    memory = Memory(over_since={"w1": 0})
    assert plan(wanted, workers, 1000, memory).empty
    alone = [worker("w1", "a", busy=1.0, dropped=0.6), worker("w2")]
    assert plan(wanted[:1], alone, 1000, memory).empty  # elsewhere it would be the same


def test_old_results_of_an_idle_worker_are_no_load():
    assert worker("w", age=3.0, busy=0.2).load == 0.2
    assert worker("w", age=1.0, busy=0.8).load == pytest.approx(2)
    assert worker("w", busy=1.0, dropped=2 / 3).load == pytest.approx(3)


def test_who_is_less_important_makes_way_and_is_told_why():
    wanted = [CameraLoad("a", priority=1), CameraLoad("b", priority=0), CameraLoad("c", priority=2)]
    full = [worker("w1", "a", "b", limit=2)]
    done = plan(wanted, full, 0)
    assert [(stop.camera, stop.worker) for stop in done.stops] == [("b", "w1")]
    assert [(one.camera, one.worker) for one in done.assignments] == [("c", "w1")]
    assert [(left.camera, left.why) for left in done.left_out] == [("b", "it made way for c, of higher priority")]
    equal = plan([replace(one, priority=1) for one in wanted], full, 0)
    assert equal.empty
    assert [left.camera for left in equal.left_out] == ["c"]
    assert equal.left_out[0].why == "the pool default is full: its 1 worker has 2 cameras, none of them less important"


def test_with_auto_the_least_important_make_way_until_there_is_room():
    wanted = [*cameras({"a": 0.3, "b": 0.3, "c": 0.2}), CameraLoad("dear", priority=5, cost=0.5)]
    done = plan(wanted, [worker("w1", "a", "b", "c", busy=1.0, dropped=0.74)], 0)
    assert [stop.camera for stop in done.stops] == ["a", "b"]
    assert [one.camera for one in done.assignments] == ["dear"]
    assert done.left_out[0].why == "it made way for dear, of higher priority"


def test_a_camera_is_rather_on_a_full_worker_than_dark():
    wanted = [*cameras({"a": 0.5, "b": 0.4}), CameraLoad("lost", cost=0.4)]
    done = plan(wanted, [worker("w1", "a", busy=0.8), worker("w2", "b", busy=0.7)], 0)
    assert [(one.camera, one.worker) for one in done.assignments] == [("lost", "w2")]
    assert not done.left_out and not done.stops


def test_a_camera_that_must_leave_and_makes_way_is_moved_once():
    wanted = [CameraLoad("lost", "gpu", 0, 1.0), CameraLoad("new", "cpu", 5, 1.0)]
    there = [worker("w1", pool="gpu"), worker("w2", "lost", pool="cpu", limit=1)]
    done = plan(wanted, there, 0)
    assert [(move.camera, move.origin, move.target) for move in done.moves] == [("lost", "w2", "w1")]
    assert [(one.camera, one.worker) for one in done.assignments] == [("new", "w2")] and not done.stops


def test_a_camera_without_a_pool_says_so():
    done = plan([CameraLoad("a", "gpu")], [worker("w1", pool="cpu")], 0)
    assert [(left.camera, left.why) for left in done.left_out] == [("a", "the pool gpu has no worker")]


def test_drained_cameras_stay_where_they_are_until_there_is_room():
    wanted = cameras({"a": 0.2, "b": 0.2})
    drained = worker("w1", "a", "b", draining=True)
    stuck = plan(wanted, [drained], 0)
    assert stuck.empty
    assert [(left.camera, left.worker) for left in stuck.left_out] == [("a", "w1"), ("b", "w1")]
    done = plan(wanted, [drained, worker("w2")], 0)
    assert {(move.camera, move.target, move.why, move.forced) for move in done.moves} == {
        ("a", "w2", "w1 is drained", True), ("b", "w2", "w1 is drained", True),
    }  # fmt: skip


def test_a_camera_that_was_just_assigned_counts_before_it_is_measured():
    """Else the emptiest worker would be given all that come within the seconds until it is measured."""
    wanted = cameras({f"c{k}": None for k in range(8)})
    done = plan(wanted, [worker("w1"), worker("w2")], 0)
    assert Counter(one.worker for one in done.assignments) == {"w1": 4, "w2": 4}
    assert FULL / 4 > 0.2


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="one name"):
        plan([CameraLoad("a"), CameraLoad("a")], [], 0)


def test_room_that_one_of_another_pool_leaves_is_for_the_most_important():
    """It leaves after somebody more important than the next one was refused."""
    wanted = [
        CameraLoad("high", "gpu", 2), CameraLoad("middle", "gpu", 1), CameraLoad("other", "cpu", 1),
        CameraLoad("low", "gpu", 0),
    ]  # fmt: skip
    there = [worker("w1", "other", pool="gpu", limit=2), worker("w2", pool="cpu")]
    done = plan(wanted, there, 0)
    assert [(move.camera, move.target) for move in done.moves] == [("other", "w2")]
    assert [(one.camera, one.worker) for one in done.assignments] == [("high", "w1"), ("middle", "w1")]
    assert [left.camera for left in done.left_out] == ["low"]


def test_room_that_a_removed_camera_leaves_is_given_away_at_once_or_once_it_is_measured():
    """Not by a second plan of the same facts."""
    wanted = cameras({"a": 1.5, "b": 0.5, "c": 0.5, "d": 2.0})
    first = plan(wanted, [worker("w1", "gone", "b", busy=1.0, dropped=0.6)], 0)
    placed = [one.camera for one in first.assignments]
    assert placed and [left.camera for left in first.left_out]
    assert plan(wanted, [worker("w1", "b", *placed, busy=1.0, dropped=0.6)], 0, first.memory).empty
