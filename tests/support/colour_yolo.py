"""Small ONNX networks in Ultralytics' layouts that find plain colours, so that the truth is in the picture.

Red and blue rectangles are people, a green one is a car; red is found twice, two pixels apart, as a YOLO does.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

NAMES = {0: "car", 1: "person"}
RED, GREEN, BLUE = (0, 0, 255), (0, 255, 0), (255, 0, 0)
"""BGR, as images are given."""

Dim = int | str
# Of each anchor: the colour's channel, its shift in pixels, and the score of each class.
ANCHORS = (
    (0, 0.0, (0.01, 0.90)),
    (0, 2.0, (0.01, 0.80)),
    (2, 0.0, (0.20, 0.60)),
    (1, 0.0, (0.95, 0.05)),
)


class Graph:
    """A graph in the making: each call adds a node and gives the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def __call__(self, op: str, *inputs: str, **attributes: object) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name


def corners(g: Graph, image: str, channel: int) -> list[str]:
    """x1, y1, x2, y2 of what has one channel full and the others empty; (batch,) each."""
    weights = np.full((1, 3, 1, 1), -1.0)
    weights[0, channel] = 1.0
    brightness = g("ReduceSum", g("Mul", image, g.constant(weights)), g.constant([1], np.int64), keepdims=0)
    mask = g("Cast", g("Greater", brightness, g.constant(0.5)), to=TensorProto.FLOAT)
    columns, rows = g("ReduceMax", mask, axes=[1], keepdims=0), g("ReduceMax", mask, axes=[2], keepdims=0)
    edges = []
    for last in (0, 1):
        for profile in (columns, rows):
            index = g("ArgMax", profile, axis=1, keepdims=0, select_last_index=last)
            edges.append(g("Add", g("Cast", index, to=TensorProto.FLOAT), g.constant(float(last))))
    return edges


def anchor_columns(g: Graph, image: str, end_to_end: bool) -> list[str]:
    """Each anchor's numbers, (batch, rows): centre and size with class scores, or corners, score and class."""
    found = []
    for channel, shift, scores in ANCHORS:
        x1, y1, x2, y2 = (g("Add", edge, g.constant(shift)) for edge in corners(g, image, channel))
        zero, half = g("Mul", x1, g.constant(0.0)), g.constant(0.5)
        if end_to_end:
            best = int(np.argmax(scores))
            numbers = [x1, y1, x2, y2, *(g("Add", zero, g.constant(v)) for v in (scores[best], float(best)))]
        else:
            centre = [g("Mul", g("Add", a, b), half) for a, b in ((x1, x2), (y1, y2))]
            size = [g("Sub", b, a) for a, b in ((x1, x2), (y1, y2))]
            numbers = [*centre, *size, *(g("Add", zero, g.constant(score)) for score in scores)]
        columns = [g("Unsqueeze", number, g.constant([1], np.int64)) for number in numbers]
        found.append(g("Concat", *columns, axis=1))
    return found


def save(
    path: Path,
    *,
    end_to_end: bool = False,
    batch: Dim = "batch",
    size: tuple[Dim, Dim] = ("height", "width"),
    half: bool = False,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write such a network to `path`; anchors that find nothing fill it up to 300, as exports do."""
    g = Graph()
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    image = g("Cast", "images", to=TensorProto.FLOAT)
    found = anchor_columns(g, image, end_to_end)
    if end_to_end:
        found = found[:1] + found[2:]  # such networks do not find anything twice
    axis = 1 if end_to_end else 2
    stacked = g("Concat", *(g("Unsqueeze", f, g.constant([axis], np.int64)) for f in found), axis=axis)
    pads = [0] * 6
    pads[3 + axis] = 300 - len(found)
    g.nodes.append(helper.make_node("Cast", [g("Pad", stacked, g.constant(pads, np.int64))], ["output0"], to=kind))
    shape: list[Dim] = [batch, 300, 6] if end_to_end else [batch, 4 + len(NAMES), "anchors"]
    graph = helper.make_graph(
        g.nodes,
        "colours",
        [helper.make_tensor_value_info("images", kind, [batch, 3, *size])],
        [helper.make_tensor_value_info("output0", kind, shape)],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    told = {"task": "detect", "stride": "32", "imgsz": "[320, 320]", "names": str(NAMES)}
    helper.set_model_props(model, told if metadata is None else metadata)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return path
