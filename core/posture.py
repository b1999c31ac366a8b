"""What a pose says of single joints: rotations, where a joint faces, how far fingers are curled.

A pose (55, 3) holds the axis-angle vectors of SMPL-X's joints, each relative to its parent, the pelvis in the camera's
frame. Needs numpy only.
"""

from collections.abc import Mapping

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, PARENTS, SIDES

FACING = np.diag([1.0, -1.0, -1.0])
"""The global rotation of who is upright and faces the camera."""
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
_THUMB = np.array([[0.719, 0.417, -0.556], [0.620, 0.471, -0.628], [0.620, 0.471, -0.628]])
"""The axes about which the joints of the left thumb bend, across the palm, in their parents' axes at rest."""
_FIST: Mapping[str, float] = {finger: np.radians(128.0 if finger == "thumb" else 240.0) for finger in FINGERS}
"""By how much all joints of a finger bend together in a fist (`bench/mannequin/anatomy.py`), in radians."""


def index_of(joint: str) -> int:
    """The number of a joint; raises `ValueError` for a name that there is not."""
    if joint not in JOINT:
        raise ValueError(f"there is no joint {joint!r}: pymafx_live.core.names.JOINTS has their names")
    return JOINT[joint]


def rotation(pose: Reals, joint: str) -> Reals:
    """The rotation (3, 3) of a joint relative to its parent."""
    return to_matrices(np.asarray(pose[index_of(joint)], np.float64))


def global_rotation(pose: Reals, joint: str) -> Reals:
    """The rotation (3, 3) that takes a joint's own axes (x left, y up, z forward) into the camera's frame."""
    j = index_of(joint)
    out = np.eye(3)
    while j >= 0:
        out = rotation(pose, JOINT_NAMES[j]) @ out
        j = PARENTS[j]
    return np.asarray(out)


def facing(pose: Reals, joint: str, front: Reals = FACING) -> tuple[float, float, float]:
    """Yaw, pitch and roll of a joint in radians, all 0 for whose global rotation is `front` (3, 3).

    That is who is upright and faces the camera, where the pose is one of the camera's frame.

    Turned to the own left, nodding down, and tilted to the own right are positive; the angles are to be applied in this
    order, each about an axis that the one before has turned.
    """
    R = front.T @ global_rotation(pose, joint)
    yaw, roll = np.arctan2(R[0, 2], R[2, 2]), np.arctan2(R[1, 0], R[1, 1])
    return float(yaw), float(np.arcsin(np.clip(-R[1, 2], -1, 1))), float(roll)


def curls(pose: Reals, side: str) -> dict[str, float]:
    """How far each finger of a hand is curled: 0 straight, 1 as in a fist."""
    if side not in SIDES:
        raise ValueError(f"a hand is left or right, not {side!r}")
    # A mirror turns the other way about the axes that lie in it.
    mirror = np.array([1.0, -1.0, -1.0]) if side == "right" else np.ones(3)
    out = {}
    for finger in FINGERS:
        turns = pose[[JOINT[f"{side}_{finger}{k}"] for k in (1, 2, 3)]] * mirror
        # A finger bends about an axis that lies in the palm; about y it only spreads.
        across = -np.sign(turns[:, 2]) * np.hypot(turns[:, 0], turns[:, 2])
        bent = (turns * _THUMB).sum(1) if finger == "thumb" else across
        out[finger] = float(np.clip(bent.sum() / _FIST[finger], 0, 1))
    return out
