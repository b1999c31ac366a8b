"""Skin against skin: how deep one part of a body is in another, and how far to move it to be out."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.build import Skeleton
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Floats
from pymafx_live.engines.body.render import normals
from scipy.spatial import cKDTree

Vectors = NDArray[np.float64]


TRUNK = [JOINT[name] for name in ("pelvis", "spine1", "spine2", "spine3")]
HEAD = [JOINT[name] for name in ("neck", "head", "jaw", "left_eye", "right_eye")]
FINGERS = {side: [j for name, j in JOINT.items() if name.startswith(side) and j >= 25] for side in SIDES}
HAND = {side: [JOINT[f"{side}_wrist"], *FINGERS[side]] for side in SIDES}
FOREARM = {side: [JOINT[f"{side}_elbow"]] for side in SIDES}
ARM = {side: [JOINT[f"{side}_shoulder"], *FOREARM[side], *HAND[side]] for side in SIDES}
"""The joints whose flesh makes up each part."""

REACH = 0.06
"""Metres: what is deeper than this is on the other side."""


def skin(skeleton: Skeleton, joints: Sequence[int]) -> Skeleton:
    """The skeleton with only the skin that mostly follows `joints`, and its faces."""
    inside = np.isin(skeleton.body.skin_joints[:, 0], joints)
    return skeleton.part(np.flatnonzero(inside))


def depths(points: Floats, surface: Floats, outward: Floats) -> NDArray[np.float64]:
    """How far points (N, 3) are inside a skin (V, 3) with normals `outward` (V, 3), in metres; 0 outside.

    A point is inside when it lies behind the tangent plane of the nearest vertex.
    """
    distance, nearest = cKDTree(surface).query(points)
    height = ((points - surface[nearest]) * outward[nearest]).sum(1)
    return np.asarray(np.where((height < 0) & (distance < REACH), -height, 0.0))


def overlap(mover: Skeleton, obstacle: Skeleton, pose: Vectors, pelvis: Vectors) -> float:
    """The greatest depth of the skin of one part in another's over some of the frames, in metres."""
    worst = 0.0
    every = max(len(pose) // 8, 1)
    points, surfaces = (part.vertices(pose[::every], pelvis[::every]) for part in (mover, obstacle))
    for moving, surface in zip(points, surfaces, strict=True):
        outward = normals(surface[None], obstacle.body.faces)[0]
        worst = max(worst, float(depths(moving, surface, outward).max()))
    return worst


def clearance(place: Callable[[float], float], allowed: float, limit: float) -> float:
    """The least offset from 0 to `limit` at which `place`, told an offset, answers an overlap of at most `allowed`.

    `place` has been called with that offset last.
    """
    low, high = 0.0, limit
    if place(0.0) <= allowed:
        return 0.0
    for _ in range(6):
        middle = (low + high) / 2
        if place(middle) <= allowed:
            high = middle
        else:
            low = middle
    place(high)
    return high
