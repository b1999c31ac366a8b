"""The scripted motions are smooth, possible for a human body, and stand on the floor."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import stage
from pymafx_live.bench.mannequin.acting import Performance
from pymafx_live.bench.mannequin.build import Cast, average_build, random_build
from pymafx_live.bench.mannequin.motions import MOTIONS, perform
from pymafx_live.bench.mannequin.signals import cyclic, swing, through, wander
from pymafx_live.core.skeleton import JOINT, LEFT_HAND, RIGHT_HAND
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()
FPS = 25.0
FULL = ("front", "side", "walk", "wave", "squat", "bow", "ceiling", "low", "turn", "hands", "reach", "crossing", "demo")
"""The motions whose camera frames the whole of the people or of their upper bodies."""


def performances(name: str, seed: int, frames: int = 100) -> list[Performance]:
    return perform(name, np.random.default_rng(seed), frames, FPS, Cast(BODY)).people


def joints_of(performance: Performance, path: NDArray[np.float32]) -> NDArray[np.float32]:
    return BODY.joints(performance.pose, path - BODY.rest_joints[0])[0]


def angle_at(joints: NDArray[np.float32], a: str, b: str, c: str) -> NDArray[np.float64]:
    """The flexion (T,) at joint b between bones a-b and b-c, degrees; 0 is straight."""
    u, v = joints[:, JOINT[b]] - joints[:, JOINT[a]], joints[:, JOINT[c]] - joints[:, JOINT[b]]
    cosine = (u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    return np.degrees(np.arccos(cosine.clip(-1, 1)))


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in MOTIONS for seed in range(3 if name in FULL else 1)]
)
def test_motions_are_smooth_and_humanly_possible(name: str, seed: int) -> None:
    for performance in performances(name, seed):
        steps = [Rotation.from_rotvec(pose) for pose in performance.pose]
        speed = np.degrees([(a.inv() * b).magnitude() for a, b in itertools.pairwise(steps)]) * FPS
        assert speed[:, :22].max() < 700 and speed[:, 22:].max() < 1500
        assert np.abs(np.diff(speed, axis=0)).max() < 350, "no jumps"
        joints = joints_of(performance, np.zeros((100, 3), np.float32))
        for side in ("left", "right"):
            assert angle_at(joints, f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist").max() < 155
            assert angle_at(joints, f"{side}_hip", f"{side}_knee", f"{side}_ankle").max() < 140
            wrist = np.linalg.norm(performance.pose[:, JOINT[f"{side}_wrist"]], axis=1)
            assert np.degrees(wrist).max() < 75
        fingers = np.linalg.norm(performance.pose[:, LEFT_HAND.start : RIGHT_HAND.stop], axis=2)
        assert np.degrees(fingers).max() < 115
        assert not performance.pose[:, 22:25].any(), "the embedded body has no jaw and no eyes to move"


@pytest.mark.parametrize("name", ["walk", "crossing", "squat", "bow", "turn", "front"])
def test_feet_stand_on_the_floor_and_do_not_slide(name: str) -> None:
    build = average_build(BODY)
    for performance in performances(name, 4):
        path = stage.plant(BODY, build, performance, FPS)
        feet = BODY.v_template[:, 1] < BODY.v_template[:, 1].min() + 0.02
        vertices = np.stack([
            BODY.vertices(pose[None], place - BODY.rest_joints[0])[0, feet]
            for pose, place in zip(performance.pose, path, strict=True)
        ])  # fmt: skip
        lowest = vertices[..., 1].min(1)
        assert np.abs(lowest - stage.SOLE).max() < 0.02
        left = BODY.v_template[feet, 0] > 0
        slides = []
        for foot, weight in ((left, performance.support[:, 0]), (~left, performance.support[:, 1])):
            sole = vertices[:, foot]
            step = np.linalg.norm(np.diff(sole[..., ::2], axis=0), axis=-1).min(1)
            slides.append(np.where(weight[1:] > 0.9, step, 0))
        assert np.max(slides) < (0.015 if name not in ("squat", "bow") else 0.02)


def test_walkers_get_somewhere_at_a_walking_pace() -> None:
    for seed in range(3):
        path = stage.plant(BODY, average_build(BODY), performances("walk", seed, 75)[0], FPS)
        assert 0.6 < np.linalg.norm(path[-1, ::2] - path[0, ::2]) / 3 < 1.8


def test_crossing_people_meet_in_the_middle_and_do_not_collide() -> None:
    people = performances("crossing", 2, 75)
    paths = [stage.plant(BODY, average_build(BODY), p, FPS) for p in people]
    assert (paths[0][0, 0] - paths[1][0, 0]) * (paths[0][-1, 0] - paths[1][-1, 0]) < 0
    assert np.linalg.norm(paths[0] - paths[1], axis=1).min() > 0.4


def test_seeds_are_performances() -> None:
    first, again, other = (performances("wave", s)[0].pose for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_other_builds_are_symmetric_and_human() -> None:
    for seed in range(20):
        build = random_build(np.random.default_rng(seed), BODY)
        joints = BODY.joints(np.zeros((1, 55, 3)), np.zeros((1, 3)), build.betas, build.bones[None])[0][0]
        height = np.ptp(joints[[JOINT["head"], JOINT["left_ankle"]], 1])
        assert 1.3 < height < 1.85
        legs = [np.linalg.norm(joints[JOINT[f"{s}_knee"]] - joints[JOINT[f"{s}_hip"]]) for s in ("left", "right")]
        assert abs(legs[0] - legs[1]) < 0.005


@pytest.mark.parametrize("focus", ["body", "upper"])
def test_the_camera_sees_all_it_is_aimed_at_from_in_front(focus: str) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)
        performance = performances("front", seed)[0]
        path = stage.plant(BODY, average_build(BODY), performance, FPS)
        points = stage.aim(joints_of(performance, path), focus)
        setup = stage.place_camera(rng, points, focus == "body")
        local = (points - setup.position) @ setup.rotation.T
        u = local[:, 0] / local[:, 2] * setup.camera.fx + setup.camera.cx
        v = local[:, 1] / local[:, 2] * setup.camera.fy + setup.camera.cy
        assert local[:, 2].min() > 0.4
        assert u.min() > 0 and u.max() < setup.camera.width and v.min() > 0 and v.max() < setup.camera.height
        np.testing.assert_allclose(setup.rotation @ setup.rotation.T, np.eye(3), atol=1e-5)
        assert np.linalg.det(setup.rotation) > 0
        assert setup.rotation[1, 1] < -0.9, "the room's up is the image's up"


def test_room_poses_seen_from_the_camera_are_the_same_bodies() -> None:
    performance = performances("wave", 0)[0]
    path = stage.plant(BODY, average_build(BODY), performance, FPS)
    joints = joints_of(performance, path)
    setup = stage.place_camera(np.random.default_rng(0), stage.aim(joints, "body"), True)
    pose, transl = stage.to_camera(setup, performance.pose.astype(np.float32), path, BODY.rest_joints[0])
    expected = (joints - setup.position) @ setup.rotation.T
    np.testing.assert_allclose(BODY.joints(pose, transl)[0], expected, atol=2e-5)


def test_signals_keep_their_promises() -> None:
    t = np.linspace(0, 10, 400)
    aimless = wander(np.random.default_rng(0), t, 1.0, 0.5, 3.0)
    assert aimless.min() >= 0.5 and aimless.max() <= 1.5 and aimless.std() > 0.05
    np.testing.assert_allclose(through(t, (2, 4), (1, 3))[[0, -1]], [1, 3])
    wave = swing(t, 2.5)
    assert wave.min() >= 0 and wave.max() <= 1
    np.testing.assert_allclose(swing(np.array([0, 1.25, 2.5]), 2.5), [0, 1, 0], atol=1e-12)
    table = ((0.0, 0.0), (0.25, 5.0), (0.6, -2.0))
    np.testing.assert_allclose(cyclic(np.array([0.25, 1.25, -0.4]), table), [5, 5, -2], atol=1e-12)
    around = cyclic(np.array([0.9999, 1.0001]), table)
    assert abs(around[0] - around[1]) < 0.05
