"""Writes the synthetic body models and the small files beside them, by the names that the authors' README gives."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.engines.pymafx.files import sources
from pymafx_live.engines.pymafx.files.synthetic_skeletons import (
    Doubles,
    Indices,
    barycentric,
    blend_directions,
    decimation,
    joint_regressor,
    kinematic_table,
    random_faces,
    rest_joints,
    skin_weights,
    vertices_on_bones,
)

N_SMPLX, N_SMPL, N_MANO, N_FLAME = 10475, 6890, 778, 5023
F_SMPLX, F_SMPL, F_MANO, F_FLAME = 20908, 13776, 1538, 9976
N_FACE_POINTS = 431
LEFT_HAND = np.arange(4600, 4600 + N_MANO)
RIGHT_HAND = np.arange(7350, 7350 + N_MANO)
HEAD = np.concatenate([np.arange(0, 704), np.arange(5378, 7350), np.arange(8128, N_SMPLX)])
"""SMPL-X's vertices that are MANO's hands and FLAME's head."""


@dataclass(frozen=True)
class Figure:
    """What all the models share: SMPL-X's vertices (V, 3), the joint that owns each (V,), and the joints (55, 3)."""

    vertices: Doubles
    owner: Indices
    joints: Doubles
    parents: Indices


def write_assets(folder: Path, seed: int = 0) -> None:
    """Every file but the checkpoint. The same seed gives the same numbers on any machine."""
    rng = np.random.Generator(np.random.PCG64(seed))
    for name in (sources.SMPLX, sources.FLAME, sources.SMPLX_TO_SMPL, sources.CHECKPOINT):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    figure, hands_mean, hand_components = _write_smplx(rng, folder / sources.SMPLX)
    _write_smpl(rng, folder, figure)
    _write_mano(rng, folder / sources.MANO, figure, hands_mean, hand_components)
    _write_flame(rng, folder / sources.FLAME, figure)
    _write_samplers(rng, folder)


def _write_smplx(rng: np.random.Generator, path: Path) -> tuple[Figure, Doubles, Doubles]:
    joints, parents = rest_joints(), np.array(PARENTS)
    radius = np.full(55, 0.07)
    radius[20:22], radius[22:25], radius[25:] = 0.03, 0.05, 0.008
    radius[[3, 6, 9, 13, 14]] = 0.12
    owner = rng.choice([*range(12), 13, 14, 16, 17, 18, 19], N_SMPLX)
    owner[HEAD] = rng.choice([12, 15, 15, 15, 22, 23, 24], N_FLAME)
    owner[LEFT_HAND] = rng.choice(np.r_[20, 25:40], N_MANO)
    owner[RIGHT_HAND] = np.where(owner[LEFT_HAND] == 20, 21, owner[LEFT_HAND] + 15)
    vertices = vertices_on_bones(rng, joints, parents, owner, radius)
    shape_dirs = blend_directions(rng, N_SMPLX, 400, 0.01, 0.5)
    pose_dirs = blend_directions(rng, N_SMPLX, 486, 0.002, 0.0)
    weights = skin_weights(rng, owner, parents)
    regressor = joint_regressor(rng, vertices, joints, owner)
    hands_mean = rng.normal(size=45) * 0.15
    mirror = np.tile([1.0, -1.0, -1.0], 15)
    components = np.linalg.qr(rng.normal(size=(45, 45)))[0]
    np.savez(
        path,
        v_template=vertices,
        f=random_faces(rng, F_SMPLX, N_SMPLX),
        shapedirs=shape_dirs,
        posedirs=pose_dirs,
        J_regressor=regressor,
        weights=weights,
        kintree_table=kinematic_table(parents),
        hands_meanl=hands_mean * mirror,
        hands_meanr=hands_mean,
        hands_componentsl=components * mirror,
        hands_componentsr=components,
        lmk_faces_idx=rng.integers(0, F_SMPLX, 51).astype(np.int64),
        lmk_bary_coords=barycentric(rng, 51),
        dynamic_lmk_faces_idx=rng.integers(0, F_SMPLX, (79, 17)).astype(np.int64),
        dynamic_lmk_bary_coords=barycentric(rng, 79, 17),
    )
    return Figure(vertices, owner, joints, parents), hands_mean, components


def _model(
    rng: np.random.Generator, vertices: Doubles, joints: Doubles, parents: Indices, owner: Indices, faces: int,
    shape: tuple[int, float], pose: float,
) -> dict[str, Any]:  # fmt: skip
    """An SMPL-like model; `shape` is the number and the size of its shape directions, `pose` the size of the pose's."""
    n = len(vertices)
    return {
        "v_template": vertices,
        "f": random_faces(rng, faces, n),
        "shapedirs": blend_directions(rng, n, shape[0], shape[1], 0.5),
        "posedirs": blend_directions(rng, n, 9 * (len(joints) - 1), pose, 0.0),
        "J_regressor": sp.csc_matrix(joint_regressor(rng, vertices, joints, owner)),
        "kintree_table": kinematic_table(parents),
        "weights": skin_weights(rng, owner, parents),
    }


