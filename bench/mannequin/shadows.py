"""Shadows of the people on the floor and on the furniture's tops."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin import raster
from pymafx_live.bench.mannequin.props import Block, Set
from pymafx_live.bench.mannequin.room import rays_of
from pymafx_live.bench.mannequin.stage import Setup
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.render import blend


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """A level surface at `height` metres over the floor; `where` (H, W) it is seen, or None for everywhere."""

    height: float = 0.0
    where: NDArray[np.bool_] | None = None


def cast_shadow(
    image: NDArray[np.uint8], vertices: Floats, body: BodyModel, setup: Setup, lamp: Floats, plane: Plane
) -> None:
    """Darken, in place, the plane where `lamp` (3,) does not reach it: the meshes (P, V, 3) projected along the light.

    The direction to the lamp is in the room's frame, the vertices in the camera's.
    """
    if plane.where is not None and not plane.where.any():
        return
    key, sky = setup.rotation @ lamp, setup.rotation[:, 1].copy()
    ground = -setup.position @ setup.rotation.T @ sky + np.float32(plane.height)
    height = vertices @ sky - ground
    flat = vertices - (height / (key @ sky))[..., None] * key
    if plane.height > 0:
        flat[height < 0] = 0.0  # what is below casts nothing
    both = np.concatenate([body.faces, body.faces[:, ::-1]])
    seen = raster.view(flat.astype(np.float32), both, setup.camera)
    if seen.index.size == 0:
        return
    soft = 12  # pixels of penumbra
    shade = cv2.copyMakeBorder((seen.index >= 0) * np.uint8(97), soft, soft, soft, soft, cv2.BORDER_CONSTANT)
    layer = np.zeros((*shade.shape, 4), np.uint8)
    layer[..., 3] = cv2.GaussianBlur(shade, (0, 0), soft / 3)
    (x, y), (height, width) = seen.corner, image.shape[:2]
    top, left = max(soft - y, 0), max(soft - x, 0)
    layer = layer[top : top + height - max(y - soft, 0), left : left + width - max(x - soft, 0)]
    row, column = max(y - soft, 0), max(x - soft, 0)
    h, w = layer.shape[:2]
    if plane.where is not None:
        layer[..., 3] *= plane.where[row : row + h, column : column + w]
    blend(image[row : row + h, column : column + w], layer)


def planes(blocks: Sequence[Block], furniture: Set | None, setup: Setup, behind: float) -> list[Plane]:
    """The floor of a room whose back wall is `behind` metres behind the origin, and the large tops of its furniture."""
    scale = 1 if furniture is None else furniture.depth.shape[0] // setup.camera.height
    rays = rays_of(setup.camera, setup.rotation)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = -setup.position[1] / rays[..., 1]
        floor = (reach > 0) & (setup.position[2] + reach * rays[..., 2] > -behind)
    if furniture is None:
        return [Plane(0.0, floor)]
    floor &= furniture.depth[::scale, ::scale] == 0
    tops = furniture.top[::scale, ::scale]
    large = [k for k, b in enumerate(blocks) if np.prod((b.high - b.low)[[0, 2]]) > 0.15]
    return [Plane(0.0, floor)] + [Plane(float(blocks[k].high[1]), tops == k) for k in large]
