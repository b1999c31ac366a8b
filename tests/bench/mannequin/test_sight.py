"""A joint is seen when it is in the picture and nothing that counts is before it."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import raster
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.sight import seen_joints
from pymafx_live.core.skeleton import JOINT, LEFT_HAND, RIGHT_HAND
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()
CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
TRUNK = [JOINT[n] for n in ("neck", "head", "left_shoulder", "right_shoulder", "left_hip", "right_hip", "spine2")]


def look(*people: tuple[float, tuple[float, float, float]], furniture: float = 0.0, left: int = 0) -> NDArray[np.bool_]:
    """What is seen (P, 55) of people with hanging arms: the yaw (0 faces the camera) and place of the pelvis of each.

    `furniture` is the distance of a wall that covers the picture from column `left` on.
    """
    figure = Figure(len(people), BODY.rest_joints)
    for side in ("left", "right"):
        figure.arm(side, 1.35)
    transl = np.array([place for _, place in people]) - BODY.rest_joints[0]
    upright = Rotation.from_rotvec([np.pi, 0, 0])
    figure.pose[:, 0] = [(upright * Rotation.from_rotvec([0, yaw, 0])).as_rotvec() for yaw, _ in people]
    vertices = BODY.vertices(figure.pose, transl)
    joints, _ = BODY.joints(figure.pose, transl)
    wall = None
    if furniture:
        wall = np.zeros((960, 1280), np.float32)
        wall[:, left * 2 :] = 1 / furniture
    return seen_joints(joints, raster.view(vertices, BODY.faces, CAMERA, 2), wall, BODY, CAMERA)


def test_a_whole_person_is_seen_whole_and_one_who_is_cut_is_not() -> None:
    assert look((0.0, (0, 0, 3.0))).all()
    (seen,) = look((0.0, (0, 0.6, 1.2)))
    assert seen[[JOINT["head"], JOINT["neck"]]].all()
    assert not seen[[JOINT["left_knee"], JOINT["right_ankle"], JOINT["left_wrist"]]].any()


def test_the_far_arm_is_behind_its_own_trunk_but_no_part_of_the_trunk_is_behind_an_arm() -> None:
    (seen,) = look((np.pi / 2, (0, 0, 3.0)))  # the left side is away from the camera
    assert not seen[JOINT["left_wrist"]] and not seen[JOINT["left_elbow"]] and not seen[LEFT_HAND].all()
    assert seen[JOINT["right_wrist"]] and seen[JOINT["right_elbow"]] and seen[RIGHT_HAND].all()
    assert seen[[JOINT["pelvis"], JOINT["spine2"], JOINT["left_shoulder"], JOINT["right_shoulder"]]].all()


def test_who_stands_behind_is_hidden_and_who_stands_before_is_not() -> None:
    near, far = look((0.0, (0, 0, 2.5)), (0.0, (0.0, 0, 3.2)))
    assert near.all() and not far[TRUNK].any()
    _, beside = look((0.0, (0, 0, 2.5)), (0.0, (1.0, 0, 3.2)))
    assert beside.all()


def test_furniture_hides_what_is_behind_it_only() -> None:
    assert not look((0.0, (0, 0, 3.0)), furniture=2.5).any()
    assert look((0.0, (0, 0, 3.0)), furniture=3.5).all()
    (seen,) = look((0.0, (0, 0, 3.0)), furniture=2.5, left=320)  # the person's left is on the right of the picture
    assert seen[JOINT["right_wrist"]] and not seen[JOINT["left_wrist"]]
