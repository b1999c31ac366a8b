"""Estimated bodies against the landmarks that MediaPipe has in the picture: small pure functions.

Arrays are batched over frames. Joints are (N, 55, 3), metres in the camera's frame. Landmarks are (N, 75, 3): the
body's 33, the left hand's 21 and the right hand's 21; x and y in pixels, and visibility; NaN where nothing was found.
"""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench import metrics
from pymafx_live.bench.metrics import Mask, Values
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Camera

Landmarks = NDArray[np.float32]

COUNT = 75
SHOULDERS, HIPS, LEGS = [11, 12], [23, 24], [25, 26, 27, 28]
HAND = {"left": 33, "right": 54}
"""The first landmark of each hand."""
ARMS = {"shoulder": (11, 12), "elbow": (13, 14), "wrist": (15, 16)}
ARM_LANDMARKS = [k for pair in ARMS.values() for k in pair]
ARM_JOINTS = [JOINT[f"{side}_{name}"] for name in ARMS for side in SIDES]

VISIBLE = 0.5
APART = 0.4
"""Shoulders so far apart, in heights of the trunk, tell a back from a front: one turned by less than 55 degrees."""
STILL = 0.005
"""Of the shoulders' breadth: shoulders that move less from frame to frame are still."""
_NEAREST = 0.06
"""Metres of depth at which a joint is drawn that is nearer, or behind the camera: far out of the picture."""


def known(landmarks: Landmarks) -> Mask:
    """In which frames (N,) a body was found."""
    return np.asarray(np.isfinite(landmarks[:, 0, 0]))


def shown(landmarks: Landmarks, camera: Camera) -> Mask:
    """Which landmarks (N, K, 3) are visible and lie in the picture, (N, K)."""
    with np.errstate(invalid="ignore"):
        inside = metrics.inside(landmarks[..., :2].astype(np.float64), camera)
        return np.asarray((landmarks[..., 2] > VISIBLE) & inside)


def breadth(landmarks: Landmarks) -> Values:
    """The shoulders' distance in the picture (N,), in pixels."""
    a, b = (landmarks[:, k, :2] for k in SHOULDERS)
    return np.asarray(np.maximum(np.linalg.norm(a - b, axis=1), 1.0), np.float64)


def arm_error(joints: Values, landmarks: Landmarks, camera: Camera) -> Values:
    """How far shoulders, elbows and wrists, left and right, are from landmarks that are shown, in breadths of the
    shoulders, (N, 6); NaN for the others."""
    gap = np.linalg.norm(_pixels(joints[:, ARM_JOINTS], camera) - landmarks[:, ARM_LANDMARKS, :2], axis=2)
    gap[~shown(landmarks[:, ARM_LANDMARKS], camera)] = np.nan
    return np.asarray(gap / breadth(landmarks)[:, None])


def invented_legs(joints: Values, landmarks: Landmarks, camera: Camera) -> Mask:
    """Whether a knee or an ankle (N,) is drawn into the picture where no knee or ankle is shown.

    As for rendered people (`metrics.invented_legs`), one is not invented that is nearer to a shown one than `NEAR`.
    """
    points, theirs = _pixels(joints[:, metrics.LEGS], camera), landmarks[:, LEGS]
    there = shown(theirs, camera)
    gaps = np.linalg.norm(points[:, :, None] - theirs[:, None, :, :2], axis=-1)
    gaps = np.where(there[:, None], gaps, np.inf)
    alone = gaps.min(2) > metrics.NEAR * breadth(landmarks)[:, None]
    return np.asarray((metrics.inside(points, camera) & ~there & alone).any(1))


def wrong_way(rotations: Values, landmarks: Landmarks) -> Values:
    """Whether pelvis or chest face away from where the order of the shoulders says, (N,); NaN where it says nothing.

    `rotations` (N, 55, 3, 3) are global; a trunk faces along its z axis, and towards the camera is -z. The left
    shoulder is on the picture's right of who faces the camera.
    """
    across = landmarks[:, SHOULDERS[0], 0] - landmarks[:, SHOULDERS[1], 0]
    trunk = landmarks[:, SHOULDERS, :2].mean(1) - landmarks[:, HIPS, :2].mean(1)
    away = rotations[:, metrics.TRUNK][..., 2, 2]
    wrong = (away * np.sign(across)[:, None] > 0).any(1)
    with np.errstate(invalid="ignore"):
        told = np.abs(across) > APART * np.linalg.norm(trunk, axis=1)
    return np.asarray(np.where(told, wrong, np.nan), np.float64)


def still_jitter(joints: Values, landmarks: Landmarks, fps: float) -> Values:
    """The accelerations (M,) of the shoulders, in m/s², in those of N successive frames in which they are still."""
    if len(joints) < 3:
        return np.empty(0)
    step = np.linalg.norm(np.diff(landmarks[:, SHOULDERS, :2], axis=0), axis=-1).max(1)
    with np.errstate(invalid="ignore"):
        still = step < STILL * breadth(landmarks)[1:]
    return np.asarray(metrics.jitter(joints[:, metrics.SHOULDERS], fps)[still[:-1] & still[1:]])


def box(landmarks: Landmarks, camera: Camera) -> NDArray[np.float32]:
    """The box (4,) about the body's landmarks (75, 3) that are shown; NaN without any."""
    there = landmarks[:33][shown(landmarks[:33], camera)][:, :2]
    if not len(there):
        return np.full(4, np.nan, np.float32)
    return np.concatenate([there.min(0), there.max(0)]).astype(np.float32)


def _pixels(joints: Values, camera: Camera) -> Values:
    """Joints (N, K, 3) in pixels (N, K, 2), also of what no camera could see."""
    ahead = joints.copy()
    ahead[..., 2] = np.maximum(ahead[..., 2], _NEAREST)
    return metrics.project(ahead, camera)
