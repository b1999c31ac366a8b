"""Furniture is where it is said to be, in depth and in the picture, and hides what is behind it."""

import numpy as np
import pytest
from pymafx_live.bench.mannequin import raster
from pymafx_live.bench.mannequin.build import average_build
from pymafx_live.bench.mannequin.props import Block, build_set, hide
from pymafx_live.bench.mannequin.shadows import Plane, cast_shadow, planes
from pymafx_live.bench.mannequin.stage import Setup
from pymafx_live.bench.mannequin.truth import people_of
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

BODY = BodyModel.embedded()
CAMERA = Camera(160, 120, 130.0, 130.0, 79.5, 59.5)
LAMP = np.array([0.0, 1.0, 0.0], np.float32), np.ones(3, np.float32)
UPRIGHT = np.diag([1.0, -1.0, -1.0]).astype(np.float32)
"""A camera that looks along -z, the room's up being the picture's up."""


def test_depth_is_that_of_the_nearest_face_and_tops_are_known() -> None:
    table = Block(np.array([-0.5, 0.9, -3.0]), np.array([0.5, 1.0, -2.0]), np.array([10.0, 120.0, 240.0]))
    wall = Block(np.array([-9.0, -9.0, -6.0]), np.array([9.0, 9.0, -5.0]), np.full(3, 100.0))
    eye = np.array([0.0, 1.2, 0.0], np.float32)
    view = build_set([wall, table], CAMERA, UPRIGHT, eye, LAMP, 2)
    assert view.layer.shape == (240, 320, 4) and (view.layer[..., 3] == 255).all()
    assert view.depth[20, 160] == pytest.approx(1 / 5, rel=1e-5)
    row = int((0.2 / 2.5 * 130 + 59.5 + 0.25) * 2)  # the middle of the table's top, 0.2 m under the camera
    y = ((row + 0.5) / 2 - 0.5 - 59.5) / 130
    assert view.depth[row, 160] == pytest.approx(y / 0.2, rel=1e-4) and view.top[row, 160] == 1
    front = int((0.25 / 2.0 * 130 + 59.5 + 0.25) * 2)
    assert view.depth[front, 160] == pytest.approx(1 / 2, rel=1e-4) and view.top[front, 160] == -1
    np.testing.assert_array_equal(np.unique(view.top), [-1, 1])


def person(distance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Pose (1, 55, 3), translation and skin of somebody who stands before the camera in the T-pose."""
    pose = np.zeros((1, 55, 3), np.float32)
    pose[0, 0] = Rotation.from_matrix(np.diag([1.0, -1.0, -1.0])).as_rotvec()
    transl = (np.array([[0.0, -0.2, distance]]) - BODY.rest_joints[0]).astype(np.float32)
    return pose, transl, BODY.vertices(pose, transl)


class Posed:
    def __init__(self, pose: np.ndarray, transl: np.ndarray) -> None:  # type: ignore[type-arg]
        self.pose, self.transl, self.build = pose, transl, average_build(BODY)


def test_what_furniture_hides_is_neither_in_the_box_nor_visible() -> None:
    pose, transl, vertices = person(3.0)
    whole = raster.view(vertices, BODY.faces, CAMERA, 2)
    (free,) = people_of(BODY, [Posed(pose, transl)], vertices, whole, 0, None, CAMERA, 0)
    counter = np.zeros((240, 320), np.float32)
    counter[130:] = 1 / 2.0
    seen = raster.view(vertices, BODY.faces, CAMERA, 2)
    below = (seen.index[130 - 2 * seen.corner[1] :] >= 0).sum()
    hidden = hide(seen, counter)
    assert hidden == below > 1000
    (behind,) = people_of(BODY, [Posed(pose, transl)], vertices, seen, hidden, counter, CAMERA, 0)
    share = 1 - hidden / (whole.index >= 0).sum()
    assert behind.visible == pytest.approx(free.visible * share)
    assert free.box[3] > 90 and behind.box[3] == pytest.approx(64.5, abs=0.6)
    np.testing.assert_allclose(behind.box[:3], free.box[:3], atol=1.5)
    assert free.seen.all() and behind.seen[15] and not behind.seen[[4, 5, 7, 8]].any()
    assert hide(raster.view(vertices, BODY.faces, CAMERA, 2), counter / 2) == 0, "a wall behind hides nobody"


def test_a_shadow_falls_on_the_plane_where_it_is_seen_and_nowhere_else() -> None:
    _, _, vertices = person(3.0)
    setup = Setup(CAMERA, UPRIGHT, np.array([0.0, 1.2, 0.0], np.float32))
    lamp = np.array([0.6, 0.7, 0.0], np.float32) / np.float32(np.hypot(0.6, 0.7))
    (floor,) = planes([], None, setup, 4.0)
    assert floor.where is not None and not floor.where[:70].any() and floor.where[115].all()
    image = np.full((120, 160, 3), 200, np.uint8)
    cast_shadow(image, vertices, BODY, setup, lamp, floor)
    assert (image[~floor.where] == 200).all() and (image[floor.where] < 180).any()
    nothing = np.full((120, 160, 3), 200, np.uint8)
    cast_shadow(nothing, vertices, BODY, setup, lamp, Plane(5.0, np.ones((120, 160), bool)))
    assert (nothing == 200).all(), "everybody is below"
