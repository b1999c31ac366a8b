"""The joints of published people: the rest skeleton of the user's SMPL-X file, posed without its mesh."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pymafx_live.core.types import Floats, Person
from pymafx_live.engines.body.model import Skeleton
from pymafx_live.engines.pymafx.files.bundle import read_arrays


def read_skeleton(folder: Path) -> Skeleton:
    """The skeleton of a prepared folder. Raises `AssetError`."""
    rest, directions = read_arrays(folder, ("body.mesh.skin.joint_template", "body.mesh.skin.joint_directions"))
    return Skeleton(rest_joints=rest.reshape(-1, 3), joint_shape_dirs=directions.reshape(len(directions), -1, 3))


def joints_of(skeleton: Skeleton, people: Sequence[Person]) -> tuple[Floats, Floats]:
    """Joints (P, 55, 3) in the camera's frame, in metres, and global rotations (P, 55, 3, 3)."""
    pose, transl, betas = (np.stack([getattr(p, k) for p in people]) for k in ("full_pose", "transl", "betas"))
    return skeleton.joints(pose, transl, betas)
