"""The compiled inner loops of a skinned body: forward kinematics, the flesh's maps, linear blend skinning.

All functions write into arrays that the caller owns, hold no state and release the GIL, so that several
threads may use one body at once. P is people, V vertices, K skinning weights per vertex.
"""

import numpy as np
from numba import njit
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, PARENTS

MAIN_CHILD: dict[str, str] = {
    "pelvis": "spine1", "spine1": "spine2", "spine2": "spine3", "spine3": "neck", "neck": "head",
    **{f"{s}_{a}": f"{s}_{b}" for s in ("left", "right") for a, b in (
        ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"), ("collar", "shoulder"),
        ("shoulder", "elbow"), ("elbow", "wrist"), ("wrist", "middle1"))},
    **{f"{s}_{f}{k}": f"{s}_{f}{k + 1}" for s in ("left", "right")
       for f in ("index", "middle", "pinky", "ring", "thumb") for k in (1, 2)},
}  # fmt: skip
"""The bone along which a joint's flesh stretches: from the joint to this child."""

_PARENTS = np.array(PARENTS, np.int64)


def _stretch_ends() -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """The bone (from, to) that sets each joint's stretch, shape (55, 2); -1 where the flesh only scales.

    A fingertip has no child: it follows the bone that leads to it.
    """
    ends = np.full((55, 2), -1, np.int64)
    for j, name in enumerate(JOINT_NAMES):
        if name in MAIN_CHILD:
            ends[j] = j, JOINT[MAIN_CHILD[name]]
        elif name.endswith("3") and name != "spine3":
            ends[j] = PARENTS[j], j
    return ends


_STRETCH = _stretch_ends()


@njit(cache=True, nogil=True, error_model="numpy")
def forward_kinematics(local, transl, rest, bones, positions, rotations):  # type: ignore[no-untyped-def]
    """Joints (P, 55, 3) and global rotations (P, 55, 3, 3) of `local` rotations (P, 55, 3, 3), each in its parent.

    T_j = T_parent + G_parent (bones_j (J_j - J_parent)), T_pelvis = transl + J_pelvis, with rest joints J
    `rest` (P, 55, 3) and bone length ratios `bones` (P, 55).
    """
    for i in range(local.shape[0]):
        for j in range(55):
            parent = _PARENTS[j]
            if parent < 0:
                rotations[i, j] = local[i, j]
                positions[i, j] = transl[i] + rest[i, j]
                continue
            for r in range(3):
                reach = 0.0
                for c in range(3):
                    g = rotations[i, parent, r, c]
                    reach += g * (rest[i, j, c] - rest[i, parent, c])
                    rotations[i, j, r, c] = (
                        rotations[i, parent, r, 0] * local[i, j, 0, c]
                        + rotations[i, parent, r, 1] * local[i, j, 1, c]
                        + rotations[i, parent, r, 2] * local[i, j, 2, c]
                    )
                positions[i, j, r] = positions[i, parent, r] + bones[i, j] * reach


@njit(cache=True, nogil=True, error_model="numpy")
def flesh_maps(rest, bones, positions, rotations, maps):  # type: ignore[no-untyped-def]
    """Affine maps (P, 55, 3, 4) from rest space to the posed flesh of each joint.

    The linear part is G (s I + (r - s) d dᵀ): along the main bone's direction d the flesh stretches by that
    bone's ratio r, across it by the overall size s = bones_0. The joint itself lands on its position.
    """
    d = np.zeros(3, np.float64)
    for i in range(rest.shape[0]):
        s = bones[i, 0]
        for j in range(55):
            extra = 0.0
            start, end = _STRETCH[j]
            if start >= 0:
                length = 0.0
                for c in range(3):
                    d[c] = rest[i, end, c] - rest[i, start, c]
                    length += d[c] * d[c]
                extra = (bones[i, end] - s) / max(length, 1e-12)
            for r in range(3):
                along = 0.0
                for c in range(3):
                    along += rotations[i, j, r, c] * d[c]
                offset = positions[i, j, r]
                for c in range(3):
                    a = s * rotations[i, j, r, c] + extra * along * d[c]
                    maps[i, j, r, c] = a
                    offset -= a * rest[i, j, c]
                maps[i, j, r, 3] = offset


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def skin(template, skin_joints, skin_weights, maps, out):  # type: ignore[no-untyped-def]
    """Linear blend skinning: vertices (P, V, 3) from `template` (P or 1, V, 3) and the maps (P, 55, 3, 4)."""
    for i in range(maps.shape[0]):
        shared = min(i, template.shape[0] - 1)
        for v in range(template.shape[1]):
            x, y, z = template[shared, v, 0], template[shared, v, 1], template[shared, v, 2]
            px = py = pz = np.float32(0.0)
            for k in range(skin_joints.shape[1]):
                w = skin_weights[v, k]
                if w == 0.0:
                    break  # the weights are sorted, largest first
                m = maps[i, skin_joints[v, k]]
                px += w * (m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3])
                py += w * (m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3])
                pz += w * (m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3])
            out[i, v, 0], out[i, v, 1], out[i, v, 2] = px, py, pz
