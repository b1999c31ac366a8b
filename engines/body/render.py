"""A z-buffer renderer on the CPU: meshes in a camera's view, lit and laid over an image."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body import raster

KEY_LIGHT = (-0.35, -0.5, -0.79)
"""Towards the light in the camera's frame: over the viewer's left shoulder."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What of P meshes (V vertices, F triangles each) is seen in a window of the image.

    `depth` and `index` (h, w) hold 1 / Z in 1/m (0 where nothing is) and the number p F + f of the triangle
    (-1), for the window whose top left pixel is `corner` (x, y) of the image and which is `scale` times finer.
    `screen` (P, V, 3) holds x, y in image pixels and 1 / Z.
    """

    corner: tuple[int, int]
    scale: int
    screen: Floats
    depth: Floats
    index: NDArray[np.int32]

    def window(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The part of `image` that this view covers; writing to it writes to the image."""
        (x, y), (h, w) = self.corner, self.depth.shape
        return image[y : y + h // self.scale, x : x + w // self.scale]


def project(vertices: Floats, camera: Camera) -> Floats:
    """Image points (P, V, 3) as x, y in pixels and 1 / Z (0 for what is not in front of the camera)."""
    screen = np.empty_like(vertices)
    raster.project(vertices, camera.fx, camera.fy, camera.cx, camera.cy, screen)
    if camera.distortion:
        _distort(screen, vertices, camera)
    return screen


def _distort(screen: Floats, vertices: Floats, camera: Camera) -> None:
    """Move points to where the lens shows them; beyond half an image outside, the polynomial means nothing."""
    size = np.array([camera.width, camera.height], np.float32)
    centred = np.abs(screen[..., :2] - (size - 1) / 2)
    near = (screen[..., 2] > 0) & (centred < size).all(-1)
    if near.any():
        points, _ = cv2.projectPoints(
            vertices[near].astype(np.float64),
            np.zeros(3),
            np.zeros(3),
            camera.matrix,
            np.array(camera.distortion),
        )
        screen[near, :2] = points.reshape(-1, 2)


def view(vertices: Floats, faces: NDArray[np.int32], camera: Camera, scale: int = 1) -> View:
    """Find what is seen of the meshes `vertices` (P, V, 3), in metres in the camera's frame.

    Triangles that face away, or lie nearer than `raster.NEAR`, are not drawn.
    """
    screen = project(vertices, camera)
    x0, y0, x1, y1 = raster.bounds(screen, camera.width, camera.height)
    shape = (max(y1 - y0, 0) * scale, max(x1 - x0, 0) * scale)
    depth, index = np.zeros(shape, np.float32), np.full(shape, -1, np.int32)
    raster.rasterise(screen, faces, x0, y0, scale, depth, index)
    return View((x0, y0), scale, screen, depth, index)


def normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    """Smooth unit normals (P, V, 3) that point outwards."""
    out = np.empty_like(vertices)
    raster.vertex_normals(vertices, faces, out)
    return out


def draw(
    image: NDArray[np.uint8],
    vertices: ArrayLike,
    faces: NDArray[np.int32],
    camera: Camera,
    colours: ArrayLike,
    opacity: ArrayLike = 1.0,
    antialias: int = 1,
) -> NDArray[np.uint8]:
    """Draw P lit meshes over `image` (H, W, 3), in place, and return it.

    `vertices` (P, V, 3) are in metres in the camera's frame, `faces` (F, 3) is common to all. `colours` is
    BGR in 0..255, (P, 3) or per vertex (P, V, 3); `opacity` one number or (P,), 0..1; `antialias` the number
    of samples across a pixel.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    if len(vertices) == 0:
        return image
    seen = view(vertices, faces, camera, antialias)
    if seen.index.size == 0:
        return image
    colours = np.ascontiguousarray(colours, np.float32)
    layer = np.zeros((*seen.index.shape, 4), np.uint8)
    raster.shade(
        seen.index,
        *seen.corner,
        antialias,
        seen.screen,
        faces,
        normals(vertices, faces),
        colours[:, None] if colours.ndim == 2 else colours,
        np.broadcast_to(np.asarray(opacity, np.float32), len(vertices)).copy(),
        np.array(KEY_LIGHT, np.float32),
        np.float32(0.35),
        layer,
    )
    if antialias > 1:
        size = (layer.shape[1] // antialias, layer.shape[0] // antialias)
        layer = cv2.resize(layer, size, interpolation=cv2.INTER_AREA).reshape(*size[::-1], 4)
    raster.blend(seen.window(image), layer)
    return image
