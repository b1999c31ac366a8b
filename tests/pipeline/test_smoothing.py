"""Smoothing: noise goes, motion stays, and nothing leaks from one person or scene to another."""

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import (
    PARTS,
    RAW_SHAPES,
    Camera,
    Frame,
    Origin,
    Part,
    Person,
    Smoothing,
    TrackState,
    pose_parameters,
)
from pymafx_live.pipeline.smoothing import PRESETS, Cutoff, Smoother
from scipy.spatial.transform import Rotation

FPS = 25.0
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)


def frame(i: int, cut: bool = False, fps: float = FPS) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), "t", i, i / fps, 0.0, CAMERA, cut=cut)


def person(root: np.ndarray, place: np.ndarray, identity: int = 1) -> Person:
    parts = {name: Part(1.0, Origin.MEASURED) for name in PARTS}
    place = np.asarray(place, np.float32)
    return Person(
        identity, TrackState.TRACKED, np.zeros(4, np.float32), 0.9, "t", parts,
        global_orient=np.asarray(root, np.float32), transl=place - 0.3, pelvis=place,
    )  # fmt: skip


def turned(people: list[Person]) -> np.ndarray:
    return np.array([p.global_orient for p in people])


def test_noise_about_a_still_pose_is_removed() -> None:
    rng, smoother = np.random.default_rng(0), Smoother()
    still = np.array([2.9, 0.3, -0.2])
    noisy = [still + rng.normal(0, 0.02, 3) for _ in range(100)]
    out = turned([smoother([person(n, rng.normal(0, 0.01, 3))], frame(i))[0] for i, n in enumerate(noisy)])
    assert np.std(np.diff(out[20:], axis=0)) < 0.5 * np.std(np.diff(noisy[20:], axis=0))
    np.testing.assert_allclose(out[50:].mean(0), still, atol=0.03)


def test_a_fast_turn_is_followed_closely() -> None:
    """At 4 rad/s the result trails by less than two frames of motion."""
    smoother, speed = Smoother(), 4.0
    for i in range(40):
        true = Rotation.from_rotvec([0, speed * i / FPS, 0])
        out = smoother([person(true.as_rotvec(), [speed * i / FPS, 0, 3])], frame(i))[0]
    lag = (Rotation.from_rotvec(out.global_orient).inv() * true).magnitude()
    assert lag < 2 * speed / FPS
    assert abs(out.pelvis[0] - speed * 39 / FPS) < 2 * speed / FPS


@pytest.mark.parametrize(
    ("how", "turns", "moves"),
    [("responsive", (0, 1, 4), ((0, 0, 1), (1, 0, 0))), ("smooth", (0, 2), ((0, 1, 0),)), (2.0, (0, 2), ((0, 0, 2),))],
)
def test_a_steady_motion_is_late_by_the_delay_of_its_cutoff(how, turns, moves) -> None:
    """1 / (2 pi f) for f = still + slope * speed, divided by the strength, whatever the frame rate."""
    preset, strength = (how, 1.0) if isinstance(how, str) else ("responsive", how)
    cutoffs, count, fps = PRESETS[preset], 500, 50.0

    def late(cutoff: Cutoff, speed: float) -> float:
        return strength / (2 * np.pi * (cutoff.still + cutoff.slope * speed))

    for turn in turns:
        smoother, spin = Smoother(how), max(turn, 1e-3)
        for i in range(count):
            out = smoother([person([0, spin * i / fps, 0], [0, 0, 3])], frame(i, fps=fps))[0]
        true = Rotation.from_rotvec([0, spin * (count - 1) / fps, 0])
        lag = (Rotation.from_rotvec(out.global_orient).inv() * true).magnitude() / spin
        assert lag == pytest.approx(late(cutoffs.torso, spin), rel=0.01)
    for move in moves:
        smoother, velocity = Smoother(how), np.array(move, float)
        for i in range(count):
            out = smoother([person(np.zeros(3), velocity * i / fps + [0, 0, 1e4])], frame(i, fps=fps))[0]
        gone = np.linalg.norm(velocity * (count - 1) / fps + [0, 0, 1e4] - out.pelvis) / np.linalg.norm(velocity)
        cutoff = cutoffs.depth if velocity[2] else cutoffs.across
        assert gone == pytest.approx(late(cutoff, float(np.linalg.norm(velocity))), rel=0.15)  # float32 far away


def test_the_page_has_every_cutoff() -> None:
    page = (Path(__file__).parents[2] / "docs" / "performance.md").read_text(encoding="utf-8")
    for name, cutoffs in PRESETS.items():
        shown = [getattr(cutoffs, field.name) for field in fields(cutoffs) if field.name != "lag"]
        assert f"| `{name}` | {' | '.join(f'{cutoff.still:g} + {cutoff.slope:g}' for cutoff in shown)} |" in page


