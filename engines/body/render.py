"""A z-buffer renderer on the CPU: meshes in a camera's view, lit and laid over an image.

Everything is done for many triangles at once in numpy: triangles become rows of pixels, rows become pixels, and of the
pixels the nearest are kept. Nothing is compiled on the user's machine.
"""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymafx_live.core.types import Camera, Floats

KEY_LIGHT = (-0.35, -0.5, -0.79)
"""Towards the light in the camera's frame: over the viewer's left shoulder."""
AMBIENT = 0.35
"""The brightness of what the light does not reach."""
NEAR = 0.1
"""Metres. What is nearer to the camera, or behind it, is not drawn."""
FAR_OUT = 1e9
"""Pixels. What is projected further away, or is not a number, is not drawn."""

TRIANGLES, PIXELS = 1 << 12, 1 << 13
"""How many are done at once: so small are the arrays that the C library need not give them back to the system."""

Reals = NDArray[np.float64]
Indices = NDArray[np.intp]


def project(vertices: Floats, camera: Camera) -> Floats:
    """Image points (P, V, 3) as x, y in pixels and 1 / Z (all 0 for what is not in front of the camera)."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse = 1 / vertices[..., 2]
        x = np.float32(camera.fx) * vertices[..., 0] * inverse + np.float32(camera.cx)
        y = np.float32(camera.fy) * vertices[..., 1] * inverse + np.float32(camera.cy)
        drawn = (vertices[..., 2] > NEAR) & (np.abs(x) < FAR_OUT) & (np.abs(y) < FAR_OUT)
    screen = np.where(drawn[..., None], np.stack([x, y, inverse], -1), np.float32(0))
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


def normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    """Smooth unit normals (P, V, 3) that point outwards: the triangles' normals, weighted by their areas."""
    out = np.empty(vertices.shape, np.float32)
    for x, smooth in zip(vertices, out, strict=True):
        a, b, c = (x.take(faces[:, k], 0).T for k in range(3))
        with np.errstate(invalid="ignore", over="ignore"):
            (ux, uy, uz), (wx, wy, wz) = b - a, c - a
            for k, flat in enumerate((uy * wz - uz * wy, uz * wx - ux * wz, ux * wy - uy * wx)):
                smooth[:, k] = np.bincount(faces.ravel(), np.repeat(flat, 3), len(x))
            smooth /= np.sqrt((smooth**2).sum(1, keepdims=True) + 1e-20)
    return out


