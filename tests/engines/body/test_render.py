"""The renderer against brute force, OpenCV's projection and geometry that is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.core.types import Camera
from pymafx_live.engines.body import render
from pymafx_live.engines.body.model import BodyModel
from support.triangles import assert_seen, soup

CAMERA = Camera(64, 48, 60.0, 58.0, 31.5, 23.5)


def depth_of(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """1 / Z (H, W) of one mesh as the camera sees it."""
    depth = np.zeros((CAMERA.height, CAMERA.width), np.float32)
    layer = np.zeros(depth.shape, np.uint32)
    light = np.ones(vertices.shape[1], np.float32)
    render.rasterise(render.project(vertices, CAMERA)[0], faces, light, np.full(256, 9, np.uint32), depth, layer)
    np.testing.assert_array_equal(layer == 9, depth > 0)
    return depth


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_each_pixel_sees_what_its_ray_meets_first(seed: int, count: int) -> None:
    vertices, faces = soup(seed, count)
    assert_seen(depth_of(vertices, faces), vertices, faces, CAMERA)


def test_blocks_of_triangles_and_of_pixels_leave_no_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = soup(5, 60)
    whole = depth_of(vertices, faces)
    monkeypatch.setattr(render, "TRIANGLES", 7)
    monkeypatch.setattr(render, "PIXELS", 50)
    np.testing.assert_array_equal(depth_of(vertices, faces), whole)


def test_neighbouring_triangles_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-3, 3, 30), np.linspace(-3, 3, 30)), -1).reshape(-1, 2)
    grid += rng.uniform(-0.05, 0.05, grid.shape)
    vertices = np.column_stack([grid, rng.uniform(1.9, 2.1, len(grid))])[None].astype(np.float32)
    corner = (np.arange(29)[:, None] * 30 + np.arange(29)).reshape(-1, 1)
    faces = np.concatenate([corner + [0, 30, 1], corner + [1, 30, 31]]).astype(np.int32)
    assert (depth_of(vertices, faces) > 0).all()


def test_only_the_side_that_faces_the_camera_is_drawn() -> None:
    square_ = square(2.0)[None]
    assert (depth_of(square_, FACES) > 0).any()
    assert not depth_of(square_, FACES[:, ::-1]).any()


def test_normals_of_a_sphere_point_away_from_its_centre() -> None:
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 40, endpoint=False), np.linspace(0.3, np.pi - 0.3, 20))
    sphere = np.stack([np.cos(around) * np.sin(up), np.cos(up), np.sin(around) * np.sin(up)], -1).reshape(1, -1, 3)
    a = (np.arange(19)[:, None] * 40 + np.arange(40)).ravel()
    b = (np.arange(19)[:, None] * 40 + (np.arange(40) + 1) % 40).ravel()
    faces = np.concatenate([np.stack([a, b, a + 40], 1), np.stack([b, b + 40, a + 40], 1)]).astype(np.int32)
    normals = render.normals(sphere.astype(np.float32), faces)
    inner = np.s_[0, 40:-40]
    assert np.einsum("vk,vk->v", normals[inner], sphere[inner]).min() > 0.99


@pytest.mark.parametrize("distortion", [(), (-0.25, 0.07, 0.001, -0.002), (0.1, -0.05, 0.0, 0.0, 0.01)])
def test_projection_is_opencvs(distortion: tuple[float, ...]) -> None:
    camera = Camera(640, 480, 500, 510, 320, 230, False, distortion)
    rng = np.random.default_rng(0)
    points = rng.uniform((-0.9, -0.7, 1.5), (0.9, 0.7, 4), (2, 300, 3)).astype(np.float32)
    expected, _ = cv2.projectPoints(
        points.reshape(-1, 3).astype(float), np.zeros(3), np.zeros(3), camera.matrix, np.array(distortion or [0.0] * 4)
    )
    screen = render.project(points, camera)
    np.testing.assert_allclose(screen[..., :2].reshape(-1, 2), expected[:, 0], atol=0.01)
    np.testing.assert_allclose(screen[..., 2], 1 / points[..., 2], rtol=1e-6)


def _shifted(body: BodyModel, place: tuple[float, float, float]) -> NDArray[np.float32]:
    return body.vertices(np.zeros((1, 55, 3)), [place])


@pytest.mark.parametrize(
    "place", [(0, 0, 0), (0, 0, 0.2), (0, 0, -3), (50, 0, 3), (0, -80, 3), (1e30, 0, 1), (np.nan, 0, 2), (0, 0, np.inf)]
)
def test_bodies_at_and_behind_the_camera_are_harmless(place: tuple[float, float, float]) -> None:
    body = BodyModel.embedded()
    image = np.full((48, 64, 3), 7, np.uint8)
    both = np.concatenate([_shifted(body, place), _shifted(body, (0, 0.3, 3))])
    alone = render.draw(image.copy(), both[1:], body.faces, CAMERA, [[0, 0, 255]])
    drawn = render.draw(image.copy(), both, body.faces, CAMERA, [[255, 0, 0], [0, 0, 255]])
    assert (alone != 7).any()
    if place[2] != 0 and place[2] != 0.2:
        np.testing.assert_array_equal(drawn, alone)


def test_one_huge_triangle_fills_the_view() -> None:
    vertices = np.array([[[-1e6, -1e6, 1], [-1e6, 3e6, 1], [3e6, -1e6, 1]]], np.float32)
    np.testing.assert_allclose(depth_of(vertices, np.array([[0, 1, 2]], np.int32)), 1, rtol=1e-4)


def square(z: float, size: float = 0.5) -> NDArray[np.float32]:
    corners = [[-size, -size, z], [-size, size, z], [size, size, z], [size, -size, z]]
    return np.array(corners, np.float32)


FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_the_nearer_mesh_wins_and_opacity_mixes_with_the_image() -> None:
    image = np.full((48, 64, 3), 100, np.uint8)
    meshes = np.stack([square(2.0), square(1.0, 0.1)])
    colours = np.array([[200, 0, 0], [0, 200, 0]], np.float32)
    opaque = render.draw(image.copy(), meshes, FACES, CAMERA, colours)
    assert opaque[24, 32, 0] == 0 and opaque[24, 32, 1] > 100
    assert opaque[24, 24, 1] == 0 and opaque[24, 24, 0] > 100
    half = render.draw(image.copy(), meshes, FACES, CAMERA, colours, [1.0, 0.5])
    mixed = 0.5 * opaque[24, 32].astype(float) + 0.5 * 100
    np.testing.assert_allclose(half[24, 32], mixed, atol=2)
    np.testing.assert_array_equal(opaque[0, 0], 100)


def test_light_is_interpolated_with_perspective() -> None:
    vertices = np.array([[[-1, -1, 1.5], [-1, 1, 1.5], [3, 3, 4.5], [3, -3, 4.5]]], np.float32)
    depth, layer = np.zeros((48, 64), np.float32), np.zeros((48, 64), np.uint32)
    light = np.array([0, 0, 1, 1], np.float32)
    render.rasterise(render.project(vertices, CAMERA)[0], FACES, light, np.arange(256, dtype=np.uint32), depth, layer)
    seen = depth > 0
    np.testing.assert_allclose(layer[seen], 255 * (1 / depth[seen] - 1.5) / 3, atol=1.01)
    assert np.ptp(layer[seen]) > 150


def test_nobody_leaves_the_image_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    same = render.draw(image.copy(), np.empty((0, 4, 3), np.float32), FACES, CAMERA, np.empty((0, 3)))
    np.testing.assert_array_equal(same, image)
