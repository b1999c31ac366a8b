"""Furniture that people sit at and stand behind: blocks that are drawn once a clip, with their exact depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.compiled import compiled
from pymafx_live.bench.mannequin.raster import View
from pymafx_live.core.types import Camera, Floats

PAINT, WOOD, CLOTH, KEYS = range(4)
"""What a block is made of."""
MARGIN = 0.003
"""Metres that people must be behind a surface to be hidden by it: what rests on a desk is not eaten by it."""


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """An axis-aligned block: `low` and `high` (3,) in metres of the room, BGR `colour` (3,), `kind` of surface."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    colour: NDArray[np.float64]
    kind: int = PAINT


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    """The furniture as the camera sees it, `scale` times finer than the image.

    `layer` (h, w, 4) is opaque BGRA where furniture is, `depth` (h, w) its inverse depth in 1/m (0 elsewhere) and
    `top` (h, w) the number of the block whose upper face is seen there, or -1.
    """

    layer: NDArray[np.uint8]
    depth: Floats
    top: NDArray[np.int8]


def build_set(
    blocks: Sequence[Block],
    camera: Camera,
    rotation: Floats,
    position: Floats,
    lamp: tuple[Floats, Floats],
    scale: int,
) -> Set:
    """Draw `blocks` as a camera at `position` (3,) sees them, lit by `lamp` (direction in the room, BGR colour).

    `rotation` (3, 3) takes the room's directions to the camera's frame.
    """
    shape = camera.height * scale, camera.width * scale
    out = Set(np.zeros((*shape, 4), np.uint8), np.zeros(shape, np.float32), np.full(shape, -1, np.int8))
    if blocks:
        corners = np.array([[b.low, b.high] for b in blocks], np.float64)
        colours = np.array([b.colour for b in blocks], np.float64)
        kinds = np.array([b.kind for b in blocks])
        direction, colour = lamp
        _draw(corners, colours, kinds, rotation.astype(np.float64), position.astype(np.float64),
              camera.fx, camera.fy, camera.cx, camera.cy, scale, direction, colour,
              out.layer, out.depth, out.top)  # fmt: skip
    return out


def hide(seen: View, furniture: Floats) -> int:
    """Take out of a view what is behind furniture, whose inverse depth is of the view's scale; how many pixels."""
    x, y = seen.corner
    return int(_hide(seen.index, seen.depth, furniture, y * seen.scale, x * seen.scale))


@compiled
def _hide(index, depth, furniture, top, left):  # type: ignore[no-untyped-def]
    hidden = 0
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            nearer = furniture[row + top, column + left]
            if nearer > 0.0 and index[row, column] >= 0 and nearer > depth[row, column] * (1.0 + MARGIN * nearer):
                index[row, column] = -1
                hidden += 1
    return hidden


@compiled
def _draw(corners, colours, kinds, rotation, origin, fx, fy, cx, cy, scale, lamp, warmth, layer, depth, top):  # type: ignore[no-untyped-def]
    """One ray per pixel against all blocks (slab test, Kay & Kajiya 1986); the nearest one is shaded."""
    ray = np.empty(3)
    for row in range(depth.shape[0]):
        y = ((row + 0.5) / scale - 0.5 - cy) / fy
        for column in range(depth.shape[1]):
            x = ((column + 0.5) / scale - 0.5 - cx) / fx
            for k in range(3):  # its length along the camera's axis is 1: distances are depths
                ray[k] = rotation[0, k] * x + rotation[1, k] * y + rotation[2, k]
            nearest, block, axis = 1e9, -1, 0
            for b in range(len(corners)):
                enters, leaves, face = -1e9, 1e9, 0
                for k in range(3):
                    first = (corners[b, 0, k] - origin[k]) / ray[k]
                    second = (corners[b, 1, k] - origin[k]) / ray[k]
                    near = min(first, second)
                    if near > enters:
                        enters, face = near, k
                    leaves = min(leaves, max(first, second))
                if 0.05 < enters < leaves and enters < nearest:
                    nearest, block, axis = enters, b, face
            if block < 0:
                continue
            depth[row, column] = 1.0 / nearest
            px = origin[0] + nearest * ray[0]
            py = origin[1] + nearest * ray[1]
            pz = origin[2] + nearest * ray[2]
            towards = -1.0 if ray[axis] > 0 else 1.0
            if axis == 1 and towards > 0:
                top[row, column] = block
            tone = _texture(px, py, pz, axis, kinds[block])
            facing = max(lamp[axis] * towards, 0.0)
            for k in range(3):
                value = colours[block, k] * tone * (0.5 + 0.08 * (axis == 1) + 0.5 * facing * warmth[k])
                layer[row, column, k] = np.uint8(min(max(value, 0.0), 255.0))
            layer[row, column, 3] = 255


@compiled
def _texture(x, y, z, axis, kind):  # type: ignore[no-untyped-def]
    """The brightness of a surface at a point: the grain of wood, the weave of cloth, the keys of a keyboard."""
    if kind == WOOD:
        across = z if axis == 1 else y
        ring = across + 0.012 * np.sin(3.1 * x + 1.7) + 0.004 * np.sin(17.0 * x)
        return 1.0 + 0.07 * np.sin(95.0 * ring) + 0.03 * np.sin(410.0 * ring + 5.0 * x)
    if kind == CLOTH:
        return 1.0 + 0.06 * np.sin(700.0 * x) * np.sin(700.0 * (y + z)) + 0.05 * np.sin(9.0 * x + 7.0 * y)
    if kind == KEYS and axis == 1:
        u, v = (x / 0.019) % 1.0, (z / 0.019) % 1.0
        return 1.0 if 0.12 < u < 0.88 and 0.12 < v < 0.88 else 0.45
    return 1.0
