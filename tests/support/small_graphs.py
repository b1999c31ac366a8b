"""Small ONNX graphs whose answers numpy gives."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]


def save(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any] = []) -> Path:  # noqa: B006
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    helper.set_model_props(model, {"made by": "a test", "empty": ""})
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path


def mixed(path: Path) -> Path:
    """Bytes, flags and floats in; a mirrored picture and a sum of rows out, all with a free batch first."""
    flip = [
        numpy_helper.from_array(np.array([value], np.int64), name)
        for name, value in (("last", -1), ("end", np.iinfo(np.int64).min), ("axis", 2), ("step", -1))
    ]
    nodes = [
        helper.make_node("Cast", ["picture"], ["plain"], to=TensorProto.FLOAT),
        helper.make_node("Slice", ["plain", "last", "end", "axis", "step"], ["mirrored"]),
        helper.make_node("Reshape", ["flag", "column"], ["flags"]),
        helper.make_node("Where", ["flags", "mirrored", "plain"], ["shown"]),
        helper.make_node("ReduceSum", ["weights", "axis_one"], ["total"], keepdims=0),
    ]
    constants = [
        *flip,
        numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "column"),
        numpy_helper.from_array(np.array([1], np.int64), "axis_one"),
    ]
    value = helper.make_tensor_value_info
    inputs = [
        value("picture", TensorProto.UINT8, ["batch", 4, 6]),
        value("flag", TensorProto.BOOL, ["batch"]),
        value("weights", TensorProto.FLOAT, ["batch", 3]),
    ]
    outputs = [value("shown", TensorProto.FLOAT, ["batch", 4, 6]), value("total", TensorProto.FLOAT, ["batch"])]
    return save(path, nodes, inputs, outputs, constants)


def mixed_inputs(batch: int, seed: int = 0) -> Arrays:
    rng = np.random.default_rng(seed)
    return {
        "picture": rng.integers(0, 256, (batch, 4, 6), dtype=np.uint8),
        "flag": rng.random(batch) < 0.5,
        "weights": rng.normal(size=(batch, 3)).astype(np.float32),
    }


def mixed_answer(given: Arrays) -> Arrays:
    plain = given["picture"].astype(np.float32)
    shown = np.where(given["flag"][:, None, None], plain[:, :, ::-1], plain)
    return {"shown": shown, "total": given["weights"].sum(1)}


def doubler(path: Path, *shape: int | str) -> Path:
    """An input `x` of this shape, twice as large as `y`."""
    value = helper.make_tensor_value_info
    two = numpy_helper.from_array(np.array(2, np.float32), "two")
    node = helper.make_node("Mul", ["x", "two"], ["y"])
    return save(path, [node], [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)], [two])


def raw_yolo(path: Path, kind: int = TensorProto.FLOAT, opset: int = 17) -> Path:
    """A YOLO's output (batch, 7, anchors) that is what goes in."""
    values = [helper.make_tensor_value_info(name, kind, ["batch", 7, "anchors"]) for name in ("x", "output0")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["output0"])], "raw", values[:1], values[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path
