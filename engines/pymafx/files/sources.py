"""The folder of licensed files that the authors' README describes, read into what the network is composed of.

Some files are copied inside the published checkpoint. Where a copy exists, it is the one that the weights were trained
with, so it is used, and a file that differs from it is reported.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError
from pymafx_live.engines.body.licensed import ModelFile, read_flame, read_mano, read_smplx
from pymafx_live.engines.body.unpickle import damage_named, load_npy, load_npz, load_pickle
from scipy.spatial.transform import Rotation

Doubles = NDArray[np.float64]
Copies = Mapping[str, NDArray[Any]]
"""The checkpoint's copies of asset files, by their keys."""

CHECKPOINT = "pretrained_model/PyMAF-X_model_checkpoint_v1.1.pt"
SMPLX = "smpl/SMPLX_NEUTRAL_2020.npz"
MANO = "smpl/MANO_RIGHT.pkl"
FLAME = "smpl/FLAME2020/FLAME_NEUTRAL.pkl"
SMPLX_TO_SMPL = "smpl/model_transfer/smplx_to_smpl.pkl"
SMPL_DOWN = "smpl_downsampling.npz"
MANO_DOWN = "mano_downsampling.npz"
FLAME_DOWN = "flame_downsampling.npy"
MEAN = "smpl_mean_params.npz"
READ = (CHECKPOINT, SMPLX, MANO, FLAME, SMPLX_TO_SMPL, SMPL_DOWN, MANO_DOWN, FLAME_DOWN, MEAN)
"""Every file that the bundle is made from."""


@dataclass
class Sources:
    """Models, the points of their feedback as sparse maps of their vertices, and the state that each part starts with.

    `body_points` (431, 10475), `hand_points` (195, 778), `face_points` (N, 5023); `starts` by part; `mean_left` and
    `mean_right` (15, 3, 3) are SMPL-X's mean hands; `warnings` are sentences.
    """

    smplx: ModelFile
    mano: ModelFile
    flame: ModelFile
    body_points: sp.csr_matrix
    hand_points: sp.csr_matrix
    face_points: sp.csr_matrix
    mean_left: Doubles
    mean_right: Doubles
    starts: dict[str, Doubles]
    warnings: list[str] = field(default_factory=list)


def read_sources(folder: Path, copies: Copies) -> Sources:
    """Everything but the checkpoint's learned state. Raises `AssetError` for the first file that is wrong."""
    warnings: list[str] = []

    def either(name: str, read: Callable[[Path], dict[str, Doubles]], keys: dict[str, str]) -> dict[str, Doubles]:
        """The arrays of a file, or their copies in the checkpoint under `keys`, which win where both exist."""
        inside = {array: np.asarray(copies[key]) for array, key in keys.items() if key in copies}
        if not (folder / name).exists() and len(inside) == len(keys):
            return inside
        outside = read(folder / name)
        for array, copy in inside.items():
            if copy.size != outside[array].size or not np.allclose(copy.ravel(), outside[array].ravel(), atol=1e-6):
                warnings.append(
                    f"{name}: `{array}` differs from the checkpoint's own copy, which is used; get the file again "
                    "from the authors' release."
                )
        return {**outside, **inside}

    smplx, mano, flame = (read_model(folder / name) for name in (SMPLX, MANO, FLAME))
    assert smplx.mean_hands is not None
    mean_left, mean_right = (Rotation.from_rotvec(v).as_matrix() for v in smplx.mean_hands)
    down = either(SMPL_DOWN, read_smpl_down, {"D": "mesh_sampler.Dmap"})["D"]
    to_smpl = read_smplx_to_smpl(folder / SMPLX_TO_SMPL)
    hand = either(MANO_DOWN, read_mano_down, {"D": "mano_sampler.Dmap"})["D"]
    face = either(FLAME_DOWN, read_flame_down, {"ids": "flame_sampler.sampling_idx"})["ids"].astype(np.int64)
    mean = either(MEAN, read_mean, {k: f"regressor.0.init_{k}" for k in ("pose", "shape", "cam")})
    return Sources(
        smplx=smplx,
        mano=mano,
        flame=flame,
        body_points=sp.csr_matrix(sp.csr_matrix(down) @ to_smpl),
        hand_points=sp.csr_matrix(hand),
        face_points=sp.csr_matrix((np.ones(len(face)), (np.arange(len(face)), face)), shape=(len(face), 5023)),
        mean_left=mean_left,
        mean_right=mean_right,
        starts=_starts(mean, mean_right),
        warnings=warnings,
    )


