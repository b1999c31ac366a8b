"""The joints of published people: the rest skeleton of the user's SMPL-X file, posed without its mesh."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.types import Floats, Person
from pymafx_live.engines.body.skinning import forward_kinematics
from pymafx_live.engines.pymafx.files.bundle import read_arrays


@dataclass(frozen=True, slots=True, eq=False)
class Skeleton:
    """SMPL-X's rest joints `template` (55, 3) in metres, and what each of ten betas adds, `directions` (10, 55, 3)."""

    template: Floats
    directions: Floats

    @classmethod
    def from_bundle(cls, folder: Path) -> "Skeleton":
        """The skeleton of a prepared folder. Raises `AssetError`."""
        template, directions = read_arrays(folder, ("body.mesh.skin.joint_template", "body.mesh.skin.joint_directions"))
        return cls(template.reshape(-1, 3), directions.reshape(len(directions), -1, 3))

    def rest(self, betas: Reals) -> Floats:
        """Rest joints (N, 55, 3) for shapes (N, 10)."""
        return (self.template + np.tensordot(betas, self.directions, 1)).astype(np.float32)

    def pose(self, people: Sequence[Person]) -> tuple[Floats, Floats]:
        """Joints (N, 55, 3) in the camera's frame, in metres, and global rotations (N, 55, 3, 3)."""
        n = len(people)
        rest = self.rest(np.array([p.betas for p in people], np.float32).reshape(n, -1))
        pose = np.array([p.full_pose for p in people], np.float32).reshape(n, 55, 3)
        transl = np.array([p.transl for p in people], np.float32).reshape(n, 3)
        positions, rotations = np.empty((n, 55, 3), np.float32), np.empty((n, 55, 3, 3), np.float32)
        forward_kinematics(to_matrices(pose), transl, rest, np.ones((n, 55), np.float32), positions, rotations)
        return positions, rotations
