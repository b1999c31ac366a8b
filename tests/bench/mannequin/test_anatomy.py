"""Anatomical angles move the body's joints the way their names say, the same left and right."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.core.skeleton import JOINT, MIRROR
from pymafx_live.engines.body.model import BodyModel

BODY = BodyModel.embedded()
X, Y, Z = range(3)


def pose(act: Callable[[Figure], None]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Joints (55, 3) and global rotations (55, 3, 3) of a figure after `act`."""
    figure = Figure(1, BODY.rest_joints)
    act(figure)
    joints, rotations = BODY.joints(figure.pose, np.zeros((1, 3)))
    return joints[0], rotations[0]


REST = pose(lambda f: None)[0]


def moved(act: Callable[[Figure], None], joint: str, origin: str) -> NDArray[np.float32]:
    """How a joint moves as seen from the joint `origin`."""
    joints, _ = pose(act)
    return (joints[JOINT[joint]] - joints[JOINT[origin]]) - (REST[JOINT[joint]] - REST[JOINT[origin]])


@pytest.mark.parametrize(
    ("act", "joint", "origin", "axis", "sign"),
    [
        (lambda f: f.arm("left", lower=1.2), "left_wrist", "left_shoulder", Y, -1),
        (lambda f: f.arm("left", lower=1.4, forward=0.8), "left_wrist", "left_shoulder", Z, 1),
        (lambda f: f.arm("left", lower=0.0, elbow=1.2), "left_wrist", "left_elbow", Z, 1),
        (lambda f: f.arm("left", lower=0.0, elbow=1.2, rotate=1.4), "left_wrist", "left_elbow", Y, 1),
        (lambda f: f.arm("left", lower=0.0, collar=0.2), "left_shoulder", "spine3", Y, 1),
        (lambda f: f.wrist("left", flex=0.5), "left_middle1", "left_wrist", Y, -1),
        (lambda f: f.wrist("left", deviate=0.3), "left_middle1", "left_wrist", Z, 1),
        (lambda f: f.leg("left", flex=0.8), "left_knee", "left_hip", Z, 1),
        (lambda f: f.leg("left", abduct=0.4), "left_knee", "left_hip", X, 1),
        (lambda f: f.leg("left", knee=1.0), "left_ankle", "left_knee", Z, -1),
        (lambda f: f.leg("left", ankle=0.3), "left_foot", "left_ankle", Y, 1),
        (lambda f: f.leg("left", rotate=0.5), "left_foot", "left_ankle", X, 1),
        (lambda f: f.spine(bend=0.6), "neck", "pelvis", Z, 1),
        (lambda f: f.spine(lean=0.4), "neck", "pelvis", X, -1),
        (lambda f: f.head(nod=0.5), "left_eye", "head", Y, -1),
        (lambda f: f.head(turn=0.6), "left_eye", "head", Z, -1),
        (lambda f: f.root(yaw=np.pi / 2), "left_wrist", "pelvis", Z, -1),
    ],
)
def test_each_angle_moves_its_part_the_named_way(
    act: Callable[[Figure], None], joint: str, origin: str, axis: int, sign: int
) -> None:
    assert sign * moved(act, joint, origin)[axis] > 0.015


def test_supination_turns_the_palm_forward() -> None:
    _, rotations = pose(lambda f: f.arm("left", lower=0.0, supinate=np.pi / 2))
    palm = rotations[JOINT["left_wrist"]] @ [0, -1, 0]
    np.testing.assert_allclose(palm, [0, 0, 1], atol=1e-5)


def test_both_sides_are_mirror_images() -> None:
    def act(figure: Figure) -> None:
        for side in ("left", "right"):
            figure.arm(side, 0.7, 0.5, 0.3, 1.1, 0.6, 0.1)
            figure.wrist(side, 0.4, 0.2)
            figure.hand(side, 0.6, 0.2, 0.3)
            figure.leg(side, 0.6, 0.2, 0.3, 0.9, 0.2, 0.3)

    joints, _ = pose(act)
    np.testing.assert_allclose(joints[MIRROR] * [-1, 1, 1], joints, atol=2e-3)


def test_a_fist_closes_and_a_fan_opens() -> None:
    def tips(act: Callable[[Figure], None]) -> NDArray[np.float32]:
        joints, _ = pose(act)
        return joints[[JOINT[f"left_{f}3"] for f in ("index", "middle", "ring", "pinky")]] - joints[JOINT["left_wrist"]]

    straight, fist = tips(lambda f: None), tips(lambda f: f.hand("left", 1.0))
    fan = tips(lambda f: f.hand("left", 0.0, spread=0.3))
    assert (np.linalg.norm(fist, axis=1) < 0.75 * np.linalg.norm(straight, axis=1)).all()
    assert (fist[:, Y] < -0.02).all(), "fingers close towards the palm"
    assert np.linalg.norm(fan[0] - fan[3]) > np.linalg.norm(straight[0] - straight[3]) + 0.02
    thumb = [pose(lambda f, c=c: f.hand("left", 0.0, thumb=c))[0] for c in (0.0, 1.0)]  # type: ignore[misc]
    gaps = [np.linalg.norm(j[JOINT["left_thumb3"]] - j[JOINT["left_middle1"]]) for j in thumb]
    assert gaps[1] < gaps[0], "the thumb closes over the palm"


def test_fingers_curl_one_by_one() -> None:
    joints, _ = pose(lambda f: f.hand("right", np.array([[1.0], [0.0], [0.0], [0.0]]), thumb=0.0))
    bent = np.linalg.norm(joints - REST, axis=1) > 1e-4
    assert bent[[JOINT["right_index2"], JOINT["right_index3"]]].all()
    assert not bent[[JOINT["right_middle3"], JOINT["right_ring3"], JOINT["right_pinky3"], JOINT["right_thumb3"]]].any()
