"""The body models: SMPL-X, MANO and FLAME from their official files, cut down to what the feedback looks at."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError
from pymafx_live.engines.pymafx.files.unpickle import load_npz, load_pickle

Doubles = NDArray[np.float64]

SMPLX_BETAS, MANO_BETAS = range(10), range(10)
FLAME_BETAS = (*range(100), *range(300, 350))
"""FLAME's 100 shape and 50 expression directions."""


@dataclass(frozen=True)
class BodyModel:
    """A linearly skinned model of V vertices and J joints.

    `template` (V, 3) in metres, `shape_dirs` (V, 3, S), `pose_dirs` (V, 3, 9 (J - 1)), `weights` (V, J), `regressor`
    (J, V) from rest vertices to joints, `parents` (J,) with -1 at the root, `faces` (F, 3).
    """

    template: Doubles
    shape_dirs: Doubles
    pose_dirs: Doubles
    weights: Doubles
    regressor: sp.csr_matrix
    parents: NDArray[np.int64]
    faces: NDArray[np.int64]


@dataclass(frozen=True)
class SmplxFile:
    """SMPL-X and its mean hands, (15, 3) axis-angle each."""

    model: BodyModel
    mean_left: Doubles
    mean_right: Doubles


def read_smplx(path: Path) -> SmplxFile:
    """SMPL-X 2020 (.npz), with the first ten shape directions. Raises `AssetError`."""
    data = load_npz(path)
    model = _model(path, data, 10475, 55, SMPLX_BETAS)
    left, right = (_array(path, data, name, (45,)).reshape(15, 3) for name in ("hands_meanl", "hands_meanr"))
    return SmplxFile(model, left, right)


def read_mano(path: Path) -> BodyModel:
    """MANO's right hand (.pkl). Raises `AssetError`."""
    return _model(path, load_pickle(path), 778, 16, MANO_BETAS)


def read_flame(path: Path) -> BodyModel:
    """FLAME 2020 (.pkl), its shape directions those of `FLAME_BETAS`. Raises `AssetError`."""
    return _model(path, load_pickle(path), 5023, 5, FLAME_BETAS)


def _array(path: Path, data: Mapping[str, Any], name: str, shape: tuple[int | None, ...]) -> Doubles:
    """One array of a file, None in `shape` standing for any length."""
    if not isinstance(data, Mapping) or name not in data:
        raise AssetError(f"{path} has no `{name}`: it is another kind of file; get the one that is asked for.")
    value = data[name]
    array = value.toarray() if sp.issparse(value) else np.asarray(value)
    if array.ndim != len(shape) or any(s not in (None, n) for s, n in zip(shape, array.shape, strict=True)):
        want = " x ".join("any" if s is None else str(s) for s in shape)
        raise AssetError(f"{path} is another model: its `{name}` is {array.shape} where {want} is expected.")
    return array.astype(np.float64)


def _model(
    path: Path, data: Mapping[str, Any], vertices: int, joints: int, betas: tuple[int, ...] | range
) -> BodyModel:
    shape_dirs = _array(path, data, "shapedirs", (vertices, 3, None))
    if shape_dirs.shape[2] <= max(betas):
        raise AssetError(
            f"{path} has {shape_dirs.shape[2]} shape directions where {max(betas) + 1} are needed; "
            "get the full (2020) version of the model."
        )
    tree = _array(path, data, "kintree_table", (2, joints)).astype(np.int64)
    return BodyModel(
        template=_array(path, data, "v_template", (vertices, 3)),
        shape_dirs=shape_dirs[:, :, list(betas)],
        pose_dirs=_array(path, data, "posedirs", (vertices, 3, 9 * (joints - 1))),
        weights=_array(path, data, "weights", (vertices, joints)),
        regressor=sp.csr_matrix(_array(path, data, "J_regressor", (joints, vertices))),
        parents=np.concatenate([[-1], tree[0, 1:]]),
        faces=_array(path, data, "f", (None, 3)).astype(np.int64),
    )


def skin_arrays(
    model: BodyModel, vertices: NDArray[np.int64] | slice = slice(None), constant: Doubles | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays of `skinning.Skin` for some of the vertices.

    `constant` (C, 3, 3) are the rotations of the last C joints where those never change: their pose directions
    join the template.
    """
    n_joints = len(model.parents)
    driven = n_joints - 1 - (0 if constant is None else len(constant))
    template, pose_dirs = model.template[vertices], model.pose_dirs[vertices]
    if constant is not None:
        template = template + pose_dirs[:, :, 9 * driven :] @ (constant - np.eye(3)).ravel()
    directions = np.concatenate([model.shape_dirs[vertices], pose_dirs[:, :, : 9 * driven]], 2)
    joint_dirs = (model.regressor @ model.shape_dirs.reshape(len(model.template), -1)).reshape(3 * n_joints, -1)
    return {
        "template": template.ravel(),
        "directions": directions.reshape(-1, directions.shape[2]).T,
        "weights": model.weights[vertices],
        "joint_template": (model.regressor @ model.template).ravel(),
        "joint_directions": joint_dirs.T,
        "parents": model.parents[1:],
        "ancestors": _ancestors(model.parents),
    }


def _ancestors(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each joint's ancestor 1, 2, 4, ... steps up, (L, J + 1); J stands for what is above the root."""
    above = len(parents)
    step = np.append(np.where(parents < 0, above, parents), above)
    levels = []
    while (step != above).any():
        levels.append(step)
        step = step[step]
    return np.stack(levels)


def mesh_arrays(model: BodyModel, points: sp.csr_matrix, constant: Doubles | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of `skinning.FeedbackMesh` for points (N, V), each a blend of a few of the model's vertices."""
    points = sp.csr_matrix(points)
    points.eliminate_zeros()
    touched, corner = np.unique(points.indices, return_inverse=True)
    counts = np.diff(points.indptr)
    slots = np.arange(counts.max())
    filled = slots < counts[:, None]
    corners, blend = np.zeros(filled.shape, np.int64), np.zeros(filled.shape)
    corners[filled], blend[filled] = corner, points.data
    skin = {f"skin.{k}": v for k, v in skin_arrays(model, touched.astype(np.int64), constant).items()}
    return {**skin, "corners": corners.ravel(), "blend": blend[..., None]}
