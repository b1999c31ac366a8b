"""The safety layer, whatever comes from people: speeds, ages, jumps, and who is followed."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Origin, TrackState
from pymafx_live.core.world import FloorOrigin
from pymafx_live.engines.body.rest import rest_bones
from pymafx_live.pipeline.robots.pose import Pose, between, pose_of, standing, towards, turns
from pymafx_live.pipeline.robots.safety import TICK, Command, Limits, Locked, Safety, State, implausible
from pymafx_live.pipeline.robots.timeline import Timeline
from support.people import BODY
from support.performers import performer, result_of, tilted

WHO = ("cam", 1)
LIMITS = Limits()


def posed(seed: int, spread: float = 0.4) -> Pose:
    """Somebody upright in any pose, near (0, 1, -3)."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, spread, (55, 3))
    vectors[0] = 0, rng.normal(0, spread), 0
    return Pose(to_matrices(vectors), np.array([0, 1, -3]) + rng.normal(0, 0.3, 3), rest_bones())


@dataclass
class Sample:
    at: float
    age: float
    pose: Pose
    who: tuple[str, int] = WHO


def played(samples: list[Sample], until: float, limits: Limits = LIMITS) -> list[tuple[float, Command]]:
    """The commands of every tick until then, with the samples coming as they do."""
    safety, left, out = Safety(limits), sorted(samples, key=lambda each: each.at), []
    for number in range(round(until / TICK)):
        now = number * TICK
        while left and left[0].at <= now:
            sample = left.pop(0)
            safety.feed(sample.pose, sample.at - sample.age, sample.at, sample.who)
        out.append((now, safety.step(now)))
    return out


@st.composite
def streams(draw):
    """Samples at any rate, with gaps, ages, new people, and poses that have nothing to do with each other."""
    at, out, who = 0.05, [], 1
    for _ in range(draw(st.integers(1, 12))):
        at += draw(st.sampled_from([0.01, 0.033, 0.04, 0.1, 0.3, 0.8, 2.0]))
        who += draw(st.sampled_from([0, 0, 0, 0, 1]))
        out.append(Sample(at, draw(st.floats(0, 0.7)), posed(draw(st.integers(0, 5))), ("cam", who)))
    return out


@settings(deadline=None, max_examples=20)
@given(streams(), st.sampled_from([0.0, 0.5, 2.0]))
def test_speeds_are_never_exceeded_and_silence_follows_age(samples, ramp):
    limits = Limits(ramp=ramp)
    last = None
    began = None
    for now, command in played(samples, samples[-1].at + 2.5, limits):
        silent = command.state in (State.WAITING, State.STOPPED)
        assert (command.pose is None) == silent
        if command.age > limits.hold + limits.stop:
            assert silent
        elif command.age > limits.hold:
            assert silent or command.state is State.HOLDING
        else:
            assert command.state in (State.RAMPING, State.FOLLOWING)
        began = (
            now if command.state is State.RAMPING and (last is None or last[1].state is not State.RAMPING) else began
        )
        if command.pose is not None and last is not None and last[1].pose is not None:
            share = 1.0
            if command.state is State.RAMPING and ramp:
                share = limits.slow + (1 - limits.slow) * min((now - began) / ramp, 1)
            moved = turns(last[1].pose, command.pose)
            assert (moved <= limits.turn * TICK * share + 1e-6).all()
            assert np.linalg.norm(command.pose.pelvis - last[1].pose.pelvis) <= limits.speed * TICK * share + 1e-9
            if command.state is State.HOLDING:
                assert command.pose is last[1].pose
        if command.pose is not None or last is None:
            last = now, command  # also over a silence: it goes on where it has stopped
    assert last[1].pose is None or np.isfinite(last[1].pose.rotations).all()


def test_a_ramp_begins_with_the_tick_after_another_person_not_between_two():
    safety = Safety(LIMITS)
    for k in range(101):
        safety.feed(posed(0), 0.02 * k, 0.02 * k, ("cam", 1))
        before = safety.step(0.02 * k)
    assert before.state is State.FOLLOWING
    safety.feed(posed(1), 2.001, 2.001, ("cam", 2))
    after = safety.step(2.02)
    assert after.state is State.RAMPING
    assert (turns(before.pose, after.pose) <= LIMITS.turn * TICK * LIMITS.slow + 1e-9).all()