MODELS: Mapping[str, tuple[Callable[[Path], ModelFile], int]] = {
    SMPLX: (read_smplx, 10475),
    MANO: (read_mano, 778),
    FLAME: (read_flame, 5023),
}
"""How each model is read, and its vertices, which the other files number."""


def read_model(path: Path) -> ModelFile:
    """The model of that file name. Raises `AssetError` where it has other vertices than the published one."""
    read, vertices = next(entry for name, entry in MODELS.items() if Path(name).name == path.name)
    model = read(path)
    if len(model.template) != vertices:
        raise AssetError(
            f"{path} is another model: its `v_template` has {len(model.template)} vertices, not {vertices}."
        )
    return model


def _starts(mean: Mapping[str, Doubles], mean_hand: Doubles) -> dict[str, Doubles]:
    """The state of each part before the first iteration, in the order of its branch's `STATE`."""
    pose, shape, camera = (np.asarray(mean[k], np.float64).ravel() for k in ("pose", "shape", "cam"))
    placed = [pose[:6], camera]
    identities = np.tile(np.eye(3)[:, :2].ravel(), 3)
    return {
        "body": np.concatenate([pose, shape, camera]),
        "hand": np.concatenate([mean_hand[:, :, :2].ravel(), np.zeros(10), *placed]),
        "face": np.concatenate([identities, np.zeros(100), *placed]),
    }


def read_smplx_to_smpl(path: Path) -> sp.csr_matrix:
    """(6890, 10475): SMPL's vertices as blends of SMPL-X's. Raises `AssetError`."""
    data = load_pickle(path)
    matrix = data.get("matrix") if isinstance(data, dict) else None
    if matrix is None or np.shape(matrix) != (6890, 10475):
        raise AssetError(f"{path} has no 6890 x 10475 `matrix`: it is not SMPL-X's model_transfer file.")
    return sp.csr_matrix(matrix).astype(np.float64)


def read_smpl_down(path: Path) -> dict[str, Doubles]:
    """`D` (431, 6890), both levels of SMPL's down-sampling in one. Raises `AssetError`."""
    first, second = _down(path, [(1723, 6890), (431, 1723)])
    return {"D": (second @ first).toarray()}


def read_mano_down(path: Path) -> dict[str, Doubles]:
    """`D` (195, 778), the first level of MANO's down-sampling. Raises `AssetError`."""
    return {"D": _down(path, [(195, 778)])[0].toarray()}


def _down(path: Path, shapes: list[tuple[int, int]]) -> list[sp.csr_matrix]:
    data = load_npz(path)
    with damage_named(path):
        levels = [sp.csr_matrix(level).astype(np.float64) for level in data["D"][: len(shapes)]]
    if [level.shape for level in levels] != shapes:
        raise AssetError(
            f"{path} is of another model: its `D` is {[m.shape for m in levels]} where {shapes} are expected."
        )
    return levels


def read_flame_down(path: Path) -> dict[str, Doubles]:
    """`ids` (N,), the vertices of FLAME that the face looks at. Raises `AssetError`."""
    ids = np.asarray(load_npy(path))
    if ids.ndim != 1 or ids.dtype.kind not in "iu" or not len(ids) or not 0 <= ids.min() <= ids.max() < 5023:
        raise AssetError(f"{path} is not a list of FLAME's vertices (0 to 5022); get the original file again.")
    return {"ids": ids}


def read_mean(path: Path) -> dict[str, Doubles]:
    """`pose` (144,), `shape` (10,) and `cam` (3,), where the network starts. Raises `AssetError`."""
    data = load_npz(path)
    for name, length in (("pose", 144), ("shape", 10), ("cam", 3)):
        if name not in data or np.size(data[name]) != length or data[name].dtype.kind != "f":
            raise AssetError(f"{path} has no `{name}` of {length} numbers: it is not SMPL's mean parameters.")
    return {name: data[name] for name in ("pose", "shape", "cam")}
