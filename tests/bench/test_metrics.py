"""Metrics on cases worked out by hand, and against scipy's rotations."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.bench import metrics
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()
SEEDS = st.integers(0, 2**32 - 1)


def people(seed: int, number: int = 4) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Poses (N, 55, 3), joints (N, 55, 3) and global rotations (N, 55, 3, 3)."""
    rng = np.random.default_rng(seed)
    pose = rng.normal(0, 0.4, (number, 55, 3))
    joints, rotations = BODY.joints(pose, rng.normal(0, 1, (number, 3)))
    return pose, joints.astype(np.float64), rotations.astype(np.float64)


def test_a_person_in_another_place_has_no_body_error() -> None:
    _, joints, _ = people(0)
    np.testing.assert_allclose(metrics.body_error(joints + [0.3, -1, 2], joints), 0, atol=1e-9)


def test_one_joint_of_22_that_is_44_mm_off_makes_2_mm() -> None:
    _, joints, _ = people(1)
    wrong = joints.copy()
    wrong[:, 20, 1] += 0.044
    np.testing.assert_allclose(metrics.body_error(wrong, joints), 2.0)
    wrong = joints.copy()
    wrong[:, 0, 2] += 0.010  # the pelvis is the root: all the other 21 are off
    np.testing.assert_allclose(metrics.body_error(wrong, joints), 10.0 * 21 / 22)
    wrong = joints.copy()
    wrong[:, 22:] += 1.0
    np.testing.assert_allclose(metrics.body_error(wrong, joints), 0.0)


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_procrustes_undoes_any_similarity_but_no_mirror(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, joints, _ = people(seed)
    turned = rng.uniform(0.3, 3) * Rotation.random(None, rng).apply(joints.reshape(-1, 3)).reshape(
        joints.shape
    ) + rng.normal(0, 2, 3)
    np.testing.assert_allclose(metrics.procrustes(turned, joints), joints, atol=1e-9)
    np.testing.assert_allclose(metrics.body_shape_error(turned, joints), 0, atol=1e-6)
    assert (metrics.body_shape_error(joints * [-1, 1, 1], joints) > 5).all()


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_procrustes_rotation_is_scipys(seed: int) -> None:
    _, a, _ = people(seed, 1)
    _, b, _ = people(seed + 1, 1)
    a, b = (joints[:, :22] - joints[:, :22].mean(1, keepdims=True) for joints in (a, b))
    rotation, _ = Rotation.align_vectors(b[0], a[0])
    turned = rotation.apply(a[0])
    expected = turned * (turned * b[0]).sum() / (turned * turned).sum()
    np.testing.assert_allclose(metrics.procrustes(a, b)[0], expected, atol=1e-8)


def test_hand_errors_tell_the_wrists_rotation_from_the_fingers() -> None:
    pose, joints, rotations = people(2)
    bent = pose.copy()
    bent[:, 20] = (Rotation.from_rotvec(pose[:, 20]) * Rotation.from_rotvec([0, 0, 0.3])).as_rotvec()
    twisted, turned = (values.astype(np.float64) for values in BODY.joints(bent, np.zeros((4, 3))))
    whole = metrics.hand_error(twisted, joints, "left")
    assert (whole > 15).all()
    np.testing.assert_allclose(metrics.finger_error(twisted, joints, turned, rotations, "left"), 0, atol=1e-3)
    np.testing.assert_allclose(metrics.hand_error(twisted, joints, "right"), 0, atol=1e-3)
    off = joints.copy()
    off[:, 27] += [0.015, 0, 0]
    np.testing.assert_allclose(metrics.hand_error(off, joints, "left"), 1.0)
    np.testing.assert_allclose(metrics.finger_error(off, joints, rotations, rotations, "left"), 1.0, rtol=1e-6)


@settings(deadline=None, max_examples=30)
@given(SEEDS, st.sampled_from([1e-7, 1e-3, 1.0, np.pi - 1e-6, np.pi]))
def test_rotation_error_is_the_geodesic_angle(seed: int, angle: float) -> None:
    rng = np.random.default_rng(seed)
    base = Rotation.from_quat(rng.normal(size=(6, 4)))
    axis = rng.normal(size=(6, 3))
    step = Rotation.from_rotvec(axis / np.linalg.norm(axis, axis=1, keepdims=True) * angle)
    error = metrics.rotation_error((base * step).as_matrix()[None], base.as_matrix()[None])
    np.testing.assert_allclose(error, np.degrees(angle), atol=1e-5)


def test_jitter_is_acceleration() -> None:
    t = np.arange(10) / 25
    falling = np.zeros((10, 22, 3))
    falling[..., 1] = (9.81 / 2 * t**2)[:, None]
    np.testing.assert_allclose(metrics.jitter(falling, 25), 9.81)
    moving = np.broadcast_to(np.linspace(0, 5, 10)[:, None, None], (10, 22, 3))
    np.testing.assert_allclose(metrics.jitter(moving, 25), 0, atol=1e-9)


CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
ALL = np.ones((1, 55), bool)


def upright(distance: float = 3.0, drop: float = 0.0) -> NDArray[np.float64]:
    """The T-pose (1, 55, 3) before the camera, its pelvis `drop` metres below the optical axis."""
    joints = BODY.rest_joints.astype(np.float64)[None] * [-1, -1, 1]
    return joints - joints[:, :1] + [0, drop, distance]


def test_only_seen_joints_of_the_upper_body_count_from_the_shoulders_on() -> None:
    true = upright()
    seen = np.zeros((1, 55), bool)
    seen[:, [JOINT["head"], JOINT["left_wrist"]]] = True
    off = true + [0.5, 0, 0]
    off[:, JOINT["left_wrist"], 1] += 0.030
    off[:, [JOINT["right_wrist"], JOINT["left_hip"]]] += 1.0
    np.testing.assert_allclose(metrics.upper_error(off, true, seen), 15.0)
    np.testing.assert_allclose(metrics.upper_error(off, true, ALL) > 100, True)
    off[:, JOINT["left_shoulder"], 2] += 0.040  # moves the middle of the shoulders by half of that
    np.testing.assert_allclose(metrics.upper_error(off, true, seen), (20 + np.hypot(20, 30)) / 2)
    assert np.isnan(metrics.upper_error(off, true, ~ALL)).all()


def test_a_leg_in_the_picture_is_invented_where_the_true_one_is_not() -> None:
    whole, waist = upright(3.0), upright(1.0, 0.35)
    assert not metrics.invented_legs(whole, whole, ALL, CAMERA).any()
    assert not metrics.invented_legs(waist, waist, ALL, CAMERA).any(), "knees are below the picture"
    raised = waist.copy()
    raised[:, JOINT["left_knee"]] += [0.0, -0.4, 0.0]
    assert metrics.invented_legs(raised, waist, ~ALL, CAMERA).all()
    moved = whole.copy()
    moved[:, JOINT["left_ankle"]] -= [0.4, 0.0, 0.0]
    assert not metrics.invented_legs(moved, whole, ALL, CAMERA).any(), "wrong, but there is a leg to be seen"
    assert metrics.invented_legs(moved, whole, ~ALL, CAMERA).all(), "nothing is seen, and nothing is near"
    moved = whole + [0.03, 0.0, 0.0]
    assert not metrics.invented_legs(moved, whole, ~ALL, CAMERA).any(), "hidden, and where it is"
    behind = whole * [1, 1, -1]
    assert not metrics.invented_legs(behind, waist, ~ALL, CAMERA).any(), "what is behind the camera is not drawn"


def test_a_trunk_that_faces_away_is_found_by_its_worse_half() -> None:
    pose = np.zeros((3, 55, 3))
    pose[1, 0, 1] = 2.0
    pose[2, JOINT["spine1"], 1] = 1.0
    _, turned = BODY.joints(pose, np.zeros((3, 3)))
    _, straight = BODY.joints(np.zeros((3, 55, 3)), np.zeros((3, 3)))
    np.testing.assert_allclose(metrics.facing_error(turned, straight), np.degrees([0, 2.0, 1.0]), atol=0.05)


def test_a_skeleton_between_its_own_person_and_another_is_mixed_up_when_it_lies_on_the_other() -> None:
    people = np.stack([upright()[0], upright()[0] + [0.6, 0, 0]])[None].repeat(4, 0)
    skeletons = np.stack([upright()[0] + [x, 0, 0] for x in (0.0, 0.35, 0.45, 0.6)])
    own = np.zeros(4, np.intp)
    np.testing.assert_array_equal(metrics.mixed_up(skeletons, people, own, CAMERA), [False, False, True, True])
    np.testing.assert_array_equal(metrics.mixed_up(skeletons, people, own + 1, CAMERA), [True, False, False, False])


def test_every_body_joint_group_exists_once() -> None:
    joints = [j for group in metrics.GROUPS.values() for j in group]
    assert len(joints) == len(set(joints))
    with pytest.raises(KeyError):
        metrics.hand_error(np.zeros((1, 55, 3)), np.zeros((1, 55, 3)), "third")
