"""The small arithmetic of the data types."""

import numpy as np
import pytest
from pymafx_live.core.types import POSE, SHAPES, Camera, Person, TrackState, pose_parameters

CAMERA = Camera(640, 480, 500.0, 510.0, 310.0, 250.0, assumed=False, distortion=(0.1, 0.2))


@pytest.mark.parametrize(("width", "height"), [(1280, 960), (320, 240), (640, 240)])
def test_a_resized_camera_sees_a_point_at_the_same_place_of_the_picture(width: int, height: int) -> None:
    point = np.array([0.3, -0.2, 2.0])
    resized = CAMERA.resized(width, height)
    before, after = ((c.matrix @ point)[:2] / point[2] + 0.5 for c in (CAMERA, resized))  # from the picture's corner
    np.testing.assert_allclose(after / (width, height), before / (640, 480))
    assert (resized.width, resized.height, resized.assumed, resized.distortion) == (width, height, False, (0.1, 0.2))


def test_what_is_shifted_is_seen_where_its_box_is() -> None:
    point, box = np.array([0.3, -0.2, 2.0]), np.array([100, 50, 300, 400])
    moved = point + CAMERA.shift(box, box + [10, -4, 30, 8], 2.0)
    step = (CAMERA.matrix @ (moved - point))[:2] / 2.0
    np.testing.assert_allclose(step, [20, 2], atol=1e-4)
    assert moved[2] == 2.0


def test_the_parameters_of_a_pose_are_the_pose() -> None:
    pose = np.arange(165, dtype=np.float32).reshape(55, 3)
    parameters = pose_parameters(pose)
    assert {name: len(values) for name, values in parameters.items()} == {name: SHAPES[name] for name in POSE}
    person = Person(1, TrackState.NEW, np.zeros(4, np.float32), 1.0, "e", {}, **parameters)
    np.testing.assert_array_equal(person.full_pose, pose)
