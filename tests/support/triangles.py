"""Random triangles, and what a camera sees of them by brute force: the truth for renderers."""

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Camera


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


def assert_seen(
    depth: NDArray[np.float32], vertices: NDArray[np.float32], faces: NDArray[np.int32], camera: Camera
) -> None:
    """Whether `depth` (H, W), as 1 / Z, is what the rays meet: but for pixels whose centre lies on an edge."""
    expected = by_rays(vertices, faces, camera)
    differs = ~np.isclose(depth, expected, rtol=1e-3, atol=1e-4)
    edges = cv2.dilate(np.abs(cv2.Laplacian(expected, cv2.CV_64F)), np.ones((3, 3))) > 1e-3
    assert not (differs & ~edges).any()
    assert differs.sum() <= 0.01 * differs.size
