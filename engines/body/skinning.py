"""A skinned body's arithmetic: forward kinematics, the flesh's maps, linear blend skinning.

P is people, V vertices, K skinning weights per vertex. Nothing is kept between calls: threads may share a body.
"""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core import kinematics
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, PARENTS
from pymafx_live.core.types import Floats
from scipy.sparse import csr_array

MAIN_CHILD: dict[str, str] = {
    "pelvis": "spine1", "spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head",
    **{f"{s}_{a}": f"{s}_{b}" for s in ("left", "right") for a, b in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"), ("collar", "shoulder"),
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "middle1"))},
    **{f"{s}_{f}{k}": f"{s}_{f}{k + 1}" for s in ("left", "right")
       for f in ("index", "middle", "pinky", "ring", "thumb") for k in (1, 2)},
}  # fmt: skip
"""The bone along which a joint's flesh stretches: from the joint to this child."""

_PARENTS = np.array(PARENTS)


def _stretch_ends() -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """The joints whose flesh stretches with a bone, and the ends of that bone (from, to); the other joints only scale.

    A fingertip has no child: it follows the bone that leads to it.
    """
    ends = []
    for j, name in enumerate(JOINT_NAMES):
        if name in MAIN_CHILD:
            ends.append((j, j, JOINT[MAIN_CHILD[name]]))
        elif name.endswith("3") and name != "spine3":
            ends.append((j, PARENTS[j], j))
    joints, starts, stops = np.array(ends).T
    return joints, starts, stops


STRETCHED, STARTS, STOPS = _stretch_ends()


def forward_kinematics(local: Floats, transl: Floats, rest: Floats, bones: Floats) -> tuple[Floats, Floats]:
    """Joints (P, 55, 3) and global rotations (P, 55, 3, 3) of `local` rotations (P, 55, 3, 3), each in its parent.

    T_j = T_parent + G_parent (bones_j (J_j - J_parent)), T_pelvis = transl + J_pelvis, with rest joints J
    `rest` (P, 55, 3) and bone length ratios `bones` (P, 55).
    """
    rotations = kinematics.global_rotations(local)
    steps = bones[..., None] * (rest - rest[:, _PARENTS])
    return kinematics.positions(rotations, transl + rest[:, 0], steps), rotations


def flesh_maps(rest: Floats, bones: Floats, positions: Floats, rotations: Floats) -> Floats:
    """Affine maps (P, 55, 3, 4) from rest space to the posed flesh of each joint.

    The linear part is G (s I + (r - s) d dᵀ): along the main bone's direction d the flesh stretches by that
    bone's ratio r, across it by the overall size s = bones_0. The joint itself lands on its position.
    """
    bone = rest[:, STOPS] - rest[:, STARTS]
    share = (bones[:, STOPS] - bones[:, :1]) / np.maximum((bone**2).sum(-1), np.float32(1e-12))
    along = (rotations[:, STRETCHED] @ bone[..., None]) * share[..., None, None]
    maps = np.empty((*rest.shape, 4), np.float32)
    maps[..., :3] = bones[:, :1, None, None] * rotations
    maps[:, STRETCHED, :, :3] += along * bone[:, :, None]
    maps[..., 3] = positions - (maps[..., :3] @ rest[..., None])[..., 0]
    return maps


def skin(template: Floats, skin_joints: NDArray[np.uint8], skin_weights: Floats, maps: Floats) -> Floats:
    """Linear blend skinning: vertices (P, V, 3) from `template` (P or 1, V, 3) and the maps (P, 55, 3, 4)."""
    count, width = skin_joints.shape
    weights = csr_array(
        (skin_weights.ravel(), skin_joints.astype(np.int32).ravel(), np.arange(0, count * width + 1, width)),
        shape=(count, maps.shape[1]),
    )
    out = np.empty((len(maps), count, 3), np.float32)
    for i, of_joints in enumerate(maps):
        x, y, z = template[min(i, len(template) - 1)].T[..., None]
        blended = (weights @ of_joints.transpose(0, 2, 1).reshape(-1, 12)).reshape(count, 4, 3)
        out[i] = blended[:, 0] * x + blended[:, 1] * y + blended[:, 2] * z + blended[:, 3]
    return out
