"""Errors between estimated and true bodies: small pure functions, joints in metres, results in mm and degrees.

Arrays are batched over frames: joints (N, J, 3), rotation matrices (N, J, 3, 3).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.skeleton import JOINT, LEFT_HAND, RIGHT_HAND, SIDES
from pymafx_live.core.types import Camera

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


BODY = slice(0, 22)
SHOULDERS = [JOINT["left_shoulder"], JOINT["right_shoulder"]]
UPPER = [JOINT["neck"], JOINT["head"], *SHOULDERS, *(JOINT[f"{s}_{j}"] for j in ("elbow", "wrist") for s in SIDES)]
LEGS = [JOINT[f"{s}_{j}"] for j in ("knee", "ankle") for s in SIDES]
TRUNK = [JOINT["pelvis"], JOINT["spine3"]]
NEAR = 0.5
"""Of the shoulders' breadth: a leg that is drawn so near to a true one is not invented, only wrong."""
HANDS: Mapping[str, tuple[int, slice]] = {
    "left": (JOINT["left_wrist"], LEFT_HAND),
    "right": (JOINT["right_wrist"], RIGHT_HAND),
}
GROUPS: Mapping[str, tuple[int, ...]] = {
    "pelvis": (0,),
    "chest": (JOINT["spine3"],),
    "head": (JOINT["head"],),
    **{
        part: (JOINT[f"left_{part}"], JOINT[f"right_{part}"])
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    },
    "fingers": tuple(range(25, 55)),
}
"""The joints whose rotation errors are averaged together."""


def distances(estimated: Values, true: Values) -> Values:
    """The distances (N, J) between corresponding points (N, J, 3), in mm."""
    return np.asarray(np.linalg.norm(estimated - true, axis=-1) * 1e3)


def _mean(per_joint: Values) -> Values:
    return np.asarray(per_joint.mean(1))


def aligned_at(joints: Values, root: int) -> Values:
    """The joints (N, J, 3) relative to the joint `root` of their own frame."""
    return joints - joints[:, root : root + 1]


def body_error(estimated: Values, true: Values) -> Values:
    """MPJPE (N,): the mean distance of the 22 body joints with the pelvis aligned, in mm."""
    return _mean(distances(aligned_at(estimated, 0)[:, BODY], aligned_at(true, 0)[:, BODY]))


def upper_error(estimated: Values, true: Values, seen: Mask) -> Values:
    """The mean distance (N,) of the seen joints of the upper body, aligned at the middle of the shoulders, in mm.

    `seen` (N, 55) says which joints count; a person of whose upper body nothing is seen has no number (NaN).
    """
    counted = seen[:, UPPER]
    off = distances(*(j[:, UPPER] - j[:, SHOULDERS].mean(1, keepdims=True) for j in (estimated, true)))
    with np.errstate(invalid="ignore"):
        return np.asarray((off * counted).sum(1) / counted.sum(1))


def invented_legs(estimated: Values, true: Values, seen: Mask, camera: Camera) -> Mask:
    """Whether a knee or an ankle (N,) of the estimate is drawn where the picture has none.

    It projects into the picture, while the true one does not or is hidden there, and no true knee or ankle, seen
    or not, projects within `NEAR` of the true shoulders' breadth from it.
    """
    points, theirs = project(estimated[:, LEGS], camera), project(true[:, LEGS], camera)
    breadth = np.linalg.norm(true[:, SHOULDERS[0]] - true[:, SHOULDERS[1]], axis=1)
    near = NEAR * breadth * camera.fx / np.maximum(true[:, SHOULDERS, 2].mean(1), 0.1)
    gaps = np.linalg.norm(points[:, :, None] - theirs[:, None], axis=-1)
    gaps[~np.isfinite(gaps)] = np.inf
    alone = gaps.min(2) > near[:, None]
    shown = inside(theirs, camera) & seen[:, LEGS]
    return np.asarray((inside(points, camera) & ~shown & alone).any(1))


def project(points: Values, camera: Camera) -> Values:
    """Points (..., 3) in pixels (..., 2); what is not in front of the camera is nowhere (NaN)."""
    depth = np.where(points[..., 2:] > 0.05, points[..., 2:], np.nan)
    return np.asarray(points[..., :2] / depth * (camera.fx, camera.fy) + (camera.cx, camera.cy))


