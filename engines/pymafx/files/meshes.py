"""The body models cut down to what the network's feedback looks at: the arrays of `network.skinning`."""

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pymafx_live.engines.body.licensed import Doubles, ModelFile


def skin_arrays(
    model: ModelFile, vertices: NDArray[np.int64] | slice = slice(None), constant: Doubles | None = None
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


def mesh_arrays(model: ModelFile, points: sp.csr_matrix, constant: Doubles | None = None) -> dict[str, NDArray[Any]]:
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
