"""The prepared bundle: all that inference needs, composed once, written as safetensors and mapped into memory.

`BUNDLE/float32.safetensors` and `BUNDLE/float16.safetensors` hold `Network`'s state (in the second, encoders,
attention and reduction are halves), `BUNDLE/bundle.json` the sizes and the hashes of every source file. Kernels of
convolutions lie channels last, as they are used: a seventh faster on a processor, more on tensor cores, and nothing
is copied at the start.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.files import whole_files
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.files.bundle import BUNDLE, FORMAT, fingerprint, is_current, read_meta
from pymafx_live.engines.pymafx.files.checkpoint import load_checkpoint
from pymafx_live.engines.pymafx.files.compose import composed_state, mesh_points
from pymafx_live.engines.pymafx.files.meshes import mesh_arrays
from pymafx_live.engines.pymafx.files.sources import CHECKPOINT, READ, Sources, read_sources
from pymafx_live.engines.pymafx.network.model import Network, NetworkSizes
from pymafx_live.engines.pymafx.network.skinning import MeshSizes, SkinSizes
from pymafx_live.engines.pymafx.spec import WEIGHTS
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor


def prepare_bundle(folder: Path, progress: Progress = lambda step: None) -> list[str]:
    """Writes the bundle into the asset folder; returns warnings, one sentence each. Raises `AssetError`."""
    progress("reading the checkpoint")
    checkpoint = folder / CHECKPOINT
    learned, copies = load_checkpoint(checkpoint)
    progress("reading the body models")
    sources = read_sources(folder, {k: v.numpy() for k, v in copies.items()})
    trained = mesh_points(learned, "face")
    if trained != sources.face_points.shape[0]:
        raise AssetError(
            f"flame_downsampling.npy has {sources.face_points.shape[0]} vertices where the checkpoint was trained "
            f"with {trained}: the two are not of one release; get both again."
        )
    progress("composing the network")
    sizes, state = compose(sources, learned)
    del learned
    progress("hashing the sources")
    hashes = {name: fingerprint(folder / name) for name in READ if (folder / name).exists()}
    progress("writing the bundle")
    meta = {"format": FORMAT, "sizes": asdict(sizes), "sources": hashes, "warnings": sources.warnings}
    _write(folder / BUNDLE, state, meta)
    return sources.warnings


def compose(sources: Sources, learned: Mapping[str, Tensor]) -> tuple[NetworkSizes, dict[str, Tensor]]:
    """`Network`'s sizes and its state in float32."""
    state = composed_state(learned, {k: torch.from_numpy(v) for k, v in sources.starts.items()})
    hands = np.concatenate([sources.mean_left, sources.mean_right])
    meshes = {
        "body": {**mesh_arrays(sources.smplx, sources.body_points, constant=hands), "hands": hands},
        "hand": mesh_arrays(sources.mano, sources.hand_points),
        "face": mesh_arrays(sources.flame, sources.face_points),
    }
    for part, arrays in meshes.items():
        state |= {f"{part}.mesh.{k}": torch.from_numpy(np.ascontiguousarray(v)) for k, v in arrays.items()}
    sizes = NetworkSizes(**{part: _mesh_sizes(arrays) for part, arrays in meshes.items()})
    return sizes, {k: v.float().contiguous() if v.is_floating_point() else v for k, v in state.items()}


def _mesh_sizes(arrays: Mapping[str, Any]) -> MeshSizes:
    vertices, joints = arrays["skin.weights"].shape
    shape = len(arrays["skin.joint_directions"])
    pose, levels = len(arrays["skin.directions"]) - shape, len(arrays["skin.ancestors"])
    points, corners, _ = arrays["blend"].shape
    return MeshSizes(SkinSizes(vertices, joints, shape, pose, levels), points, corners)


def _channels_last(value: Tensor) -> Tensor:
    return value.permute(0, 2, 3, 1).contiguous() if value.ndim == 4 else value


def _channels_first(stored: Tensor) -> Tensor:
    """The same memory under the axes that PyTorch names, for which it is its channels-last format."""
    return stored.permute(0, 3, 1, 2) if stored.ndim == 4 else stored


def _is_half(key: str) -> bool:
    return (".encoder." in key or ".features." in key) and not key.endswith(".grid")


def _write(bundle: Path, state: dict[str, Tensor], meta: Mapping[str, Any]) -> None:
    try:
        with whole_files(bundle, *(f"{weights}.safetensors" for weights in WEIGHTS.values()), "bundle.json") as part:
            for precision in WEIGHTS.values():
                if precision == "float16":
                    state = {k: v.half() if _is_half(k) else v for k, v in state.items()}
                file = part / f"{precision}.safetensors"
                save_file({k: _channels_last(v) for k, v in state.items()}, file)
                file.chmod(0o644)
            (part / "bundle.json").write_text(json.dumps(meta, indent=1))
    except OSError as error:
        raise AssetError(f"cannot write {bundle}: {error.strerror}; make room there or make it writable.") from error


def load_network(folder: Path, precision: str = "float32", device: str = "cpu") -> Network:
    """The network from the folder's bundle, which is made where it is missing or stale.

    `precision` float16 halves encoders, attention and reduction; states and meshes stay float32.
    Raises `AssetError` for a file that is missing, damaged or of another kind.
    """
    if precision not in WEIGHTS.values():
        raise UsageError(f"there is no precision `{precision}`; choose one of {', '.join(WEIGHTS.values())}.")
    if not folder.is_dir():
        raise AssetError(f"{folder} is not a folder; give --assets the folder that holds the PyMAF-X files.")
    if not is_current(folder):
        prepare_bundle(folder)
    bundle = folder / BUNDLE
    meta = read_meta(bundle)
    if meta is None:
        raise AssetError(f"{bundle} disappeared while it was read; run `pymafx-live assets prepare {folder}`.")
    path = bundle / f"{precision}.safetensors"
    with torch.device("meta"):
        network = Network(NetworkSizes.from_json(meta["sizes"]))
    try:
        stored = load_file(path, device=device)
        network.load_state_dict({k: _channels_first(v) for k, v in stored.items()}, assign=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise AssetError(f"{path} is damaged; run `pymafx-live assets prepare {folder}` again.") from error
    network.eval().requires_grad_(False)
    return network