def test_it_waits_ramps_follows_holds_stops_and_resumes_from_where_it_stopped():
    start, goal = posed(1), posed(2)
    steady = [Sample(0.1 + k / 25, 0.05, start) for k in range(100)]
    back = [Sample(8 + k / 25, 0.05, goal) for k in range(100)]
    commands = played(steady + back, 12)
    states = [command.state for _, command in commands]
    order = [states[0]] + [b for a, b in itertools.pairwise(states) if a is not b]
    assert order == [
        State.WAITING, State.RAMPING, State.FOLLOWING, State.HOLDING, State.STOPPED, State.RAMPING, State.FOLLOWING,
    ]  # fmt: skip
    at = {state: now for (now, command), state in zip(reversed(commands), reversed(states), strict=True)}
    captured = steady[-1].at - steady[-1].age
    assert at[State.HOLDING] == pytest.approx(captured + LIMITS.hold, abs=1.5 * TICK)
    assert at[State.STOPPED] == pytest.approx(captured + LIMITS.hold + LIMITS.stop, abs=1.5 * TICK)
    stopped = next(command.pose for _, command in reversed(commands[: round(7 / TICK)]) if command.pose is not None)
    resumed = next(command.pose for now, command in commands if now > 7.9 and command.pose is not None)
    assert (turns(stopped, resumed) <= LIMITS.turn * TICK * LIMITS.slow + 1e-9).all()
    assert turns(commands[-1][1].pose, goal).max() < 1e-6, "and gets there"


def test_it_begins_as_somebody_who_stands_with_arms_hanging_and_faces_the_same_way():
    pose = posed(3)
    first = next(command.pose for _, command in played([Sample(0.1, 0.05, pose)], 0.3) if command.pose is not None)
    assert turns(standing(pose), first).max() < 6 * np.pi * TICK * LIMITS.slow + 1e-6
    joints, turned = standing(pose).joints()
    assert joints[:, 1].min() == pytest.approx(0.01) and joints[JOINT["head"], 1] > 1.5
    np.testing.assert_allclose(turned[0][1], [0, 1, 0], atol=1e-12)
    ahead = pose.rotations[0][[0, 2], 2]
    np.testing.assert_allclose(turned[0][[0, 2], 2], ahead / np.linalg.norm(ahead), atol=1e-9)
    assert joints[JOINT["left_wrist"], 1] < joints[JOINT["left_elbow"], 1] < joints[JOINT["left_shoulder"], 1]


@settings(deadline=None, max_examples=12)
@given(st.integers(3, 45), st.sampled_from(["back to front", "elsewhere", "arms"]))
def test_a_jump_of_a_few_frames_is_as_if_it_had_not_been(where, kind):
    pose = posed(4, 0.2)
    other = {
        "back to front": Pose(np.concatenate([(to_matrices(np.array([0, np.pi, 0])) @ pose.rotations[0])[None],
                                              pose.rotations[1:]]), pose.pelvis, pose.bones),
        "elsewhere": Pose(pose.rotations, pose.pelvis + [1.5, 0, 0], pose.bones),
        "arms": Pose(np.array([to_matrices(np.array([0, 0, 1.8])) if j == JOINT["left_shoulder"] else r
                               for j, r in enumerate(pose.rotations)]), pose.pelvis, pose.bones),
    }[kind]  # fmt: skip
    assert implausible(pose, other, 0.04) and not implausible(pose, pose, 0.04)
    steady = [Sample(0.1 + k / 25, 0.05, pose) for k in range(50)]
    jumped = [Sample(s.at, s.age, other if where <= k < where + 4 else pose) for k, s in enumerate(steady)]
    for (_, a), (_, b) in zip(played(steady, 2.2), played(jumped, 2.2), strict=True):
        assert (a.state, a.pose is None) == (b.state, b.pose is None)
        if a.pose is not None and b.pose is not None:
            np.testing.assert_allclose(a.pose.rotations, b.pose.rotations, atol=1e-12)
            np.testing.assert_allclose(a.pose.pelvis, b.pose.pelvis, atol=1e-12)


def test_a_jump_that_stays_is_believed_and_approached_slowly():
    pose = posed(4, 0.2)
    there = Pose(pose.rotations, pose.pelvis + [1.0, 0, 0], pose.bones)
    samples = [Sample(0.1 + k / 25, 0.05, pose if k < 50 else there) for k in range(125)]
    commands = played(samples, 5)
    states = [command.state for now, command in commands if 2 < now < 2.6]
    assert State.RAMPING in states and State.HOLDING not in states
    np.testing.assert_allclose(commands[-1][1].pose.pelvis, there.pelvis, atol=1e-6)


def test_an_uneven_pace_is_played_evenly():
    """Somebody turns evenly, before a camera of 25 frames a second whose frames come 40 to 120 ms after."""
    rng = np.random.default_rng(1)
    base = posed(5, 0.0)

    def turned(time):
        root = to_matrices(np.array([0, 0.5 * time, 0])) @ base.rotations[0]
        return Pose(np.concatenate([root[None], base.rotations[1:]]), base.pelvis, base.bones)

    times = np.arange(100) / 25
    samples = [Sample(t + age, age, turned(t)) for t, age in zip(times, rng.uniform(0.04, 0.12, 100), strict=True)]
    commands = [command for now, command in played(samples, 4) if now > 2.5]
    speeds = [2 * turns(a.pose, b.pose)[0] / TICK for a, b in itertools.pairwise(commands)]
    assert min(speeds) > 0.85 and max(speeds) < 1.15
    behind = 3.98 - 2 * np.arctan2(*commands[-1].pose.rotations[0][[0, 2], 2])
    assert behind < 0.18, "an even pace costs no more than the worst age and a frame"


