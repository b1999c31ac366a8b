"""Which joints of a rendered person can be seen: what the z-buffer shows where each joint is."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.compiled import compiled
from pymafx_live.bench.mannequin.raster import View
from pymafx_live.core.skeleton import JOINT_NAMES
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.body.model import BodyModel

RADIUS, FINGER_RADIUS = 0.02, 0.006
"""Metres about a joint that are looked at; more than half of them must be free."""


def seen_joints(
    joints: Floats, view: View, furniture: Floats | None, body: BodyModel, camera: Camera
) -> NDArray[np.bool_]:
    """Whether each of P people's joints (P, 55, 3) is seen, (P, 55).

    A joint is seen when it lies inside the image and neither `furniture` (the inverse depth at the view's scale) nor
    another person is nearer than it at most of the pixels about it. Elbows, wrists, fingers, knees and feet are also
    hidden by the person's own trunk and other limbs. `view` is of the same people in the same order.
    """
    seen = np.zeros(joints.shape[:2], np.bool_)
    depth = np.zeros((0, 0), np.float32) if furniture is None else furniture
    radii = np.array([FINGER_RADIUS if j >= 25 else RADIUS for j in range(55)])
    limbs = _limbs()
    parts = limbs[body.skin_joints[body.faces[:, 0], 0]]
    _look(joints, view.index, view.depth, *view.corner, view.scale, depth, parts, _followers(), radii,
          camera.fx, camera.fy, camera.cx, camera.cy, camera.width, camera.height, seen)  # fmt: skip
    return seen


@cache
def _limbs() -> NDArray[np.int64]:
    """The limb (55,) that each joint's flesh belongs to: 0 trunk and head, 1 and 2 the arms, 3 and 4 the legs."""
    return np.array([_limb(name) for name in JOINT_NAMES])


def _limb(name: str) -> int:
    right = name.startswith("right")
    if (name[-1].isdigit() and "spine" not in name) or any(word in name for word in ("shoulder", "elbow", "wrist")):
        return 1 + right
    return 3 + right if any(word in name for word in ("hip", "knee", "ankle", "foot")) else 0


@cache
def _followers() -> NDArray[np.int64]:
    """The limb (55,) of the joints that their own body can hide, 0 for the others."""
    return np.where([any(word in name for word in ("hip", "shoulder")) for name in JOINT_NAMES], 0, _limbs())


@compiled
def _look(joints, index, depth, left, top, scale, furniture, parts, limb, radii, fx, fy, cx, cy, width, height, seen):  # type: ignore[no-untyped-def]
    """Look at 5 x 5 points about each joint."""
    count = len(parts)
    for p in range(joints.shape[0]):
        for j in range(joints.shape[1]):
            z = joints[p, j, 2]
            if z < 0.05:
                continue
            u, v = fx * joints[p, j, 0] / z + cx, fy * joints[p, j, 1] / z + cy
            if u < 0.0 or v < 0.0 or u > width - 1 or v > height - 1:
                continue
            looked, hidden = 0, 0
            for a in range(-2, 3):
                for b in range(-2, 3):
                    x, y = u + a * 0.5 * fx * radii[j] / z, v + b * 0.5 * fy * radii[j] / z
                    if x < 0.0 or y < 0.0 or x > width - 1 or y > height - 1:
                        continue
                    column, row = int((x + 0.5) * scale), int((y + 0.5) * scale)
                    looked += 1
                    if furniture.size > 0 and furniture[row, column] * z > 1.0:
                        hidden += 1
                        continue
                    row, column = row - top * scale, column - left * scale
                    if row < 0 or column < 0 or row >= index.shape[0] or column >= index.shape[1]:
                        continue
                    number = index[row, column]
                    if number < 0 or depth[row, column] * z < 1.0:
                        continue
                    mine = number // count == p
                    if not mine or (limb[j] > 0 and parts[number % count] != limb[j]):
                        hidden += 1
            seen[p, j] = looked > 2 * hidden
