"""A skinned human on SMPL-X's 55 joints: poses and proportions in, joints and vertices out."""

from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.types import Floats
from pymafx_live.engines.body import skinning


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Skeleton:
    """SMPL-X's 55 joints at rest, and what each of S shape coefficients adds: enough for joints without a mesh."""

    rest_joints: Floats
    """(55, 3) in metres"""
    joint_shape_dirs: Floats
    """(S, 55, 3): metres per unit of each shape coefficient"""

    def rest(self, betas: ArrayLike | None, people: int = 1) -> Floats:
        """Rest joints (P, 55, 3) for shapes (P, up to S), or for `people` of the template's shape."""
        if betas is None:
            return np.ascontiguousarray(np.broadcast_to(self.rest_joints, (people, 55, 3)))
        return self.rest_joints + _offsets(betas, self.joint_shape_dirs)

    def joints(
        self,
        pose: ArrayLike,
        transl: ArrayLike,
        betas: ArrayLike | None = None,
        bones: ArrayLike | None = None,
    ) -> tuple[Floats, Floats]:
        """Joint positions (P, 55, 3) and global rotations (P, 55, 3, 3) of poses (P, 55, 3) at `transl` (P, 3).

        `betas` (P, up to S) are the shape coefficients; `bones` (P, 55) is the ratio of each bone's length
        (parent -> joint) to the rest skeleton's, `bones[:, 0]` the overall size of the flesh.
        """
        pose, transl, bones = _inputs(pose, transl, bones)
        return skinning.forward_kinematics(to_matrices(pose), transl, self.rest(betas, len(pose)), bones)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class BodyModel(Skeleton):
    """A template mesh, its skeleton and what deforms it. V vertices, F triangles, S shape directions.

    The body's own frame has y up and z forward, with the left hand at +x, in metres. Poses are axis-angle
    vectors (P, 55, 3) in SMPL-X's joint order, hands with a flat mean. `transl` (P, 3) follows SMPL-X: the
    pelvis stands at `transl` + its rest position, so that a `global_orient` given in the camera's frame
    yields points of the camera's frame. Nothing is kept between calls: threads may share a body.
    """

    v_template: Floats
    """(V, 3)"""
    faces: NDArray[np.int32]
    """(F, 3), counter-clockwise seen from outside"""
    skin_joints: NDArray[np.uint8]
    """(V, K): the joints that move a vertex, the strongest first"""
    skin_weights: Floats
    """(V, K), each row sums to 1"""
    shape_dirs: Floats
    """(S, V, 3): metres of vertex offset per unit of each shape coefficient"""
    shape_names: tuple[str, ...]
    pose_dirs: Floats | None = None
    """(486, V * 3): vertex offsets per entry of (R - I) of joints 1 to 54, or None"""

    @classmethod
    def embedded(cls) -> "BodyModel":
        """The body that ships with the project (CC0, `export/embedded_body.py`): 10475 vertices, four betas.

        It has no jaw, eye or expression deformation; its betas are its own, not SMPL-X's.
        """
        path = resources.files("pymafx_live.engines.data") / "embedded_body.npz"
        with path.open("rb") as file, np.load(file) as data:
            weights = data["skin_weights"].astype(np.float32)
            return cls(
                v_template=data["v_template"],
                faces=data["faces"].astype(np.int32),
                rest_joints=data["rest_joints"],
                skin_joints=data["skin_joints"],
                skin_weights=weights / weights.sum(1, keepdims=True),
                shape_dirs=data["shape_dirs"].astype(np.float32),
                joint_shape_dirs=data["joint_shape_dirs"],
                shape_names=tuple(str(name) for name in data["shape_names"]),
            )

    def vertices(
        self,
        pose: ArrayLike,
        transl: ArrayLike,
        betas: ArrayLike | None = None,
        bones: ArrayLike | None = None,
    ) -> Floats:
        """Vertices (P, V, 3) for the arguments of `joints`."""
        pose, transl, bones = _inputs(pose, transl, bones)
        rest = self.rest(betas, len(pose))
        positions, rotations = skinning.forward_kinematics(to_matrices(pose), transl, rest, bones)
        maps = skinning.flesh_maps(rest, bones, positions, rotations)
        return skinning.skin(self._template(betas, pose), self.skin_joints, self.skin_weights, maps)

    def _template(self, betas: ArrayLike | None, pose: Floats) -> Floats:
        """The unposed vertices of each person, (P, V, 3), or (1, V, 3) where all share them."""
        template = self.v_template[None]
        if betas is not None:
            template = template + _offsets(betas, self.shape_dirs)
        if self.pose_dirs is not None:
            feature = (to_matrices(pose[:, 1:]) - np.eye(3)).astype(np.float32)
            offsets = feature.reshape(len(pose), -1) @ self.pose_dirs
            template = template + offsets.reshape(len(pose), *self.v_template.shape)
        return template


def _inputs(pose: ArrayLike, transl: ArrayLike, bones: ArrayLike | None) -> tuple[Floats, Floats, Floats]:
    pose = np.ascontiguousarray(pose, np.float32).reshape(-1, 55, 3)
    transl = np.ascontiguousarray(transl, np.float32).reshape(len(pose), 3)
    if bones is None:
        return pose, transl, np.ones((len(pose), 55), np.float32)
    return pose, transl, np.ascontiguousarray(bones, np.float32).reshape(len(pose), 55)


def _offsets(betas: ArrayLike, directions: Floats) -> Floats:
    """What shapes (P, up to S) add by directions (S, ...), as (P, ...)."""
    coefficients = np.atleast_2d(np.asarray(betas, np.float32))[:, : len(directions)]
    return np.tensordot(coefficients, directions[: coefficients.shape[1]], 1).astype(np.float32)


def sparse_weights(weights: Floats, most: int | None = None) -> tuple[NDArray[np.uint8], Floats]:
    """The non-zero entries of dense skinning weights (V, 55) as joints and weights (V, K), largest first.

    `most` limits K; what remains of each row is scaled to sum to 1.
    """
    count = int((weights > 0).sum(1).max()) if most is None else most
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    kept = np.take_along_axis(weights, joints, 1).astype(np.float32)
    return joints.astype(np.uint8), kept / kept.sum(1, keepdims=True)
