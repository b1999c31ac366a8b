"""Jaw and gaze: which way is which, checked by turning a vector with the published rotation."""

import numpy as np
import pytest
from pymafx_live.engines.landmarks.face import JAW_OPEN, gaze, jaw
from pymafx_live.engines.landmarks.sight import Face
from scipy.spatial.transform import Rotation

# iris, outer and inner corner, upper and lower lid of the person's left (image right) and right eye
LEFT, RIGHT = (473, 263, 362, 386, 374), (468, 33, 133, 159, 145)


def face(look: tuple[float, float] = (0, 0), roll: float = 0.0, opened: float = 0.0) -> Face:
    """A frontal face of 200 pixels whose irises are moved by `look` pixels (right, down) in the face's own axes."""
    xyz = np.zeros((478, 3), np.float32)
    for eye, x in ((LEFT, 40), (RIGHT, -40)):
        iris, outer, inner, upper, lower = eye
        side = np.sign(x)
        xyz[outer, :2], xyz[inner, :2] = (x + 15 * side, 0), (x - 15 * side, 0)
        xyz[upper, :2], xyz[lower, :2], xyz[iris, :2] = (x, -5), (x, 5), (x + look[0], look[1])
    turn = Rotation.from_rotvec([0, 0, roll]).as_matrix()[:2, :2]
    xyz[:, :2] = xyz[:, :2] @ turn.T + 300
    blendshapes = np.zeros(52, np.float32)
    blendshapes[JAW_OPEN] = opened
    return Face(xyz, blendshapes, 0.9, np.array([300, 300]))


@pytest.mark.parametrize("roll", [0.0, 0.7, -1.2])
def test_gaze_turns_the_eyes_where_the_irises_are(roll: float) -> None:
    """In the rest frame an eye looks along +z; +x is the person's left, the image's right, and +y is up."""
    for eyes in gaze(face((4, 0), roll)):
        assert Rotation.from_rotvec(eyes).apply([0, 0, 1])[0] > 0.2
    for eyes in gaze(face((0, 3), roll)):
        assert Rotation.from_rotvec(eyes).apply([0, 0, 1])[1] < -0.1
    for eyes in gaze(face((0, 0), roll)):
        np.testing.assert_allclose(eyes, 0, atol=0.02)


def test_an_iris_outside_its_eye_turns_it_no_further_than_eyes_turn() -> None:
    for eyes in gaze(face((100, 100))):
        assert np.degrees(np.linalg.norm(eyes)) < 60


def test_an_open_mouth_lowers_the_chin() -> None:
    chin = Rotation.from_rotvec(jaw(face(opened=1.0))).apply([0, -0.05, 0.08])
    assert chin[1] < -0.05 - 0.02
    np.testing.assert_array_equal(jaw(face()), 0)
