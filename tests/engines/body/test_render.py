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

CAMERA = Camera(64, 48, 60.0, 58.0, 31.5, 23.5)


def soup(seed: int, triangles: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(seed)
    vertices = rng.uniform((-2, -2, -1), (2, 2, 5), (1, 3 * triangles, 3)).astype(np.float32)
    return vertices, np.arange(3 * triangles, dtype=np.int32).reshape(-1, 3)


def by_rays(vertices: NDArray[np.float32], faces: NDArray[np.int32], camera: Camera) -> NDArray[np.float64]:
    """1 / Z of the nearest front face on each pixel's ray (Möller & Trumbore 1997)."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1)
    nearest = np.zeros(u.shape)
    for a, b, c in vertices[0][faces].astype(np.float64):
        if min(a[2], b[2], c[2]) <= 0.1:
            continue
        across = np.cross(rays, c - a)
        determinant = across @ (b - a)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = across @ -a / determinant
            turned = np.cross(-a, b - a)
            t = rays @ turned / determinant
            depth = turned @ (c - a) / determinant
            hit = (determinant > 1e-12) & (s >= 0) & (t >= 0) & (s + t <= 1)
        nearest[hit] = np.maximum(nearest[hit], 1 / depth[hit])
    return nearest


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12))
def test_each_pixel_sees_what_its_ray_meets_first(seed: int, triangles: int) -> None:
    vertices, faces = soup(seed, triangles)
    seen = render.view(vertices, faces, CAMERA)
    depth = np.zeros((CAMERA.height, CAMERA.width))
    (x, y), (h, w) = seen.corner, seen.depth.shape
    depth[y : y + h, x : x + w] = seen.depth
    expected = by_rays(vertices, faces, CAMERA)
    differs = ~np.isclose(depth, expected, rtol=1e-3, atol=1e-4)
    edges = cv2.dilate(np.abs(cv2.Laplacian(expected, cv2.CV_64F)), np.ones((3, 3))) > 1e-3
    assert not (differs & ~edges).any()
    assert differs.sum() <= 0.01 * differs.size, "only pixels whose centre lies on an edge may differ"


def test_neighbouring_triangles_leave_no_gap() -> None:
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.linspace(-3, 3, 30), np.linspace(-3, 3, 30)), -1).reshape(-1, 2)
    grid += rng.uniform(-0.05, 0.05, grid.shape)
    vertices = np.column_stack([grid, rng.uniform(1.9, 2.1, len(grid))])[None].astype(np.float32)
    corner = (np.arange(29)[:, None] * 30 + np.arange(29)).reshape(-1, 1)
    faces = np.concatenate([corner + [0, 30, 1], corner + [1, 30, 31]]).astype(np.int32)
    assert (render.view(vertices, faces, CAMERA).index >= 0).all()


def test_only_the_side_that_faces_the_camera_is_drawn() -> None:
    body = BodyModel.embedded()
    front = body.vertices([[[np.pi, 0, 0], *np.zeros((54, 3))]], [[0, 0, 2.5]])
    seen = render.view(front, body.faces, CAMERA)
    normals = render.normals(front, body.faces)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-3)
    faces = body.faces[seen.index[seen.index >= 0]]
    towards = -np.einsum("fk,fk->f", normals[0, faces[:, 0]], front[0, faces[:, 0]])
    assert (towards > 0).mean() > 0.97


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
    seen = render.view(vertices, np.array([[0, 1, 2]], np.int32), CAMERA)
    assert seen.index.shape == (48, 64)
    assert (seen.index == 0).all()


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


def test_antialiasing_covers_edge_pixels_in_part() -> None:
    mesh = square(2.0, 0.5)[None]  # edges at u = 31.5 ± 15, v = 23.5 ± 14.5: half a pixel is covered at u = 16.5
    mesh[..., 0] += 0.25 * 2 / 60
    full = render.draw(np.zeros((48, 64, 3), np.uint8), mesh, FACES, CAMERA, [[255, 255, 255]], antialias=4)
    inside, edge = float(full[24, 32, 0]), float(full[24, 17, 0])
    assert full[24, 15, 0] == 0
    np.testing.assert_allclose(edge / inside, 0.75, atol=0.02)


def test_vertex_colours_are_interpolated_between_vertices() -> None:
    colours = np.zeros((1, 4, 3), np.float32)
    colours[0, 2:] = 200
    image = render.draw(np.zeros((48, 64, 3), np.uint8), square(2.0)[None], FACES, CAMERA, colours)
    row = image[24, 18:46, 0].astype(int)
    assert (np.diff(row) >= 0).all() and row[0] < 15 and row[-1] > 110


def test_nobody_leaves_the_image_alone() -> None:
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    same = render.draw(image.copy(), np.empty((0, 4, 3), np.float32), FACES, CAMERA, np.empty((0, 3)))
    np.testing.assert_array_equal(same, image)