def bent(joint: str, angle: float, place: Sequence[float] = (0, 0, 3), identity: int = 1) -> Person:
    """Somebody in whom one joint is turned about y, as seen at one of 25 frames a second."""
    pose = np.full((55, 3), 0.1, np.float32)
    pose[JOINT[joint]] = [0, angle, 0]
    return replace(person(np.zeros(3), np.array(place), identity), **pose_parameters(pose))


def angle(one: Person, joint: str) -> float:
    return float(one.full_pose[JOINT[joint], 1])


FLIPS = [
    ("pelvis", 3.0),
    ("left_elbow", 2.0),
    ("right_hip", -2.0),
    ("right_index1", 1.5),
    ("jaw", 1.0),
    ("left_eye", 1.0),
]


@pytest.mark.parametrize("how", ["responsive", "smooth", 0.2])
@pytest.mark.parametrize(("joint", "flip"), FLIPS)
def test_a_single_wrong_frame_is_not_followed(joint, flip, how) -> None:
    smoother, wrong = Smoother(how), {10, 12, 14, 30}
    made = [smoother([bent(joint, flip if i in wrong else 0.05)], frame(i))[0] for i in range(40)]
    assert max(abs(angle(one, joint) - 0.05) for one in made) < 1e-5
    assert angle(made[30], joint) != angle(bent(joint, flip), joint) == pytest.approx(made[30].raw and flip)


def test_a_single_wrong_place_is_not_followed_and_the_pose_is_all_the_same() -> None:
    smoother = Smoother()
    made = [smoother([bent("left_elbow", 0.1 * i, (1.0 if i == 10 else 0, 0, 3))], frame(i))[0] for i in range(20)]
    assert max(abs(one.pelvis[0]) for one in made) < 1e-6
    assert all(angle(later, "left_elbow") > angle(one, "left_elbow") for one, later in pairwise(made))


def test_what_hangs_on_a_flipped_trunk_is_held_with_it() -> None:
    """A body that is seen from behind for one frame has its arms and hands changed over too."""
    smoother = Smoother()
    for i in range(10):
        smoother([bent("left_elbow", 0.2)], frame(i))
    flipped = replace(bent("left_elbow", -0.1), global_orient=np.array([0, 3.1, 0], np.float32))
    out = smoother([flipped], frame(10))[0]
    assert angle(out, "left_elbow") == pytest.approx(0.2, abs=1e-5)
    assert angle(smoother([bent("left_elbow", 0.2)], frame(11))[0], "left_elbow") == pytest.approx(0.2, abs=1e-5)


@pytest.mark.parametrize(("joint", "jump"), [(joint, flip) for joint, flip in FLIPS if joint != "left_eye"])
def test_a_jump_that_stays_is_one_frame_late(joint, jump) -> None:
    smoother = Smoother()
    made = [smoother([bent(joint, 0.0 if i < 10 else jump)], frame(i))[0] for i in range(13)]
    ways = [angle(one, joint) / jump for one in made[9:]]
    assert ways[:2] == [0, 0] and ways[2] > 0.75 and ways[3] > 0.9


def test_noise_is_no_jump_however_close_frames_are() -> None:
    smoother, noise = Smoother(), [0.05 * (-1) ** i for i in range(20)]
    made = [smoother([bent("left_elbow", at, (at, 0, 3))], frame(i, fps=500))[0] for i, at in enumerate(noise)]
    for one, later in pairwise(made):
        assert angle(one, "left_elbow") != angle(later, "left_elbow") and one.pelvis[0] != later.pelvis[0]


@pytest.mark.parametrize("speed", [1.0, 7.0, 14.0, 25.0])
def test_a_sudden_real_motion_is_late_by_a_frame_at_most(speed) -> None:
    """From rest to a steady turn of an arm: never further behind than the motion of one frame."""
    smoother = Smoother()
    for i in range(25):
        true = max(i - 9, 0) * speed / FPS
        out = smoother([bent("left_shoulder", true)], frame(i))[0]
        turn = Rotation.from_rotvec(out.full_pose[JOINT["left_shoulder"]]).inv() * Rotation.from_rotvec([0, true, 0])
        assert turn.magnitude() <= 1.01 * speed / FPS


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(*[st.floats(-1.7, 1.7)] * 3), min_size=3, max_size=12), st.sampled_from([10.0, 25.0, 60.0]))
def test_nothing_is_held_for_two_frames(turns, fps) -> None:
    """However wildly a body turns and leaps, of any two frames one at least is followed."""
    smoother = Smoother()
    made = [smoother([person(turn, [*turn[:2], 5])], frame(i, fps=fps))[0] for i, turn in enumerate(turns)]
    for k in range(2, len(made)):
        two, one, now = (made[k - i] for i in (2, 1, 0))
        for name in ("global_orient", "pelvis"):
            before, after, later = (getattr(one_, name) for one_ in (two, one, now))
            held = np.array_equal(before, after) and not np.allclose(after, getattr(one.raw, name), atol=1e-3)
            at_goal = np.allclose(after, getattr(now.raw, name), atol=1e-3)
            assert not held or at_goal or not np.array_equal(after, later)


