"""The final SMPL-X mesh of a result, for those who ask for vertices: the network itself never makes it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from pymafx_live.engines.body.licensed import ModelFile, read_smplx
from pymafx_live.engines.pymafx.files.meshes import skin_arrays
from pymafx_live.engines.pymafx.files.sources import SMPLX
from pymafx_live.engines.pymafx.network.skinning import Skin, SkinSizes
from torch import Tensor


def full_skin(model: ModelFile) -> Skin:
    """All the vertices of a body model, in float32."""
    arrays = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in skin_arrays(model).items()}
    vertices, joints = model.weights.shape
    sizes = SkinSizes(vertices, joints, model.shape_dirs.shape[2], model.pose_dirs.shape[2], len(arrays["ancestors"]))
    with torch.device("meta"):
        skin = Skin(sizes)
    skin.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in arrays.items()}, assign=True)
    return skin


class SmplxMesh:
    """SMPL-X's vertices from `Network`'s results. Its expression stays zero, as in the network's own meshes."""

    def __init__(self, skin: Skin) -> None:
        self.skin = skin

    @classmethod
    def from_assets(cls, folder: Path | str) -> SmplxMesh:
        """Reads the SMPL-X file of the folder. Raises `AssetError`."""
        return cls(full_skin(read_smplx(Path(folder) / SMPLX)))

    def __call__(self, result: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Vertices (B, 10475, 3) and joints (B, 55, 3) in metres, the pelvis near the origin."""
        return self.skin(full_pose(result), result["pred_shape"])  # type: ignore[no-any-return]


def full_pose(result: Mapping[str, Tensor]) -> Tensor:
    """The 55 rotations (B, 55, 3, 3) of a result in SMPL-X's joint order."""
    hands = result["pred_lhand_rotmat"], result["pred_rhand_rotmat"]
    return torch.cat([result["rotmat"][:, :22], result["pred_face_rotmat"], *hands], 1)
