"""The published checkpoint: which keys it has, and a strict reading of it.

`learned_shapes` writes the 2,804 learned keys down as the architecture gives them, so that a file that is not this
network's is told from one that is, key by key. Beside them the real file carries copies of asset files
(`ASSET_KEYS`); those are compared with the files, not trusted.
"""

import fnmatch
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pymafx_live.core.errors import AssetError
from torch import Tensor

Shape = tuple[int, ...]
GRID_FEATURES = 441 * 5
MESH_POINTS = {"body": 431, "hand": 195}
ASSET_KEYS = (
    "grid_points", "mesh_sampler.[DU]map", "mano_sampler.[DU]map", "flame_sampler.sampling_idx",
    "maf_extractor.*.[DU]map", "regressor.[012].init_*", "regressor.[012].body_model.*",
)  # fmt: skip
"""What the checkpoint copies from other files, as patterns."""


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The learned state and the asset copies of a checkpoint, memory-mapped. Raises `AssetError`."""
    state = _model_state(path)
    state = {key.removeprefix("module."): value for key, value in state.items()}
    copies = {k: v for k, v in state.items() if any(fnmatch.fnmatchcase(k, p) for p in ASSET_KEYS)}
    learned = {k: v for k, v in state.items() if k not in copies}
    _check_keys(path, learned)
    return learned, copies


def _model_state(path: Path) -> Mapping[str, Tensor]:
    if not path.is_file():
        raise AssetError(f"{path} is missing; `pymafx-live assets check` says where to get it.")
    scalars = [np._core.multiarray.scalar, np.dtype, *(type(np.dtype(t)) for t in ("f4", "f8", "i4", "i8"))]  # type: ignore[attr-defined]
    try:
        with torch.serialization.safe_globals(scalars):
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        reason = (
            "it holds objects other than tensors, which are never run here"
            if "weights_only" in str(error).lower() or "Unsupported global" in str(error)
            else f"it is cut short, damaged or not a PyTorch file ({path.stat().st_size} bytes)"
        )
        raise AssetError(f"{path} cannot be read: {reason}; get the original file again.") from error
    state = loaded.get("model") if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise AssetError(f"{path} has no `model` state: it is not a PyMAF-X checkpoint.")
    return state


def _check_keys(path: Path, learned: Mapping[str, Tensor]) -> None:
    face = learned.get("att_feat_reduce.face.0.weight")
    if face is None or face.ndim != 2:
        raise AssetError(f"{path} has no face branch: it is not the full-body (v1.1) checkpoint.")
    expected = learned_shapes(face.shape[1] // 5 - 441)
    missing = [k for k in expected if k not in learned]
    if missing:
        raise AssetError(f"{path} lacks {_listed(missing)}: it is incomplete or of another version; v1.1 is needed.")
    extra = [k for k in learned if k not in expected]
    if extra:
        raise AssetError(f"{path} holds {_listed(extra)}, which PyMAF-X v1.1 does not have: it is of another version.")
    for key, shape in expected.items():
        if tuple(learned[key].shape) != shape:
            raise AssetError(
                f"{path}: `{key}` is {tuple(learned[key].shape)} where {shape} is expected; it is of another version."
            )


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - 1} more keys" if len(keys) > 1 else ""
    return f"`{keys[0]}`{more}"


def learned_shapes(face_points: int) -> dict[str, Shape]:
    """Every learned key of the checkpoint and its shape; the number of face points is the asset file's."""
    return dict(_learned(face_points))


def _learned(face_points: int) -> Iterator[tuple[str, Shape]]:
    points = {**MESH_POINTS, "face": face_points}
    yield from _prefixed("encoders.body", _hrnet())
    for part in ("hand", "face"):
        yield from _prefixed(f"encoders.{part}", _resnet())
    for part, channels in (("body", (192, 96, 48)), ("hand", (256,) * 3), ("face", (256,) * 3)):
        features = GRID_FEATURES + 5 * points[part]
        yield from _prefixed(f"maf_extractor.{part}.0", _reduction(channels[0], (128, 64, 5)))
        for i in (1, 2):
            yield from _prefixed(f"maf_extractor.{part}.{i}", _reduction(64, (5,)))
            yield from _prefixed(f"align_attention.{part}.{i - 1}", _attention(channels[i]))
            yield from _linear(f"att_feat_reduce.{part}.{i - 1}", features, 2048 if part == "body" else 1024)
    for i in range(3):
        yield from _prefixed(f"regressor.{i}", _regressor(first=i == 0))
    for head, outputs in (("predict_u", 25), ("predict_v", 25), ("predict_ann_index", 15), ("predict_uv_index", 25)):
        yield f"dp_head.{head}.weight", (outputs, 48, 3, 3)
        yield f"dp_head.{head}.bias", (outputs,)


Entries = Iterator[tuple[str, Shape]]


def _prefixed(prefix: str, entries: Entries) -> Entries:
    return ((f"{prefix}.{key}", shape) for key, shape in entries)


def _linear(name: str, inputs: int, outputs: int) -> Entries:
    yield f"{name}.weight", (outputs, inputs)
    yield f"{name}.bias", (outputs,)