def window(screen: Floats, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of an image of `size` (width, height) that the points `screen` (P, V, 3) cover.

    Its left and top, width and height, in whole pixels; zeros where no point can be drawn.
    """
    points = screen[screen[..., 2] > 0, :2]
    if len(points) == 0:
        return 0, 0, 0, 0
    ends = np.floor(points.min(0)), np.ceil(points.max(0)) + 1
    (left, top), (right, bottom) = (end.clip(0, size).astype(int) for end in ends)
    return int(left), int(top), int(right - left), int(bottom - top)


def rasterise(
    screen: Floats,
    faces: NDArray[np.int32],
    light: Floats,
    shades: NDArray[np.uint32],
    depth: Floats,
    layer: NDArray[np.uint32],
) -> None:
    """Draw a projected mesh `screen` (V, 3) into `depth` and `layer` (h, w), where it is nearer than what is there.

    `depth` holds 1 / Z in 1/m, 0 where nothing is. `light` (V,) is the light on each vertex, 0 to 1; it is interpolated
    with perspective, and of the 256 colours `shades` the one for it is drawn. Pixels are sampled at their centres.
    Triangles (`faces` (F, 3)) that face away, or have a vertex that cannot be drawn, are left out.
    """
    points = screen.astype(np.float64).T
    for k in range(0, len(faces), TRIANGLES):
        corners = _facing(points, faces[k : k + TRIANGLES], depth.shape)
        _fill(points.take(corners, 1), 255.0 * light.take(corners).astype(np.float64), shades, depth, layer)


def _fill(corners: Reals, light: Reals, shades: NDArray[np.uint32], depth: Floats, layer: NDArray[np.uint32]) -> None:
    """Draw triangles with `corners` (3, 3, T) as x, y and 1 / Z and `light` (3, T) on each, 0 to 255."""
    size = depth.shape[1], depth.shape[0]
    x, y, inverse = corners
    edges, area = _edges(x, y)
    owner, row, first, last = _rows(x, y, edges, size)
    # Over a triangle 1 / Z is linear in the image, and so is what is linear in space, divided by Z.
    (depths, depth_x), (lights, light_x) = (
        _along_rows(np.einsum("ckt,kt->ct", edges, value) / area, owner, row) for value in (inverse, inverse * light)
    )
    nearest, seen = depth.reshape(-1), layer.reshape(-1)
    for block in _blocks(last - first + 1):
        span, column = _ranges(first[block], last[block])
        pixel = (row[block] * size[0]).take(span) + column
        column = column.astype(np.float32)
        inverse = depths[block].take(span) + depth_x[block].take(span) * column
        np.maximum.at(nearest, pixel, inverse)
        shade = (lights[block].take(span) + light_x[block].take(span) * column) / inverse
        kept = np.flatnonzero(nearest.take(pixel) == inverse)
        seen[pixel.take(kept)] = shades.take(shade.take(kept).astype(np.intp), mode="clip")


def _facing(points: Reals, faces: NDArray[np.int32], shape: tuple[int, ...]) -> Indices:
    """The corners (3, T) of the triangles that face the camera and touch the image; `points` (3, V) are x, y, 1 / Z."""
    corners = np.ascontiguousarray(faces.T, np.intp)
    x, y, inverse = points.take(corners, 1)
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    drawn = (area < 0) & (inverse.min(0) > 0)  # y points down
    drawn &= (x.max(0) >= 0) & (x.min(0) < shape[1]) & (y.max(0) >= 0) & (y.min(0) < shape[0])
    return corners.take(np.flatnonzero(drawn), 1)


def _edges(x: Reals, y: Reals) -> tuple[Reals, Reals]:
    """The edge functions (3, 3, T) of triangles with corners x, y (3, T), and their value (T,) at the opposite corners.

    The coefficients of x, of y and of 1, for the edge opposite to each corner. The functions are negative inside
    (Pineda 1988); divided by its value at the opposite corner, each is that corner's barycentric weight.
    """
    after, before = [1, 2, 0], [2, 0, 1]
    across, down = y[after] - y[before], x[before] - x[after]
    offset = x[after] * y[before] - x[before] * y[after]
    return np.stack([across, down, offset]), offset.sum(0)


def _rows(x: Reals, y: Reals, edges: Reals, size: tuple[int, int]) -> tuple[Indices, Indices, Indices, Indices]:
    """The rows of pixels inside each triangle: the triangle, the row, the first column and the last, each (R,)."""
    top, bottom = np.ceil(y.min(0).clip(min=0)), np.floor(y.max(0).clip(max=size[1] - 1))
    owner, row = _ranges(top.astype(np.intp), bottom.astype(np.intp))
    first, last = x.min(0).clip(min=0).take(owner), x.max(0).clip(max=size[0] - 1).take(owner)
    with np.errstate(divide="ignore", invalid="ignore"):
        for across, down, offset in edges.transpose(1, 0, 2):  # inside where across x + down y + offset <= 0
            border = (-down / across).take(owner) * row + (-offset / across).take(owner)
            slope = across.take(owner)
            first = np.maximum(first, np.where(slope < 0, border, -np.inf))
            last = np.minimum(last, np.where(slope > 0, border, np.inf))
    return owner, row, np.ceil(first).astype(np.intp), np.floor(last).astype(np.intp)


def _along_rows(plane: Reals, owner: Indices, row: Indices) -> tuple[Floats, Floats]:
    """A linear function of the image (3, T) along rows of pixels: its value at x = 0 and its slope, each (R,)."""
    across, down, offset = plane
    start = down.take(owner) * row + offset.take(owner)
    return start.astype(np.float32), across.astype(np.float32).take(owner)


def _blocks(counts: Indices) -> Iterator[slice]:
    """Slices of rows, of which each has about `PIXELS` pixels."""
    total = counts.clip(min=0).cumsum()
    ends = np.searchsorted(total, np.arange(PIXELS, total[-1] if len(total) else 0, PIXELS))
    yield from map(slice, [0, *ends], [*ends, len(counts)])


def _ranges(first: Indices, last: Indices) -> tuple[Indices, Indices]:
    """All whole numbers from `first` (N,) to `last` (N,), both included, and which of the N ranges each is of."""
    count = (last - first + 1).clip(min=0)
    owner = np.repeat(np.arange(len(count)), count)
    return owner, np.arange(len(owner)) + np.repeat(first - np.cumsum(count) + count, count)


def draw(
    image: NDArray[np.uint8],
    vertices: ArrayLike,
    faces: NDArray[np.int32],
    camera: Camera,
    colours: ArrayLike,
    opacity: ArrayLike = 1.0,
) -> NDArray[np.uint8]:
    """Draw P lit meshes over `image` (H, W, 3), in place, and return it.

    `vertices` (P, V, 3) are in metres in the camera's frame, `faces` (F, 3) is common to all. `colours` (P, 3) is BGR
    in 0..255; `opacity` one number or (P,), 0..1. The light is the cosine between the normal and `KEY_LIGHT`
    (Lambert 1760), found at the vertices and interpolated between them.
    """
    vertices = np.ascontiguousarray(vertices, np.float32)
    if len(vertices) == 0:
        return image
    light = normals(vertices, faces) @ np.array(KEY_LIGHT, np.float32)
    screen = project(vertices, camera)
    x0, y0, width, height = window(screen, (image.shape[1], image.shape[0]))
    screen[..., :2] -= (x0, y0)
    depth, layer = np.zeros((height, width), np.float32), np.zeros((height, width), np.uint32)
    shades = _shades(np.asarray(colours, np.float32), np.broadcast_to(np.asarray(opacity, np.float32), len(vertices)))
    for mesh in zip(screen, light, shades, strict=True):
        rasterise(mesh[0], faces, *mesh[1:], depth, layer)
    blend(image[y0 : y0 + height, x0 : x0 + width], layer.view(np.uint8).reshape(height, width, 4))
    return image


def _shades(colours: Floats, opacity: Floats) -> NDArray[np.uint32]:
    """Premultiplied BGRA (P, 256) for P meshes' `colours` (P, 3) and `opacity` (P,) at 256 strengths of light."""
    brightness = (AMBIENT + (1 - AMBIENT) * np.linspace(0, 1, 256))[:, None]
    shades = np.empty((len(colours), 256, 4), np.uint8)
    shades[..., :3] = (opacity[:, None, None] * brightness * colours[:, None]).clip(0, 255)
    shades[..., 3] = np.round(255 * opacity)[:, None]
    return shades.view(np.uint32)[..., 0]


def blend(image: NDArray[np.uint8], layer: NDArray[np.uint8]) -> None:
    """Lay a premultiplied BGRA `layer` (h, w, 4) over `image` (h, w, 3), in place."""
    if layer.shape[1] == 0:
        return
    for row in range(0, len(image), 32):
        under, over = image[row : row + 32], layer[row : row + 32]
        through = cv2.cvtColor(255 - over[..., 3], cv2.COLOR_GRAY2BGR)
        under[:] = cv2.add(cv2.multiply(under, through, scale=1 / 255), cv2.cvtColor(over, cv2.COLOR_BGRA2BGR))
