"""Fills the checkpoint with seeded numbers: a stand-in for the published one.

Every array comes from its own key and the seed alone. The scales keep activations near one and move every output
well away from its mean, so that a wrong layer shows.
"""

import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.pymafx.files.checkpoint import Shape, learned_shapes
from pymafx_live.engines.pymafx.files.synthetic_bodies import N_FACE_POINTS

DECODER_SCALE = {
    "decpose": 0.15, "decshape": 0.3, "deccam": 0.06, "decrhand": 0.15, "decshape_rhand": 0.3,
    "decorient_rhand": 0.2, "deccam_rhand": 0.03, "dechead": 0.1, "decexp": 0.3, "decshape_face": 0.2,
    "decorient_face": 0.2, "deccam_face": 0.03, "decvis": 1.0,
}  # fmt: skip
"""The last layers, and the standard deviation of what they change in an iteration."""


def write_checkpoint(path: Path, seed: int = 0) -> None:
    """A PyTorch file {"model": state} with the learned keys alone."""
    import torch

    state = {key: torch.from_numpy(np.asarray(array)) for key, array in learned_state(seed).items()}
    torch.save({"model": state}, path)


def learned_state(seed: int = 0) -> dict[str, NDArray[Any]]:
    """Every learned key of the checkpoint with its array."""
    shapes = learned_shapes(N_FACE_POINTS)
    state = {}
    for key, shape in shapes.items():
        array = _array(key, shape, shapes, seed)
        state[key] = array if array.dtype == np.int64 else array.astype(np.float32)
    return state


def _array(key: str, shape: Shape, keys: Collection[str], seed: int) -> NDArray[Any]:
    rng = np.random.Generator(np.random.PCG64([zlib.crc32(key.encode()), seed]))
    parent, _, leaf = key.rpartition(".")
    owner = parent.rpartition(".")[2]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if leaf == "running_mean":
        return rng.normal(0, 0.1, shape)
    if leaf == "running_var":
        return rng.uniform(0.7, 1.4, shape)
    if f"{parent}.running_mean" in keys:
        return _batch_norm(rng, key, shape, keys)
    if "LayerNorm" in key:
        return rng.uniform(0.8, 1.2, shape) if leaf == "weight" else rng.normal(0, 0.05, shape)
    if "position_embeddings" in key:
        return rng.normal(0, 0.3, shape)
    if leaf == "bias":
        return rng.normal(0, 0.05, shape)
    return rng.normal(0, _weight_scale(key, owner, shape), shape)


def _batch_norm(rng: np.random.Generator, key: str, shape: Shape, keys: Collection[str]) -> NDArray[Any]:
    parent, _, leaf = key.rpartition(".")
    if leaf == "bias":
        return rng.normal(0, 0.05, shape)
    block, _, norm = parent.rpartition(".")
    basic = norm == "bn2" and f"{block}.bn3.weight" not in keys and f"{block}.conv2.weight" in keys
    closes_residual = norm == "bn3" or basic
    return rng.uniform(0.15, 0.3, shape) if closes_residual else rng.uniform(0.8, 1.1, shape)


def _weight_scale(key: str, owner: str, shape: Shape) -> float:
    fan_in = int(np.prod(shape[1:]))
    if "deconv_layers" in key:  # kernel 4, stride 2: each output sees a quarter of the kernel
        fan_in = shape[0] * shape[2] * shape[3] // 4
    if owner in DECODER_SCALE:
        return float(DECODER_SCALE[owner] / np.sqrt(fan_in))
    if "fuse_layers" in key or "transition" in key:
        return float(0.7 * np.sqrt(1.0 / fan_in))
    variance = 2.0 if len(shape) == 4 or "maf_extractor" in key else 1.0
    return float(np.sqrt(variance / fan_in))