def _dump(path: Path, value: Any, protocol: int = 2) -> None:
    with path.open("wb") as file:
        pickle.dump(value, file, protocol=protocol)


def _savez(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def _write_smpl(rng: np.random.Generator, folder: Path, figure: Figure) -> None:
    """SMPL, and how its vertices follow from SMPL-X's: each is a blend of three."""
    base = np.sort(rng.permutation(N_SMPLX)[:N_SMPL])
    near = (base[:, None] + np.array([0, 1, 2])) % N_SMPLX
    matrix = np.zeros((N_SMPL, N_SMPLX), np.float32)
    np.put_along_axis(matrix, near, barycentric(rng, N_SMPL).astype(np.float32), 1)
    transfer = (folder / sources.SMPLX_TO_SMPL).parent
    _dump(folder / sources.SMPLX_TO_SMPL, {"matrix": matrix}, protocol=4)
    _dump(transfer / "MANO_SMPLX_vertex_ids.pkl", {"left_hand": LEFT_HAND, "right_hand": RIGHT_HAND}, protocol=4)
    np.save(transfer / "SMPL-X__FLAME_vertex_ids.npy", HEAD)

    parents = np.r_[figure.parents[:22], 20, 21]
    joints = np.vstack([figure.joints[:22], figure.joints[28], figure.joints[43]])
    owner = figure.owner[base]
    head_or_body = np.where(owner >= 22, 15, owner)
    owner = np.where(owner >= 40, 23, np.where(owner >= 25, 22, head_or_body))
    vertices = matrix @ figure.vertices
    _dump(folder / "smpl/SMPL_NEUTRAL.pkl", _model(rng, vertices, joints, parents, owner, F_SMPL, (10, 0.01), 0.002))


def _write_mano(
    rng: np.random.Generator, path: Path, figure: Figure, hands_mean: Doubles, components: NDArray[Any]
) -> None:
    joint_ids = np.r_[21, 40:55]
    parents = np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14])
    origin = figure.vertices[RIGHT_HAND].mean(0)  # the real file, too, has the origin inside the hand
    vertices, joints = figure.vertices[RIGHT_HAND] - origin, figure.joints[joint_ids] - origin
    owner = np.searchsorted(joint_ids, figure.owner[RIGHT_HAND])
    model = _model(rng, vertices, joints, parents, owner, F_MANO, (10, 0.003), 0.001)
    _dump(path, {**model, "hands_mean": hands_mean, "hands_components": components})


def _write_flame(rng: np.random.Generator, path: Path, figure: Figure) -> None:
    joint_ids = np.array([12, 15, 22, 23, 24])
    parents = np.array([-1, 0, 1, 1, 1])
    origin = figure.vertices[HEAD].mean(0)  # the real file, too, has the origin inside the head
    vertices, joints = figure.vertices[HEAD] - origin, figure.joints[joint_ids] - origin
    owner = np.searchsorted(joint_ids, figure.owner[HEAD])
    _dump(path, _model(rng, vertices, joints, parents, owner, F_FLAME, (400, 0.004), 0.001))
    static = {"lmk_face_idx": rng.integers(0, F_FLAME, 51).astype(np.uint32), "lmk_b_coords": barycentric(rng, 51)}
    _dump(path.with_name("flame_static_embedding.pkl"), static)
    dynamic: Any = {"lmk_face_idx": rng.integers(0, F_FLAME, (79, 17)), "lmk_b_coords": barycentric(rng, 79, 17)}
    np.save(path.with_name("flame_dynamic_embedding.npy"), dynamic, allow_pickle=True)


def _write_samplers(rng: np.random.Generator, folder: Path) -> None:
    """The down-sampling files, the extra joints and the mean parameters."""
    _savez(folder / sources.SMPL_DOWN, decimation(rng, [N_SMPL, 1723, 431]))
    _savez(folder / sources.MANO_DOWN, decimation(rng, [N_MANO, 195, 49]))
    np.save(folder / sources.FLAME_DOWN, np.sort(rng.permutation(N_FLAME)[:N_FACE_POINTS]))
    extra = np.zeros((9, N_SMPL))
    for row in extra:
        row[rng.permutation(N_SMPL)[:20]] = rng.dirichlet(np.ones(20))
    np.save(folder / "J_regressor_extra.npy", extra)
    pose = np.tile([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 24) + rng.normal(size=144) * 0.05
    pose[:6] = [1.0, 0.0, 0.0, -1.0, 0.0, 0.0]  # y is down in the camera's frame: half a turn about x
    shape = (rng.normal(size=10) * 0.2).astype(np.float32)
    camera = np.array([0.9, 0.0, 0.0], np.float32)
    np.savez(folder / sources.MEAN, pose=pose.astype(np.float32), shape=shape, cam=camera)
