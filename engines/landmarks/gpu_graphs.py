"""The landmark networks as a GPU wants them: everything in one graph, from the camera's bytes on.

They are made of the files that ship, with the package onnx, and kept in the user's cache. What they compute stays the
same. They take `CROPS`; the body's also `SEEN`, and in place of its heatmaps gives the landmarks as `networks.refine`
moves them; the face's also `MAPS`, and gives the blendshapes too.
"""

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.core.errors import NetworkError
from pymafx_live.core.files import file_hash, short_hash, user_cache, write_whole

CROPS = "crops"
"""Squares (N, size, size, 3) of uint8 BGR."""
SEEN = "seen"
"""Of each cell of a square, (N, cells, cells), 1 where it is shown and 0 where it is black, float32."""
MAPS = "maps"
"""Where a face's points are in the image: [x, y, 1] times this (N, 3, 2) float32."""
CELLS = 64
"""Cells along a side of a body's square, of 256 pixels, in which other people are blackened."""
BODY, FACE, BLENDSHAPES = "pose_landmark_full", "face_landmarks_detector", "face_blendshapes"

TAKE_BYTES = """
take_bytes (uint8[batch, SIZE, SIZE, 3] crops) => (float[batch, SIZE, SIZE, 3] rgb)
<int64[3] order = {2, 1, 0}, float unit = {UNIT}>
{
    bgr = Cast <to = 1> (crops)
    levels = Gather <axis = 3> (bgr, order)
    rgb = Mul (levels, unit)
}"""
BLACKEN = """
blacken (float[batch, 256, 256, 3] whole, float[batch, 64, 64] seen) => (float[batch, 256, 256, 3] shown)
<int64[5] in_cells = {0, 64, 4, 64, 12}, int64[5] each = {0, 64, 1, 64, 1}, int64[4] square = {0, 256, 256, 3}>
{
    cells = Reshape (whole, in_cells)
    factors = Reshape (seen, each)
    left = Mul (cells, factors)
    shown = Reshape (left, square)
}"""
REFINE = """
refine (float[batch, 195] raw, float[batch, 64, 64, 39] heat) => (float[batch, 39, 2] landmarks)
<int64[3] points = {0, 39, 5}, int64[2] xy = {0, 1}, float step = {4}, float zero = {0}, float before = {-1},
 float end = {64}, float[64] ticks = {TICKS}, float half = {3.5}, float floor = {0.5}, float least = {1e-9},
 int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}, int64[2] window = {2, 3}>
{
    numbers = Reshape (raw, points)
    given = Gather <axis = 2> (numbers, xy)
    place = Div (given, step)
    positive = Max (place, zero)
    cell = Floor (positive)
    column, row = Split <axis = 2> (cell)
    away_x = Sub (ticks, column)
    away_y = Sub (ticks, row)
    distance_x = Abs (away_x)
    distance_y = Abs (away_y)
    close_x = Less (distance_x, half)
    close_y = Less (distance_y, half)
    near_x = Cast <to = 1> (close_x)
    near_y = Cast <to = 1> (close_y)
    columns = Unsqueeze (near_x, two)
    rows = Unsqueeze (near_y, three)

    planes = Transpose <perm = [0, 3, 1, 2]> (heat)
    likely = Sigmoid (planes)
    strip = Mul (likely, columns)
    values = Mul (strip, rows)
    upright = Unsqueeze (ticks, one)
    by_x = Mul (values, ticks)
    by_y = Mul (values, upright)
    x = ReduceSum (by_x, window)
    y = ReduceSum (by_y, window)
    sums = Concat <axis = 2> (x, y)
    total = ReduceSum (values, window)
    divisor = Max (total, least)
    centroid = Div (sums, divisor)
    pixels = Mul (centroid, step)
    moved = Squeeze (pixels, three)

    begun = Greater (place, before)
    ended = Less (place, end)
    inside = And (begun, ended)
    sides = Cast <to = 1> (inside)
    both = ReduceMin <axes = [2]> (sides)
    highest = ReduceMax <axes = [2, 3]> (values)
    peak = Squeeze (highest, three)
    trust = Mul (peak, both)
    doubted = Less (trust, floor)
    landmarks = Where (doubted, given, moved)
}"""
IN_IMAGE = """
in_image (float[batch, 1, 1, 1434] raw, float[batch, 3, 2] maps) => (float[batch, COUNT, 2] points)
<int64[3] mesh = {0, 478, 3}, int64[COUNT] which = {WHICH}, int64[2] xy = {0, 1},
 int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2}, int64[1] three = {3}>
{
    landmarks = Reshape (raw, mesh)
    chosen = Gather <axis = 1> (landmarks, which)
    flat = Gather <axis = 2> (chosen, xy)
    turn = Slice (maps, zero, two, one)
    move = Slice (maps, two, three, one)
    turned = MatMul (flat, turn)
    points = Add (turned, move)
}"""


