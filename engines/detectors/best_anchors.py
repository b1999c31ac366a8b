"""A YOLO whose graph also gives its best anchors: of these kilobytes come down from a GPU, of all of them 168 or more.

Non-maximum suppression stays outside, as TensorRT has no kernel for it. It begins with the best box and only looks at
weaker ones afterwards, so that of the best few it keeps what it keeps of all, until they are used up.
"""

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.files import short_hash, user_cache, write_whole
from pymafx_live.engines.detectors.yolo_layout import Labels, is_end_to_end

BEST = 256
"""Anchors that come down: 6 kB. A person has about ten above the lowest score that counts (0.1)."""
OUTPUT = "best_anchors"
"""The output (batch, `BEST`, 6): centre, width, height, score, and which anchor it is; beyond the last one zeros."""
_OPSET = 12
"""The first with GatherND's `batch_dims`."""
_MANY = 8400
"""Anchors of a file that does not say how many: one for pictures of any size."""

logger = logging.getLogger(__name__)


def with_best_anchors(path: Path, labels: Labels, cache: Path | None = None) -> Path:
    """The YOLO of the file `path` with the further output `OUTPUT`, as a file in the cache folder.

    It is `path` itself where its output holds no anchors, or the package `onnx` is not there.
    """
    if find_spec("onnx") is None:
        logger.info("the package onnx is not installed: all anchors of %s come down from the GPU", path.name)
        return path
    import onnx

    try:
        model = onnx.load(path)
        if not _add(model, path, labels):
            return path
        content = model.SerializeToString(deterministic=True)
        file = (cache or user_cache()) / f"{path.stem}-best-{short_hash(content)}.onnx"
        if not file.is_file() or file.read_bytes() != content:
            write_whole(file, content)
    except Exception as error:  # protobuf's and onnx's own share no base; whoever opens `path` says what is wrong
        logger.info("all anchors of %s come down from the GPU: %s", path.name, error)
        return path
    return file


def in_order(best: NDArray[np.float32]) -> NDArray[np.float32]:
    """The anchors in one row (`BEST`, 6) of the output as rows (5, `BEST`), in the order of the graph's own output."""
    return best[np.argsort(best[:, 5], kind="stable"), :5].T


def _add(model: Any, path: Path, labels: Labels) -> bool:
    """Adds the output to the model of `path`; False where its own is another one than (batch, 4 + classes, anchors)."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    output = graph.output[0]
    dims = [dim.dim_value for dim in output.type.tensor_type.shape.dim]
    if opset < _OPSET or len(dims) != 3 or not dims[1]:
        return False
    if is_end_to_end(path, (1, dims[1], dims[2] or _MANY), labels):
        return False

    def name(what: str) -> str:
        return f"{OUTPUT}/{what}"

    def node(kind: str, inputs: list[str], what: str, **attributes: Any) -> Any:
        return helper.make_node(kind, inputs, [name(what)], name(what), **attributes)

    constants = {
        "rows": np.array([0, 1, 2, 3, 4 + labels.person], np.int64),
        "pads": np.array([0, 0, 0, 0, 0, BEST], np.int64),  # so that there are enough in the smallest picture
        "score": np.array(4, np.int64),
        "zero": np.array(0, np.float32),
        "count": np.array([BEST], np.int64),
        "column": np.array([0, BEST, 1], np.int64),
    }
    nodes = [
        node("Gather", [output.name, name("rows")], "of people", axis=1),
        node("Cast", [name("of people")], "floats", to=TensorProto.FLOAT),
        node("Pad", [name("floats"), name("pads"), name("zero")], "padded"),
        node("Transpose", [name("padded")], "anchors", perm=[0, 2, 1]),
        node("Gather", [name("anchors"), name("score")], "scores", axis=2),
        node("Greater", [name("scores"), name("zero")], "sound"),  # not where it is no number
        node("Where", [name("sound"), name("scores"), name("zero")], "ranks"),
        helper.make_node(
            "TopK", [name("ranks"), name("count")], [name("values"), name("places")], name("best"), axis=1, largest=1
        ),
        node("Reshape", [name("places"), name("column")], "indices"),
        node("GatherND", [name("anchors"), name("indices")], "boxes", batch_dims=1),
        node("Cast", [name("indices")], "numbers", to=TensorProto.FLOAT),
        helper.make_node("Concat", [name("boxes"), name("numbers")], [OUTPUT], OUTPUT, axis=2),
    ]
    graph.node.extend(nodes)
    graph.initializer.extend(numpy_helper.from_array(value, name(key)) for key, value in constants.items())
    batch = output.type.tensor_type.shape.dim[0]
    rows = batch.dim_value or batch.dim_param or None
    graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [rows, BEST, 6]))
    return True
