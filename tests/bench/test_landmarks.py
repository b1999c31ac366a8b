"""What is counted on real people, on bodies whose landmarks are known because they were projected."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.bench import landmarks as marks
from pymafx_live.bench import metrics
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

CAMERA = Camera(640, 480, 600.0, 600.0, 320.0, 240.0)
BODY = BodyModel.embedded()
LANDMARK_OF = {
    **{k: f"{side}_{name}" for name, pair in marks.ARMS.items() for side, k in zip(metrics.SIDES, pair, strict=True)},
    23: "left_hip", 24: "right_hip", 25: "left_knee", 26: "right_knee", 27: "left_ankle", 28: "right_ankle",
}  # fmt: skip


def people(
    yaw: NDArray[np.float64], distance: float = 3.0
) -> tuple[NDArray[np.float64], NDArray[np.float64], marks.Landmarks]:
    """People turned by `yaw` (N,) from facing the camera: joints, global rotations and the landmarks at the joints."""
    pose = np.zeros((len(yaw), 55, 3))
    pose[:, 0] = (Rotation.from_euler("x", np.pi) * Rotation.from_euler("y", yaw[:, None])).as_rotvec()
    joints, rotations = BODY.joints(pose, np.tile([0.0, 0.2, distance], (len(yaw), 1)))
    seen = np.full((len(yaw), marks.COUNT, 3), np.nan, np.float32)
    seen[:, :33] = 0.0
    for k, name in LANDMARK_OF.items():
        seen[:, k, :2] = metrics.project(joints[:, JOINT[name]].astype(np.float64), CAMERA)
        seen[:, k, 2] = 1
    return joints.astype(np.float64), rotations.astype(np.float64), seen


def test_arms_on_their_landmarks_have_no_error_and_one_that_is_half_a_breadth_off_has_half() -> None:
    joints, _, seen = people(np.zeros(2), 4.0)
    np.testing.assert_allclose(marks.arm_error(joints, seen, CAMERA), 0, atol=1e-5)
    seen[1, 13, 0] += 0.5 * marks.breadth(seen)[1]
    error = marks.arm_error(joints, seen, CAMERA)
    assert error[1, 2] == pytest.approx(0.5, abs=1e-5) and error[0, 2] == pytest.approx(0, abs=1e-5)
    seen[1, 13, 2] = 0.4
    seen[1, 14, 0] = -1
    error = marks.arm_error(joints, seen, CAMERA)
    assert np.isnan(error[1, [2, 3]]).all(), "neither what is not visible nor what is outside of the picture counts"


@settings(deadline=None, max_examples=40)
@given(st.floats(-np.pi, np.pi), st.floats(-np.pi, np.pi))
def test_a_trunk_is_the_wrong_way_round_where_the_landmarks_show_the_other_side(yaw: float, drawn: float) -> None:
    _, rotations, _ = people(np.array([drawn]))
    _, _, seen = people(np.array([yaw]))
    (wrong,) = marks.wrong_way(rotations, seen)
    if abs(np.cos(yaw)) < 0.3:
        assert np.isnan(wrong), "from the side nobody can tell"
    elif abs(np.cos(yaw)) > 0.8 and abs(np.cos(drawn)) > 0.01:
        assert wrong == (np.cos(yaw) * np.cos(drawn) < 0)


def test_legs_are_invented_where_none_are_shown() -> None:
    joints, _, seen = people(np.zeros(3), 5.0)
    seen[1, 25:29, 2] = 0.1  # in the picture, but behind something
    seen[2, [25, 26], 0] += 0.3 * marks.breadth(seen)[2]  # seen elsewhere: wrong, not invented
    assert marks.invented_legs(joints, seen, CAMERA).tolist() == [False, True, False]
    near, _, below = people(np.zeros(1), 1.0)
    assert not marks.invented_legs(near, below, CAMERA).any(), "they are below the picture"


def test_only_still_shoulders_jitter() -> None:
    joints, _, seen = people(np.zeros(12), 3.0)
    joints[::2, 16, 2] += 0.001
    assert marks.still_jitter(joints, seen, 30.0) == pytest.approx(np.full(10, 2 * 0.001 * 30**2 / 2))
    seen[6, 11, 0] += 0.1 * marks.breadth(seen)[0]
    assert len(marks.still_jitter(joints, seen, 30.0)) == 7, "frames 5 to 7 have a shoulder that moves"
    assert not len(marks.still_jitter(joints[:2], seen[:2], 30.0))


def test_the_box_holds_what_is_shown() -> None:
    _, _, seen = people(np.zeros(1), 5.0)
    assert not np.isfinite(marks.box(np.full((marks.COUNT, 3), np.nan, np.float32), CAMERA)).any()
    x1, y1, x2, y2 = marks.box(seen[0], CAMERA)
    points = seen[0, list(LANDMARK_OF), :2]
    assert (x1, y1, x2, y2) == (*points.min(0), *points.max(0))
