"""Errors between estimated and true bodies: small pure functions, joints in metres, results in mm and degrees.

Arrays are batched over frames: joints (N, J, 3), rotation matrices (N, J, 3, 3).
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.skeleton import JOINT, LEFT_HAND, RIGHT_HAND

Values = NDArray[np.float64]

BODY = slice(0, 22)
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
    mine = np.einsum("nba,njb->nja", estimated_rotations[:, wrist], aligned_at(estimated, wrist)[:, hand])
    theirs = np.einsum("nba,njb->nja", true_rotations[:, wrist], aligned_at(true, wrist)[:, hand])
    return _mean(distances(mine, theirs))


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
