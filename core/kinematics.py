"""From rotations to places along SMPL-X's 55 joints, by the batch; all leading shapes are alike."""

import numpy as np
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.core.skeleton import PARENTS

_PARENTS: Indices = np.array(PARENTS)


def _generations() -> list[Indices]:
    """The joints without the pelvis, by their number of ancestors: those of one generation can be posed at once."""
    depth = [0]
    for parent in PARENTS[1:]:
        depth.append(depth[parent] + 1)
    return [np.flatnonzero(np.array(depth) == d) for d in range(1, max(depth) + 1)]


_GENERATIONS = _generations()


def global_rotations(local: Reals) -> Reals:
    """The rotations (..., 55, 3, 3) in the root's frame of reference, of those that are each in its parent's."""
    out = local.copy()
    for joints in _GENERATIONS:
        out[..., joints, :, :] = out[..., _PARENTS[joints], :, :] @ local[..., joints, :, :]
    return out


def positions(rotations: Reals, root: Reals, bones: Reals) -> Reals:
    """The joints (..., 55, 3), T_j = T_p + G_p b_j.

    `rotations` G (..., 55, 3, 3) are global, `root` (..., 3) is the pelvis, and the `bones` b (..., 55, 3) lead from
    each joint's parent p to it in the parent's frame; that of the pelvis counts for nothing.
    """
    out = (rotations[..., _PARENTS, :, :] @ bones[..., None])[..., 0]
    out[..., 0, :] = root
    for joints in _GENERATIONS:
        out[..., joints, :] += out[..., _PARENTS[joints], :]
    return out


def bones(rotations: Reals, joints: Reals) -> Reals:
    """The bones (..., 55, 3) that `positions` takes, of `joints` (..., 55, 3) that stand there."""
    steps = joints - joints[..., _PARENTS, :]
    return np.asarray((rotations[..., _PARENTS, :, :].swapaxes(-1, -2) @ steps[..., None])[..., 0])
