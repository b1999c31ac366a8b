"""Small ONNX networks, and the stand-in for TensorRT's binding."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from support.fakes import load_fake


@pytest.fixture
def fake() -> ModuleType:
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    return load_fake()


def small_network(path: Path, *, mode: str = "bilinear", opset: int = 18, size: int | str = 12) -> Path:
    """Bytes (N, 12, 12, 3), flags (N,) to `map` (N, 4, 5, 5) and `sums` (N, 4): a network like PyMAF-X's in small."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {
        "kernel": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "grid": rng.uniform(-1, 1, (1, 5, 5, 2)).astype(np.float32),
        "gain": np.ones(5, np.float32),
        "root": np.array(2**-0.5, np.float32),
        "one": np.array(1, np.float32),
        "half": np.array(0.5, np.float32),
        "grid_shape": np.array([5, 5, 2], np.int64),
        "axes": np.array([2, 3], np.int64),
        "column": np.array([1, 2, 3], np.int64),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["floats"], "cast", to=TensorProto.FLOAT),
        node("Transpose", ["floats"], ["planes"], "transpose", perm=[0, 3, 1, 2]),
        node("Conv", ["planes", "kernel"], ["convolved"], "conv", pads=[1, 1, 1, 1]),
        node("Shape", ["crops"], ["batch"], "batch", end=1),
        node("Concat", ["batch", "grid_shape"], ["grids_shape"], "shape", axis=0),
        node("Expand", ["grid", "grids_shape"], ["grids"], "expand"),
        node("GridSample", ["convolved", "grids"], ["sampled"], "sample", mode=mode, align_corners=0),
        node("LayerNormalization", ["sampled", "gain"], ["normal"], "norm", axis=-1),
        node("Mul", ["normal", "root"], ["scaled"], "scale"),
        node("Erf", ["scaled"], ["erf"], "erf"),
        node("Add", ["erf", "one"], ["up"], "up"),
        node("Mul", ["normal", "up"], ["twice"], "twice"),
        node("Mul", ["twice", "half"], ["gelu"], "gelu"),
        node("Unsqueeze", ["flags", "column"], ["flags4"], "flags4"),
        node("Neg", ["gelu"], ["negative"], "negative"),
        node("Where", ["flags4", "negative", "gelu"], ["map"], "side"),
        node("ReduceSum", ["map", "axes"], ["sums"], "sums", keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", size, size, 3]),
            helper.make_tensor_value_info("flags", TensorProto.BOOL, ["N"]),
        ],
        [
            helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", 4, 5, 5]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["N", 4]),
        ],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    onnx.save(model, path)
    return path


@pytest.fixture
def make_network(tmp_path: Path) -> Callable[..., Path]:
    pytest.importorskip("onnx")
    return lambda name="small.onnx", **options: small_network(tmp_path / name, **options)


@pytest.fixture
def small_inputs() -> Callable[[int], dict[str, Any]]:
    """n -> inputs of the small network."""
    rng = np.random.default_rng(1)
    return lambda n: {
        "crops": rng.integers(0, 256, (n, 12, 12, 3), dtype=np.uint8),
        "flags": rng.integers(0, 2, n).astype(bool),
    }