def _conv_norm(conv: str, norm: str, inputs: int, outputs: int, kernel: int) -> Entries:
    yield f"{conv}.weight", (outputs, inputs, kernel, kernel)
    yield from _norm(norm, outputs)


def _norm(norm: str, channels: int) -> Entries:
    for leaf in ("weight", "bias", "running_mean", "running_var"):
        yield f"{norm}.{leaf}", (channels,)
    yield f"{norm}.num_batches_tracked", ()


def _sequence(name: str, inputs: int, outputs: int, kernel: int) -> Entries:
    """A convolution and its norm, as the first two of a sequence."""
    return _conv_norm(f"{name}.0", f"{name}.1", inputs, outputs, kernel)


def _bottlenecks(layer: str, inputs: int, planes: int, blocks: int) -> Entries:
    for k in range(blocks):
        block, own = f"{layer}.{k}", inputs if k == 0 else 4 * planes
        yield from _conv_norm(f"{block}.conv1", f"{block}.bn1", own, planes, 1)
        yield from _conv_norm(f"{block}.conv2", f"{block}.bn2", planes, planes, 3)
        yield from _conv_norm(f"{block}.conv3", f"{block}.bn3", planes, 4 * planes, 1)
    yield from _sequence(f"{layer}.0.downsample", inputs, 4 * planes, 1)


def _resnet() -> Entries:
    yield from _conv_norm("conv1", "bn1", 3, 64, 7)
    inputs = 64
    for k, (planes, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        yield from _bottlenecks(f"layer{k + 1}", inputs, planes, blocks)
        inputs = 4 * planes
    for k, width in enumerate((2048, 256, 256)):
        yield f"deconv_layers.{3 * k}.weight", (width, 256, 4, 4)
        yield from _norm(f"deconv_layers.{3 * k + 1}", 256)


def _hrnet() -> Entries:
    yield from _conv_norm("conv1", "bn1", 3, 64, 3)
    yield from _conv_norm("conv2", "bn2", 64, 64, 3)
    yield from _bottlenecks("layer1", 64, 64, 4)
    yield from _sequence("transition1.0", 256, 48, 3)
    yield from _sequence("transition1.1.0", 256, 96, 3)
    yield from _sequence("transition2.2.0", 96, 192, 3)
    yield from _sequence("transition3.3.0", 192, 384, 3)
    for stage, modules in ((2, 1), (3, 4), (4, 3)):
        for m in range(modules):
            yield from _prefixed(f"stage{stage}.{m}", _hr_module(stage))


def _hr_module(branches: int) -> Entries:
    widths = [48 * 2**b for b in range(branches)]
    for b, width in enumerate(widths):
        for k in range(4):
            for c in (1, 2):
                block = f"branches.{b}.{k}"
                yield from _conv_norm(f"{block}.conv{c}", f"{block}.bn{c}", width, width, 3)
    for to in range(branches):
        for sender in range(branches):
            key = f"fuse_layers.{to}.{sender}"
            if sender > to:
                yield from _sequence(key, widths[sender], widths[to], 1)
            for step in range(to - sender):
                outputs = widths[to] if step == to - sender - 1 else widths[sender]
                yield from _sequence(f"{key}.{step}", widths[sender], outputs, 3)


def _reduction(inputs: int, widths: tuple[int, ...]) -> Entries:
    before = 0
    for k, width in enumerate(widths):
        yield f"conv{k}.weight", (width, inputs + before, 1)
        yield f"conv{k}.bias", (width,)
        before = width


def _attention(channels: int) -> Entries:
    yield "position_embeddings.weight", (900, 64)
    yield from _linear("img_embedding", channels, 64)
    layer = "encoder.layer.0"
    for name in ("self.query", "self.key", "self.value", "output.dense"):
        yield from _linear(f"{layer}.attention.{name}", 64, 64)
    yield from _linear(f"{layer}.intermediate.dense", 64, 128)
    yield from _linear(f"{layer}.output.dense", 128, 64)
    for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
        yield f"{layer}.{norm}.weight", (64,)
        yield f"{layer}.{norm}.bias", (64,)


def _regressor(first: bool) -> Entries:
    body, part = (GRID_FEATURES, GRID_FEATURES) if first else (2048, 1024)
    yield from _linear("fc1", body + 144 + 10 + 3 + 4, 1024)
    yield from _linear("fc1_hand", part + 90, 1024)
    yield from _linear("fc1_face", part + 18 + 50, 1024)
    yield from _linear("fc3_hand", 1024 + 10 + 6 + 3, 1024)
    yield from _linear("fc3_face", 1024 + 100 + 6 + 3, 1024)
    yield from _linear("fc1_vis", 3 * 1024, 1024)
    for name in ("fc2", "fc2_hand", "fc2_face", "fc2_vis"):
        yield from _linear(name, 1024, 1024)
    decoders = {
        "decpose": 144, "decshape": 10, "deccam": 3, "decrhand": 90, "decshape_rhand": 10, "decorient_rhand": 6,
        "deccam_rhand": 3, "dechead": 18, "decexp": 50, "decshape_face": 100, "decorient_face": 6, "deccam_face": 3,
        "decvis": 2,
    }  # fmt: skip
    for name, outputs in decoders.items():
        yield from _linear(name, 1024, outputs)