def test_poses_are_played_between_and_never_back():
    timeline, poses = Timeline(0.5), [posed(k, 0.2) for k in range(3)]
    for k, pose in enumerate(poses):
        timeline.add(k * 0.1, pose, k * 0.1 + 0.05)
    timeline.add(0.15, posed(9), 0.3)  # out of order
    assert timeline.newest[0] == pytest.approx(0.2)
    assert timeline.at(10.0) is poses[2]
    middle = between(poses[0], poses[1], 0.5)
    np.testing.assert_allclose(turns(poses[0], middle), turns(middle, poses[1]), atol=1e-6)
    np.testing.assert_allclose(turns(poses[0], middle) * 2, turns(poses[0], poses[1]), atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.integers(0, 99), st.floats(0.001, 1))
def test_a_step_goes_towards_and_not_past(a, b, most):
    start, goal = posed(a), posed(b)
    near = towards(start, goal, np.full(55, most), most)
    np.testing.assert_allclose(turns(start, near), np.minimum(turns(start, goal), most), atol=1e-6)
    np.testing.assert_allclose(turns(near, goal), np.maximum(turns(start, goal) - most, 0), atol=1e-6)


class TestWhoIsFollowed:
    def test_the_largest_at_first_and_then_the_same_also_out_of_sight(self):
        locked, pose = Locked(), np.zeros((55, 3))
        small, large = performer(pose, number=1), performer(pose, (1, 1, -3), number=2)
        large.box[:] = 0, 0, 300, 400
        assert locked.pick(result_of(small, large)).pelvis[0] == pytest.approx(1)
        assert locked.who == ("cam", 2)
        assert locked.pick(result_of(small)) is None, "nobody else takes over"
        assert locked.pick(result_of(performer(pose, number=2), source="door")) is None, "not even of the same number"
        assert locked.pick(result_of(small, large)) is not None
        locked.release()
        assert locked.pick(result_of(small)) is not None and locked.who == ("cam", 1)

    @pytest.mark.parametrize(("rule", "who"), [("largest", 2), ("centre", 1), ("first", 1), (2, 2), (3, None)])
    def test_whom_the_lock_says_where_several_are_there_as_in_a_replay(self, rule, who):
        near, large = performer(np.zeros((55, 3)), number=1), performer(np.zeros((55, 3)), (1, 1, -3), number=2)
        result = result_of(near, large)
        middle = np.array([result.camera.width, result.camera.height]) / 2
        near.box[:] = *(middle - 20), *(middle + 20)
        large.box[:] = 0, 0, 300, 400
        locked = Locked(rule)
        assert (locked.pick(result) is None) == (who is None)
        assert locked.who == (None if who is None else ("cam", who))

    @pytest.mark.parametrize("fields", [
        {"state": TrackState.LOST}, {"state": TrackState.ENDED}, {"origin": Origin.HELD}, {"origin": Origin.DEFAULT},
    ])  # fmt: skip
    def test_who_is_not_seen_now_has_no_pose(self, fields):
        person = performer(np.zeros((55, 3)), **fields)
        assert pose_of(person, result_of(person)) is None
        assert Locked().pick(result_of(person)) is None

    def test_numbers_that_are_none_are_no_pose(self):
        person = performer(np.zeros((55, 3)))
        person.body_pose[5] = np.nan
        assert pose_of(person, result_of(person)) is None


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.floats(-1, 1), st.floats(-0.5, 0.5), st.sampled_from([0, 22, 55]))
def test_a_pose_has_the_joints_of_the_body_in_the_world(seed, pitch, roll, joints):
    """Also where a sender told few of the joints, or none: bones are of the body that the rotations are of."""
    rng = np.random.default_rng(seed)
    vectors, bones = rng.normal(0, 0.5, (55, 3)), rng.uniform(0.9, 1.1, 55).astype(np.float32)
    world = tilted(pitch, roll, 1.3)
    person = performer(vectors, (0.3, 1.1, -2), world, joints=joints, bones=bones)
    pose = pose_of(person, result_of(person, world=world))
    transl = np.array([[0.3, 1.1, -2]]) - BODY.rest_joints[0]
    expected, turned = BODY.joints(vectors[None], transl, bones=bones[None])
    got, rotations = pose.joints()
    np.testing.assert_allclose(got, expected[0], atol=2e-5)
    np.testing.assert_allclose(rotations, turned[0], atol=1e-5)


@pytest.mark.parametrize("floor", list(FloorOrigin))
def test_people_stand_on_a_floor_that_nobody_knows(floor):
    """A robot would be led through the air until the floor is seen."""
    world = tilted(0.2, 0, 1.5, floor)
    person = performer(np.zeros((55, 3)), (0, 1.7, -3), world)
    pose = pose_of(person, result_of(person, world=world))
    assert pose.joints()[0][:, 1].min() == pytest.approx(0.01 if floor is FloorOrigin.ASSUMED else 0.72, abs=0.01)