def inside(pixels: Values, camera: Camera) -> Mask:
    """Whether points (..., 2) lie in the picture."""
    with np.errstate(invalid="ignore"):
        return np.asarray(((pixels >= 0) & (pixels <= (camera.width - 1, camera.height - 1))).all(-1))


def mixed_up(estimated: Values, people: Values, own: NDArray[np.intp], camera: Camera) -> Mask:
    """Whether a skeleton (N, 55, 3) lies on another one of the true people (N, P, 55, 3) than its own (N,).

    In the picture its neck, head and shoulders are, on average, less than half as far from the other's as from its own.
    """
    gaps = np.linalg.norm(
        project(estimated[:, None, UPPER[:4]], camera) - project(people[:, :, UPPER[:4]], camera), axis=-1
    )
    gaps = np.where(np.isfinite(gaps), gaps, np.inf).mean(2)
    rows = np.arange(len(own))
    off = gaps[rows, own].copy()
    gaps[rows, own] = np.inf
    return np.asarray(gaps.min(1) < 0.5 * off)


def facing_error(estimated: Values, true: Values) -> Values:
    """The larger of the angles (N,) between the ways that pelvis and chest face, in degrees.

    The arguments are global rotations (N, 55, 3, 3); a trunk faces along its z axis.
    """
    cosine = (estimated[:, TRUNK][..., 2] * true[:, TRUNK][..., 2]).sum(-1)
    return np.asarray(np.degrees(np.arccos(cosine.clip(-1, 1))).max(1))


def procrustes(estimated: Values, true: Values) -> Values:
    """`estimated` (N, J, 3) moved, turned and scaled as one onto `true` with least squares (Umeyama 1991)."""
    mean, goal = estimated.mean(1, keepdims=True), true.mean(1, keepdims=True)
    x, y = estimated - mean, true - goal
    u, s, vt = np.linalg.svd(np.swapaxes(y, 1, 2) @ x)
    sign = np.ones((len(x), 3))
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = u * sign[:, None] @ vt
    scale = (s * sign).sum(1) / np.maximum((x * x).sum((1, 2)), 1e-12)
    return np.asarray(scale[:, None, None] * x @ np.swapaxes(rotation, 1, 2) + goal)


def body_shape_error(estimated: Values, true: Values) -> Values:
    """PA-MPJPE (N,): the mean distance of the 22 body joints after `procrustes`, in mm."""
    return _mean(distances(procrustes(estimated[:, BODY], true[:, BODY]), true[:, BODY]))


def hand_error(estimated: Values, true: Values, side: str) -> Values:
    """The mean distance (N,) of a hand's 15 finger joints with the wrist's position aligned, in mm."""
    wrist, hand = HANDS[side]
    return _mean(distances(aligned_at(estimated, wrist)[:, hand], aligned_at(true, wrist)[:, hand]))


def finger_error(
    estimated: Values, true: Values, estimated_rotations: Values, true_rotations: Values, side: str
) -> Values:
    """The mean distance (N,) of the finger joints seen from the wrist: its position and rotation aligned, in mm."""
    wrist, hand = HANDS[side]
    mine, theirs = seen_from(estimated, estimated_rotations, wrist), seen_from(true, true_rotations, wrist)
    return _mean(distances(mine[:, hand], theirs[:, hand]))


def seen_from(joints: Values, rotations: Values, root: int) -> Values:
    """The joints (N, J, 3) in the own frame of the joint `root`, whose global rotation is that of `rotations`."""
    return np.asarray(np.einsum("nba,njb->nja", rotations[:, root], aligned_at(joints, root)))


def rotation_error(estimated: Values, true: Values) -> Values:
    """The angle (N, J) of the rotation between two global rotations (N, J, 3, 3), in degrees."""
    between = np.swapaxes(true, -1, -2) @ estimated
    skew = between - np.swapaxes(between, -1, -2)
    sine = np.linalg.norm(skew.reshape(*skew.shape[:-2], 9), axis=-1) / np.sqrt(8)
    cosine = (np.trace(between, axis1=-2, axis2=-1) - 1) / 2
    return np.asarray(np.degrees(np.arctan2(sine, cosine)))


def jitter(joints: Values, fps: float) -> Values:
    """The mean acceleration (T - 2,) of joints (T, J, 3) over time, in m/s²."""
    acceleration = np.diff(joints, 2, axis=0) * fps * fps
    return np.asarray(np.linalg.norm(acceleration, axis=-1).mean(1))
