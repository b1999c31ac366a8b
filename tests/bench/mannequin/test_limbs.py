"""Arms reach where they are told, bent the way they are told, and no joint goes further than it can."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Skeleton, average_build, varied_build
from pymafx_live.bench.mannequin.limbs import DEVIATION, ELBOW, FLEXION, SUPINATION, Grip, reach
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()
SIDES = st.sampled_from(["left", "right"])


def tilted(rng: np.random.Generator) -> tuple[Figure, Skeleton, NDArray[np.float64]]:
    """Somebody of any build who leans and turns, over three frames."""
    figure = Figure(3, BODY.rest_joints)
    figure.root(rng.uniform(-3, 3), rng.uniform(-0.4, 0.6), rng.uniform(-0.2, 0.2))
    figure.spine(rng.uniform(0, 0.5), rng.uniform(-0.2, 0.2), rng.uniform(-0.4, 0.4))
    return figure, Skeleton(BODY, varied_build(rng, BODY)), rng.normal(0, 1, (3, 3))


def found(figure: Figure, skeleton: Skeleton, pelvis: NDArray[np.float64]) -> tuple[NDArray[np.float32], ...]:
    return skeleton.joints(figure.pose, pelvis)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), SIDES)
def test_the_wrist_is_where_it_was_told_to_be_and_the_elbow_points_that_way(seed: int, side: str) -> None:
    rng = np.random.default_rng(seed)
    figure, skeleton, pelvis = tilted(rng)
    joints, _ = found(figure, skeleton, pelvis)
    shoulder = joints[:, JOINT[f"{side}_shoulder"]].astype(float)
    length = np.linalg.norm(skeleton.bone("left_elbow")) + np.linalg.norm(skeleton.bone("left_wrist"))
    way = rng.normal(size=(3, 3))
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    target = shoulder + rng.uniform(0.45, 0.9) * length * way
    aside = np.cross(way, rng.normal(size=3))
    reach(figure, side, skeleton, pelvis, Grip(target, rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), aside))
    joints, _ = found(figure, skeleton, pelvis)
    np.testing.assert_allclose(joints[:, JOINT[f"{side}_wrist"]], target, atol=0.004)
    elbow = joints[:, JOINT[f"{side}_elbow"]] - shoulder
    off = elbow - (elbow * way).sum(1, keepdims=True) * way
    cosine = (off * aside).sum(1) / np.linalg.norm(off, axis=1) / np.linalg.norm(aside, axis=1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 61, "no further than the widest swivel"


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), SIDES)
def test_no_joint_leaves_its_range_whatever_is_asked(seed: int, side: str) -> None:
    rng = np.random.default_rng(seed)
    figure, skeleton, pelvis = tilted(rng)
    grip = Grip(pelvis + rng.normal(0, 1, 3), *(rng.normal(size=(3, 3)) for _ in range(3)))
    reach(figure, side, skeleton, pelvis, grip)
    sign = 1 if side == "left" else -1
    elbow = Rotation.from_rotvec(figure.pose[:, JOINT[f"{side}_elbow"]] * [1, sign, sign]).as_euler("YXZ")
    wrist = Rotation.from_rotvec(figure.pose[:, JOINT[f"{side}_wrist"]] * [1, sign, sign]).as_euler("ZYX")
    for angle, (low, high) in zip(
        (-elbow[:, 0], -elbow[:, 1], -wrist[:, 0], -wrist[:, 1]), (ELBOW, SUPINATION, FLEXION, DEVIATION), strict=True
    ):
        assert (angle > low - 1e-6).all() and (angle < high + 1e-6).all()
    np.testing.assert_allclose(elbow[:, 2], 0, atol=1e-6)
    np.testing.assert_allclose(wrist[:, 2], 0, atol=1e-6)


def test_an_easy_hand_points_and_faces_as_asked_on_both_sides() -> None:
    """A forearm that lies forward over a desk, the palm on it."""
    for side, sign in (("left", 1.0), ("right", -1.0)):
        figure, skeleton = Figure(1, BODY.rest_joints), Skeleton(BODY, average_build(BODY))
        pelvis = np.zeros((1, 3))
        shoulder = found(figure, skeleton, pelvis)[0][0, JOINT[f"{side}_shoulder"]]
        target = shoulder + np.array([[0.05 * sign, -0.28, 0.30]])
        along, palm = np.array([-0.2 * sign, 0.0, 1.0]), np.array([-0.4 * sign, -0.9, 0.0])
        reach(figure, side, skeleton, pelvis, Grip(target, along, palm, np.array([sign, -0.8, -0.3])))
        joints, turns = found(figure, skeleton, pelvis)
        knuckle = joints[0, JOINT[f"{side}_middle1"]] - joints[0, JOINT[f"{side}_wrist"]]
        facing = turns[0, JOINT[f"{side}_wrist"]] @ [0, -1, 0]
        assert np.degrees(np.arccos(knuckle @ along / np.linalg.norm(knuckle) / np.linalg.norm(along))) < 8
        assert np.degrees(np.arccos(facing @ palm / np.linalg.norm(palm))) < 8
