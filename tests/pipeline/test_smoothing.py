"""Smoothing: noise goes, motion stays, and nothing leaks from one person or scene to another."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import PARTS, Camera, Frame, Origin, Part, Person, TrackState
from pymafx_live.pipeline.smoothing import Smoother
from scipy.spatial.transform import Rotation

FPS = 25.0
CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)


def frame(i: int, cut: bool = False) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), "t", i, i / FPS, 0.0, CAMERA, cut=cut)


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
    ("speed", "late"), [((1e-3, 0), (80, None)), ((1, 0), (16, None)), ((4, 0), (5, None)), ((0, 1e-3), (None, 200)),
                        ((0, 1), (None, 23))],
)  # fmt: skip
def test_the_smoothing_is_late_by_as_much_as_the_page_says(speed, late) -> None:
    """Milliseconds, of somebody who turns (rad/s) or moves (m/s) steadily."""
    smoother, (spin, walk), count = Smoother(), speed, 200
    for i in range(count):
        out = smoother([person([0, spin * i / FPS, 0], [walk * i / FPS, 0, 3])], frame(i))[0]
    time = (count - 1) / FPS
    if late[0]:
        true = Rotation.from_rotvec([0, spin * time, 0])
        lag = (Rotation.from_rotvec(out.global_orient).inv() * true).magnitude() / spin
        assert 1000 * lag == pytest.approx(late[0], rel=0.02, abs=0.5)
    else:
        assert 1000 * (time - out.pelvis[0] / walk) == pytest.approx(late[1], rel=0.02, abs=0.5)


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


def test_zero_strength_does_nothing() -> None:
    smoother = Smoother(0.0)
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
