"""The overload policy against a simulated machine: what it costs is known, and so is what should be done about it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.pipeline.overload import LADDER, Measure, Overload, Reduction, Step, quantile

FPS = 30.0


@dataclass
class Machine:
    """One loop on `cameras` of 30 frames a second, the newest frame first; costs are seconds, times `slow` by the hour.

    A frame costs the detector's part where that looks, and each person their body, hands and face, as far as they are
    looked at; `noise` is the deviation of the logarithm of each.
    """

    people: int = 4
    detect: float = 0.04
    body: float = 0.012
    hands: float = 0.008
    face: float = 0.008
    noise: float = 0.1
    slow: Callable[[float], float] = lambda now: 1.0
    crowd: Callable[[float], int] | None = None
    cameras: tuple[float, ...] = (FPS,)
    way: float = 0.0
    seed: int = 0
    steps: list[tuple[float, Step]] = field(default_factory=list)
    ages: list[tuple[float, float, str]] = field(default_factory=list)

    def cost(self, reduction: Reduction, frame: int, people: int) -> float:
        few = people if reduction.max_people is None else min(people, reduction.max_people)
        cost = self.detect * (frame % reduction.detect_every == 0) + few * self.body
        cost += few * self.hands * (frame % reduction.hands_every == 0)
        return cost + few * self.face * (frame % reduction.face_every == 0)

    def run(self, overload: Overload, seconds: float) -> "Machine":
        """Plays so many seconds."""
        random, now, frame = np.random.default_rng(self.seed), 0.0, 0
        seen = [0] * len(self.cameras)
        while now < seconds:
            newest = [int(now * fps) for fps in self.cameras]
            there = [k for k, n in enumerate(newest) if n > seen[k]]
            if not there:
                now = min((seen[k] + 1) / fps for k, fps in enumerate(self.cameras)) + 1e-9
                continue
            people = self.people if self.crowd is None else self.crowd(now)
            busy = self.cost(overload.reduction, frame, people) * self.slow(now)
            busy *= (0.4 + 0.6 * len(there)) * float(np.exp(random.normal(0, self.noise)))
            now, frame = now + busy, frame + 1
            limit = overload.reduction.max_people
            for k in there:
                seen[k] = newest[k]
                age = now - newest[k] / self.cameras[k] + self.way
                self.ages.append((now, age, str(k)))
                measure = Measure(str(k), now, age, busy, people if limit is None else min(people, limit))
                if (step := overload.note(measure)) is not None:
                    self.steps.append((now, step))
        return self

    def after(self, begin: float) -> np.ndarray:
        return np.array([age for now, age, _ in self.ages if now >= begin])

    def rate(self, begin: float, source: str = "0") -> float:
        times = [now for now, _, name in self.ages if name == source and now >= begin]
        return len(times) / (self.ages[-1][0] - begin)


slowness = st.floats(0.3, 4.0)
crowds = st.integers(0, 12)
seeds = st.integers(0, 2**16)


@given(slow=slowness, people=crowds, seed=seeds, age=st.floats(0.05, 1.0))
@settings(max_examples=20, deadline=None)
def test_what_can_be_held_is_held_and_every_step_is_one_of_the_ladder(
    slow: float, people: int, seed: int, age: float
) -> None:
    overload = Overload(max_age=age)
    machine = Machine(people=people, slow=lambda now: slow, seed=seed).run(overload, 120)
    least = machine.cost(Reduction(4, 4, 4, 1), 0, people) * slow + 1 / FPS  # the worst frame there is at the end
    if least < 0.6 * age:
        assert (machine.after(40) > age).mean() < 0.05
    before = Reduction()
    history = [before]
    for _, step in machine.steps:
        if step.exhausted:
            assert step.reduction == before
        elif step.less:
            changed = step.reduction.in_force().items() - before.in_force().items()
            assert len(changed) == 1
            assert changed <= set(LADDER) or step.reduction.max_people is not None
            history.append(step.reduction)
        else:
            history.pop()
            assert step.reduction == history[-1]
        before = step.reduction
    assert overload.reduction == before and overload.depth == len(history) - 1


@given(slow=slowness, people=crowds, seed=seeds, noise=st.floats(0, 0.3))
@settings(max_examples=8, deadline=None)
def test_it_does_not_oscillate_where_nothing_changes(slow: float, people: int, seed: int, noise: float) -> None:
    """However the levels lie: steps back are tried, and those that fail ever more rarely."""
    overload = Overload(max_age=0.15)
    machine = Machine(people=people, slow=lambda now: slow, seed=seed, noise=noise).run(overload, 1800)
    late = [now for now, step in machine.steps if now > 900]
    assert len(late) <= 20  # in a quarter of an hour, where a wrong back-off would make hundreds


@given(people=st.integers(0, 3), seed=seeds)
@settings(max_examples=8, deadline=None)
def test_where_there_is_time_for_everything_nothing_is_reduced(people: int, seed: int) -> None:
    machine = Machine(people=people, slow=lambda now: 0.25, seed=seed).run(Overload(25.0, 0.15), 120)
    assert not machine.steps


@given(seed=seeds, before=st.floats(2, 4))
@settings(max_examples=8, deadline=None)
def test_everything_is_done_again_once_there_is_time(seed: int, before: float) -> None:
    overload = Overload(max_age=0.15)
    machine = Machine(slow=lambda now: before if now < 60 else 0.25, seed=seed).run(overload, 60)
    assert overload.depth
    machine = Machine(slow=lambda now: 0.25, seed=seed).run(overload, 200)
    assert overload.reduction == Reduction()
    ups = [now for now, step in machine.steps if not step.less]
    assert np.diff(ups).min() >= 5.0 and len(ups) == len(machine.steps)


def test_a_crowd_that_comes_and_goes() -> None:
    """Parts are looked at less often before anybody is left out, and everybody is back when there is room."""
    overload = Overload(max_age=0.2)
    machine = Machine(crowd=lambda now: 12 if 30 <= now < 90 else 2).run(overload, 200)
    steps = [step.reduction for now, step in machine.steps if step.less and now > 30]
    assert [s.max_people for s in steps[: len(LADDER)]] == [None] * len(LADDER)
    assert [s.max_people for s in steps[len(LADDER) :]][:2] == [9, 6]
    assert overload.reduction.max_people is None
    crowded = [age for now, age, _ in machine.ages if 50 < now < 90]
    assert np.percentile(crowded, 95) < 0.2
    uncontrolled = Machine(crowd=lambda now: 12 if 30 <= now < 90 else 2).run(Overload(), 200)
    assert np.percentile([age for now, age, _ in uncontrolled.ages if 50 < now < 90], 5) > 0.2
    assert not uncontrolled.steps


@given(target=st.floats(8, 25), seed=seeds)
@settings(max_examples=8, deadline=None)
def test_a_rate_is_held_where_the_machine_can(target: float, seed: int) -> None:
    machine = Machine(people=4, slow=lambda now: 1.0, seed=seed).run(Overload(target), 120)
    assert machine.rate(60) >= 0.95 * target


def test_a_camera_that_is_slower_than_asked_for_is_no_overload() -> None:
    machine = Machine(cameras=(10.0,), slow=lambda now: 0.5).run(Overload(25.0), 60)
    assert not machine.steps and machine.rate(10) == pytest.approx(10, abs=0.2)


def test_a_slow_camera_beside_a_fast_one_is_held_too() -> None:
    machine = Machine(cameras=(60.0, 5.0), people=6).run(Overload(12.0), 120)
    assert machine.rate(60, "0") >= 11.5
    assert machine.rate(60, "1") == pytest.approx(5, abs=0.2)


def test_what_cannot_be_held_is_said_once_and_nobody_is_left_with_nothing() -> None:
    overload = Overload(max_age=0.1)
    machine = Machine(people=5, way=0.5).run(overload, 300)  # half a second on its way here
    assert [step.exhausted for _, step in machine.steps].count(True) == 1
    assert overload.reduction == Reduction(4, 4, 4, 1)


def test_one_frame_that_took_long_is_nothing() -> None:
    overload, now = Overload(max_age=0.1), 0.0
    for k in range(1000):
        now += 0.05
        assert overload.note(Measure("a", now, 2.0 if k % 25 == 7 else 0.05, 0.04, 3)) is None
    assert quantile([0.1] * 9 + [9.0]) == quantile([0.1] * 4 + [9.0]) == 0.1


def test_what_is_asked_for_anyway_is_no_step_and_parts_are_not_reduced_of_nobody() -> None:
    machine = Machine(people=0, detect=0.2).run(Overload(max_age=0.1, base=Reduction(2, 4, 1)), 60)
    assert [step.reduction for _, step in machine.steps if not step.exhausted] == [Reduction(detect_every=4)]
    machine = Machine(people=9, slow=lambda now: 5.0).run(Overload(max_age=0.1, base=Reduction(2, 4, 1)), 120)
    assert [step.reduction for _, step in machine.steps][:3] == [
        Reduction(hands_every=2), Reduction(4, hands_every=2), Reduction(4, hands_every=4),
    ]  # fmt: skip


def test_a_camera_that_was_away_is_no_load() -> None:
    overload = Overload(10.0, 0.2)
    machine = Machine(slow=lambda now: 0.3).run(overload, 20)
    for k in range(30):  # an hour later
        assert overload.note(Measure("0", 3600 + k / 20, 0.06, 0.03, 4)) is None
    assert not machine.steps


def test_what_is_reduced_is_said_in_words() -> None:
    assert str(Reduction()) == "" and Reduction().in_force() == {}
    some = Reduction(2, 4, 1, 3)
    assert str(some) == "detector in every 2nd frame, faces in every 4th frame, 3 people at most"
    assert some.in_force() == {"detect_every": 2, "face_every": 4, "max_people": 3}
