"""Reads the body models that a user has licensed, SMPL-X, MANO and FLAME, from the files as they are published.

Their layout is that of SMPL (Loper et al., SIGGRAPH Asia 2015) and SMPL-X (Pavlakos et al., "Expressive Body Capture",
CVPR 2019): `v_template` (V, 3), `f` (F, 3), `weights` (V, J), `J_regressor` (J, V), `kintree_table` (2, J), `posedirs`
(V, 3, 9 (J - 1)) and `shapedirs` (V, 3, S). Nothing of them ships with this project.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import SHAPES
from pymafx_live.engines.body.model import BodyModel, sparse_weights
from pymafx_live.engines.body.unpickle import load_npz, load_pickle

Doubles = NDArray[np.float64]
BETAS, EXPRESSION = SHAPES["betas"], SHAPES["expression"]
FLAME_SHAPES = (*range(100), *range(300, 350))
"""FLAME's 100 shape and 50 expression directions."""


@dataclass(frozen=True)
class ModelFile:
    """A linearly skinned model of V vertices and J joints, as its file has it.

    `template` (V, 3) in metres, `shape_dirs` (V, 3, S), `pose_dirs` (V, 3, 9 (J - 1)), `weights` (V, J), `regressor`
    (J, V) from rest vertices to joints, `parents` (J,) with -1 at the root, `faces` (F, 3). `mean_hands` (2, 15, 3)
    are SMPL-X's, left and right, as axis-angle vectors.
    """

    template: Doubles
    shape_dirs: Doubles
    pose_dirs: Doubles
    weights: Doubles
    regressor: sp.csr_matrix
    parents: NDArray[np.int64]
    faces: NDArray[np.int64]
    mean_hands: Doubles | None = None


def read_smplx(path: Path, expression: bool = False) -> ModelFile:
    """SMPL-X (.npz) with the directions of ten betas, and with `expression` of up to fifty of that. `AssetError`.

    Of 400 shape directions the first 300 are betas and the others expression; of 20, the first 10.
    """
    data = load_npz(path)
    count = np.shape(data.get("shapedirs", np.empty((0, 0, 0))))[-1]
    first = 300 if count >= 300 + BETAS else BETAS
    shapes = [*range(BETAS), *(range(first, min(first + EXPRESSION, count)) if expression else ())]
    model = _model(path, data, 55, shapes)
    if tuple(model.parents) != PARENTS:
        raise AssetError(f"{path} is no SMPL-X model: its `kintree_table` is another tree.")
    left, right = (_array(path, data, name, (45,)) for name in ("hands_meanl", "hands_meanr"))
    return replace(model, mean_hands=np.stack([left, right]).reshape(2, 15, 3))


def read_mano(path: Path) -> ModelFile:
    """MANO's right hand (.pkl), with ten shape directions. Raises `AssetError`."""
    return _model(path, load_pickle(path), 16, range(10))


def read_flame(path: Path) -> ModelFile:
    """FLAME 2020 (.pkl), its shape directions those of `FLAME_SHAPES`. Raises `AssetError`."""
    return _model(path, load_pickle(path), 5, FLAME_SHAPES)


def load_smplx(path: Path) -> BodyModel:
    """The body of an SMPL-X file, to be drawn; its shape coefficients are 10 betas, then up to 50 of expression.

    Poses are given with a flat mean hand, as everywhere in this project, so the file's mean hands are not used.
    Raises `AssetError` when the file is missing, is no .npz or no SMPL-X model.
    """
    if not path.is_file():
        raise AssetError(
            f"The SMPL-X model {path} is not there: get SMPLX_NEUTRAL.npz from https://smpl-x.is.tue.mpg.de and name "
            "it, or leave the setting empty."
        )
    file = read_smplx(path, expression=True)
    directions = np.ascontiguousarray(file.shape_dirs.transpose(2, 0, 1), np.float32)
    joints, weights = sparse_weights(file.weights.astype(np.float32))
    names = (*(f"beta{k}" for k in range(BETAS)), *(f"expression{k}" for k in range(len(directions) - BETAS)))
    return BodyModel(
        v_template=file.template.astype(np.float32),
        faces=file.faces.astype(np.int32),
        rest_joints=(file.regressor @ file.template).astype(np.float32),
        skin_joints=joints,
        skin_weights=weights,
        shape_dirs=directions,
        joint_shape_dirs=np.stack([file.regressor @ d for d in directions]).astype(np.float32),
        shape_names=names,
        pose_dirs=np.ascontiguousarray(file.pose_dirs.reshape(-1, 486).T, np.float32),
    )


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


def _model(path: Path, data: Mapping[str, Any], joints: int, shapes: Sequence[int]) -> ModelFile:
    template = _array(path, data, "v_template", (None, 3))
    vertices = len(template)
    shape_dirs = _array(path, data, "shapedirs", (vertices, 3, None))
    if shape_dirs.shape[2] <= max(shapes):
        raise AssetError(
            f"{path} has {shape_dirs.shape[2]} shape directions where {max(shapes) + 1} are needed; "
            "get the full (2020) version of the model."
        )
    faces = _array(path, data, "f", (None, 3)).astype(np.int64)
    if faces.max(initial=0) >= vertices:
        raise AssetError(f"{path} is damaged: its `f` names vertices beyond its {vertices}; get it again.")
    tree = _array(path, data, "kintree_table", (2, joints)).astype(np.int64)
    return ModelFile(
        template=template,
        shape_dirs=shape_dirs[:, :, list(shapes)],
        pose_dirs=_array(path, data, "posedirs", (vertices, 3, 9 * (joints - 1))),
        weights=_array(path, data, "weights", (vertices, joints)),
        regressor=sp.csr_matrix(_array(path, data, "J_regressor", (joints, vertices))),
        parents=np.concatenate([[-1], tree[0, 1:]]),
        faces=faces,
    )