def for_gpu(model: Path) -> Path:
    """The file to run on a GPU instead of a network that ships; the same one where onnx is not installed."""
    if find_spec("onnx") is None:
        return model
    parts = [file_hash(Path(__file__)), file_hash(model), *([_blendshapes()] if model.stem == FACE else [])]
    made = user_cache() / "landmarks" / short_hash(*parts) / model.name
    try:
        if not made.exists():
            write_whole(made, _made(model))
    except OSError as error:
        raise NetworkError(f"{made} cannot be written ({error.strerror}): make room there.") from error
    return made


def _blendshapes() -> bytes:
    return (files("pymafx_live.engines.data") / f"{BLENDSHAPES}.onnx").read_bytes()


def _made(model: Path) -> bytes:
    import onnx

    network = onnx.load(model)
    _unsplit_prelu(network.graph)
    (taken,), given = network.graph.input, [value.name for value in network.graph.output]
    size = taken.type.tensor_type.shape.dim[1].dim_value
    bytes_ = piece(TAKE_BYTES.replace("SIZE", str(size)).replace("UNIT", str(np.float32(1 / 255))))
    if model.stem == BODY:
        bytes_ = _joined(bytes_, piece(BLACKEN), {"rgb": "whole"}, ["shown"])
        heat = given.index("Identity_3")
        links = {given[0]: "raw", given[heat]: "heat"}
        outputs = [*given[:heat], "landmarks", *given[heat + 1 :]]
        network = _joined(network, piece(REFINE), links, outputs)
    elif model.stem == FACE:
        which = ", ".join(map(str, BLENDSHAPE_POINTS))
        points = piece(IN_IMAGE.replace("COUNT", str(len(BLENDSHAPE_POINTS))).replace("WHICH", which))
        blendshapes = onnx.compose.add_prefix(onnx.load_from_string(_blendshapes()), "blendshapes/")
        (asked,), (answer,) = blendshapes.graph.input, blendshapes.graph.output
        network = _joined(network, points, {given[0]: "raw"}, [*given[:2], "points"])
        network = _joined(network, blendshapes, {"points": asked.name}, [*given[:2], answer.name])
    (shown,) = bytes_.graph.output
    network = _joined(bytes_, network, {shown.name: taken.name}, [value.name for value in network.graph.output])
    onnx.checker.check_model(network, full_check=True)
    content: bytes = network.SerializeToString(deterministic=True)
    return content


def _unsplit_prelu(graph: Any) -> None:
    """Makes PRelu again of what `export.onnx_rewrites.split_prelu` made of each for processors."""
    from onnx import helper, numpy_helper

    makers = {node.output[0]: node for node in graph.node}
    nodes: list[Any] = []
    needed = {value.name for value in graph.output}
    for node in reversed(graph.node):
        (y, *_) = node.output
        if not needed.intersection(node.output):
            continue
        made = [node]
        if node.op_type == "Add" and set(node.input) == {f"{y}/a", f"{y}/b"}:
            x, slope = makers[f"{y}/a"].input
            made = [
                helper.make_node("PRelu", [x, f"{y}/slopes"], [y]),
                helper.make_node("Reshape", [slope, "prelu/shape"], [f"{y}/slopes"]),
            ]
        for new in made:
            nodes.append(new)
            needed.update(new.input)
    constants = [*graph.initializer, numpy_helper.from_array(np.array([-1, 1, 1]), "prelu/shape")]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes[::-1])
    graph.initializer.extend(constant for constant in constants if constant.name in needed)


def piece(text: str) -> Any:
    """A model of one of the graphs above."""
    from onnx import parser

    lines = text.replace("TICKS", ", ".join(map(str, range(CELLS))))
    return parser.parse_model(f'<ir_version: 8, opset_import: ["": 15]>{lines}')


def _joined(first: Any, second: Any, links: dict[str, str], outputs: list[str]) -> Any:
    """Two models in one: outputs of the first become inputs of the second."""
    from onnx import compose

    for model in (first, second):
        model.ir_version = 8
        del model.metadata_props[:]
    both = compose.merge_models(first, second, list(links.items()), outputs=outputs)
    in_order = sorted(both.graph.output, key=lambda value: outputs.index(value.name))
    del both.graph.output[:]
    both.graph.output.extend(in_order)
    return both


# The 146 of the 478 face landmarks that the blendshape network reads (MediaPipe's face_blendshapes_graph).
BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70,
    78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149,
    150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195,
    197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300,
    308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454,
    466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
])  # fmt: skip
