"""Reads the SMPL-X model file that a user has licensed (`SMPLX_NEUTRAL.npz` and its like) into a `BodyModel`.

The file's layout is the published one (Pavlakos et al., "Expressive Body Capture", CVPR 2019; smpl-x.is.tue.mpg.de):
`v_template` (V, 3), `f` (F, 3), `weights` (V, 55), `J_regressor` (55, V), `kintree_table` (2, 55), `posedirs`
(V, 3, 486) and `shapedirs` (V, 3, S). Of 400 shape directions the first 300 are betas and the others expression;
of 20, the first 10. Nothing of it ships with this project.
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.errors import AssetError
from pymafx_live.core.skeleton import PARENTS
from pymafx_live.core.types import SHAPES, Floats
from pymafx_live.engines.body.model import BodyModel, sparse_weights

REMEDY = "get SMPLX_NEUTRAL.npz from https://smpl-x.is.tue.mpg.de and name it, or leave the setting empty"
KEYS = ("v_template", "f", "weights", "J_regressor", "kintree_table", "posedirs", "shapedirs")
BETAS, EXPRESSION = SHAPES["betas"], SHAPES["expression"]


def load_smplx(path: Path) -> BodyModel:
    """The body of an SMPL-X .npz file; its shape coefficients are 10 betas, then up to 50 of expression.

    Poses are given with a flat mean hand, as everywhere in this project, so the file's `hands_mean*` are not
    used. Raises `AssetError` when the file is missing, is no .npz or no SMPL-X model.
    """
    data = _read(path)
    _check(path, data)
    template = np.asarray(data["v_template"], np.float32)
    regressor = np.asarray(data["J_regressor"], np.float32)
    directions = _directions(np.asarray(data["shapedirs"], np.float32))
    joints, weights = sparse_weights(np.asarray(data["weights"], np.float32))
    return BodyModel(
        v_template=template,
        faces=np.ascontiguousarray(data["f"], np.int32),
        rest_joints=(regressor @ template).astype(np.float32),
        skin_joints=joints,
        skin_weights=weights,
        shape_dirs=directions,
        joint_shape_dirs=np.einsum("jv,svc->sjc", regressor, directions).astype(np.float32),
        shape_names=(*_names("beta", BETAS), *_names("expression", len(directions) - BETAS)),
        pose_dirs=np.ascontiguousarray(np.asarray(data["posedirs"], np.float32).reshape(-1, 486).T),
    )


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise AssetError(f"The SMPL-X model {path} is not there: {REMEDY}.")
    try:
        # The published files pickle a few fields that are not read here; unpickling could run foreign code.
        with np.load(path, allow_pickle=False) as data:
            return {key: data[key] for key in KEYS if key in data.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise AssetError(f"The SMPL-X model {path} cannot be read as .npz ({error}): {REMEDY}.") from error


def _check(path: Path, data: Mapping[str, Any]) -> None:
    """Raises `AssetError` unless the arrays are those of an SMPL-X body."""
    missing = [key for key in KEYS if key not in data]
    if missing:
        raise AssetError(f"{path} is no SMPL-X model, it has no {', '.join(missing)}: {REMEDY}.")
    vertices = data["v_template"].shape[0]
    expected = {
        "v_template": (vertices, 3),
        "weights": (vertices, 55),
        "J_regressor": (55, vertices),
        "posedirs": (vertices, 3, 486),
    }
    wrong = [f"{key} {data[key].shape}" for key, shape in expected.items() if data[key].shape != shape]
    if data["shapedirs"].shape[:2] != (vertices, 3) or data["shapedirs"].shape[2] < BETAS:
        wrong.append(f"shapedirs {data['shapedirs'].shape}")
    if data["f"].ndim != 2 or data["f"].shape[1] != 3 or data["f"].max(initial=0) >= vertices:
        wrong.append("f")
    if tuple(int(p) for p in data["kintree_table"][0][1:]) != PARENTS[1:]:
        wrong.append("kintree_table")
    if wrong:
        raise AssetError(f"{path} is no SMPL-X model of 55 joints, its {', '.join(wrong)} differ: {REMEDY}.")


def _directions(shapedirs: Floats) -> Floats:
    """The directions (S, V, 3) of 10 betas and of as much expression as the file has, at most 50."""
    count = shapedirs.shape[2]
    first = 300 if count >= 300 + BETAS else BETAS
    chosen = [*range(BETAS), *range(first, min(first + EXPRESSION, count))]
    return np.ascontiguousarray(shapedirs[:, :, chosen].transpose(2, 0, 1))


def _names(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word}{k}" for k in range(count))