def test_what_was_estimated_goes_along_where_it_was_changed() -> None:
    smoother, silent = Smoother(), Smoother(keep_raw=False)
    given = [person([0, 0.01 * i, 0], [0.01 * i, 0, 3]) for i in range(3)]
    made = [smoother([one], frame(i))[0] for i, one in enumerate(given)]
    assert made[0].raw is None
    for one, out in zip(given[1:], made[1:], strict=True):
        for name in RAW_SHAPES:
            np.testing.assert_array_equal(getattr(out.raw, name), getattr(one, name))
        assert not np.array_equal(out.pelvis, one.pelvis)
    quiet = [silent([one], frame(i))[0] for i, one in enumerate(given)]
    assert [one.raw for one in quiet] == [None] * 3
    np.testing.assert_array_equal(quiet[2].global_orient, made[2].global_orient)


@pytest.mark.parametrize(
    ("how", "told"),
    [("raw", ("raw", 0)), (0, ("raw", 0)), (1, ("responsive", PRESETS["responsive"].lag)),
     ("smooth", ("smooth", PRESETS["smooth"].lag)), (0.5, ("custom", PRESETS["responsive"].lag / 2))],
)  # fmt: skip
def test_the_smoothing_is_told(how, told) -> None:
    assert Smoother(how).smoothing == Smoothing(*told)


@given(st.floats(-3, 3), st.integers(0, 2))
@settings(deadline=None, max_examples=30)
def test_the_way_round_does_not_matter(angle: float, axis: int) -> None:
    """A vector beyond pi is the same rotation as its short form: no spin through the far side."""
    smoother = Smoother()
    vector = np.eye(3)[axis] * (np.pi - 0.05 + 0.1 * np.sign(angle))
    same = Rotation.from_rotvec(vector).as_rotvec()
    for i, v in enumerate((vector, same, vector, same)):
        out = smoother([person(v, [0, 0, 3])], frame(i))[0]
        turn = Rotation.from_rotvec(out.global_orient).inv() * Rotation.from_rotvec(vector)
        assert turn.magnitude() < 1e-4


def test_the_pelvis_and_transl_move_together() -> None:
    smoother = Smoother()
    for i in range(5):
        out = smoother([person(np.zeros(3), [i, 0, 3])], frame(i))[0]
        np.testing.assert_allclose(out.pelvis - out.transl, 0.3, atol=1e-6)


@pytest.mark.parametrize("how", ["raw", 0.0])
def test_raw_does_nothing(how) -> None:
    smoother = Smoother(how)
    given_people = [person(np.array([0.1 * i, 0, 0]), [0, 0, 3]) for i in range(3)]
    assert [smoother([p], frame(i))[0] for i, p in enumerate(given_people)] == given_people


@pytest.mark.parametrize("breaks", ["cut", "gap", "end", "other", "guess"])
def test_nothing_is_carried_over(breaks: str) -> None:
    smoother = Smoother()
    first = person(np.zeros(3), [0, 0, 3])
    if breaks == "guess":
        first = replace(first, parts={**first.parts, "transl": Part(0.0, Origin.DEFAULT)})
    smoother([first], frame(0))
    second = person(np.array([0, 2.0, 0]), [1, 0, 3], identity=2 if breaks == "other" else 1)
    if breaks == "end":
        smoother([replace(first, state=TrackState.ENDED)], frame(1))
        smoother.forget([1])
    at = frame(2, cut=breaks == "cut") if breaks != "gap" else frame(50)
    np.testing.assert_array_equal(smoother([second], at)[0].global_orient, second.global_orient)


def test_memory_is_bounded_by_the_people_there_are() -> None:
    smoother = Smoother()
    for i in range(1000):
        smoother([person(np.zeros(3), [0, 0, 3], identity=i)], frame(i))
        smoother.forget([i - 1])
    assert len(smoother._memory) == 1
