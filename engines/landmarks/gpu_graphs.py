"""The landmark networks as a GPU wants them: everything in one graph, from the camera's bytes on.

They are made of the files that ship, with the package onnx, and kept in the user's cache. What they compute stays the
same. Inputs are `CROPS`; of the body also `SEEN`, of the face also `MAPS`, which gives the expression with it.
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
"""Cells along a side of a body's region in which other people are blackened."""
BODY, FACE, BLENDSHAPES = "pose_landmark_full", "face_landmarks_detector", "face_blendshapes"


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
    _take_bytes(network, seen=model.stem == BODY)
    if model.stem == FACE:
        network = _with_blendshapes(network, onnx.load_from_string(_blendshapes()))
    onnx.checker.check_model(network, full_check=True)
    content: bytes = network.SerializeToString(deterministic=True)
    return content


def _take_bytes(network: Any, seen: bool) -> None:
    """Takes bytes in place of RGB in 0..1, and blackens them itself where not all is `seen`."""
    from onnx import TensorProto, helper

    (given,) = network.graph.input
    size = given.type.tensor_type.shape.dim[1].dim_value
    constants = {"crops/rgb": np.array([2, 1, 0]), "crops/unit": np.array(1 / 255, np.float32)}
    nodes = [
        helper.make_node("Cast", [CROPS], ["crops/bgr"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["crops/bgr", "crops/rgb"], ["crops/levels"], axis=3),
        helper.make_node("Mul", ["crops/levels", "crops/unit"], ["crops/planes" if seen else given.name]),
    ]
    inputs = [helper.make_tensor_value_info(CROPS, TensorProto.UINT8, ["batch", size, size, 3])]
    if seen:
        inputs.append(helper.make_tensor_value_info(SEEN, TensorProto.FLOAT, ["batch", CELLS, CELLS]))
        constants["crops/in_cells"] = np.array([0, CELLS, size // CELLS, CELLS, (size // CELLS) * 3])
        constants["seen/cells"] = np.array([0, CELLS, 1, CELLS, 1])
        constants["crops/whole"] = np.array([0, size, size, 3])
        nodes += [
            helper.make_node("Reshape", ["crops/planes", "crops/in_cells"], ["crops/cells"]),
            helper.make_node("Reshape", [SEEN, "seen/cells"], ["seen/each"]),
            helper.make_node("Mul", ["crops/cells", "seen/each"], ["crops/seen"]),
            helper.make_node("Reshape", ["crops/seen", "crops/whole"], [given.name]),
        ]
    _begin_with(network.graph, inputs, nodes, constants)


def _with_blendshapes(face: Any, blendshapes: Any) -> Any:
    """The face's landmarks and score, and the blendshapes of where these are in the image."""
    from onnx import TensorProto, compose, helper, numpy_helper

    landmarks, score = face.graph.output[0].name, face.graph.output[1].name
    constants = {
        "points/shape": np.array([0, 478, 3]), "points/which": BLENDSHAPE_POINTS.astype(np.int64),
        "points/xy": np.array([0, 1]), "points/first": np.array([0]), "points/last": np.array([2]),
        "points/end": np.array([3]), "points/axis": np.array([1]),
    }  # fmt: skip
    face.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    face.graph.input.append(helper.make_tensor_value_info(MAPS, TensorProto.FLOAT, ["batch", 3, 2]))
    face.graph.node.extend([
        helper.make_node("Reshape", [landmarks, "points/shape"], ["points/all"]),
        helper.make_node("Gather", ["points/all", "points/which"], ["points/xyz"], axis=1),
        helper.make_node("Gather", ["points/xyz", "points/xy"], ["points/crop"], axis=2),
        helper.make_node("Slice", [MAPS, "points/first", "points/last", "points/axis"], ["maps/turn"]),
        helper.make_node("Slice", [MAPS, "points/last", "points/end", "points/axis"], ["maps/move"]),
        helper.make_node("MatMul", ["points/crop", "maps/turn"], ["points/turned"]),
        helper.make_node("Add", ["points/turned", "maps/move"], ["points"]),
    ])  # fmt: skip
    points = helper.make_tensor_value_info("points", TensorProto.FLOAT, ["batch", len(BLENDSHAPE_POINTS), 2])
    face.graph.output.append(points)
    behind = compose.add_prefix(blendshapes, "blendshapes/")
    for model in (face, behind):
        del model.metadata_props[:]
    (taken,), (given,) = behind.graph.input, behind.graph.output
    return compose.merge_models(face, behind, [("points", taken.name)], outputs=[landmarks, score, given.name])


def _begin_with(graph: Any, inputs: list[Any], nodes: list[Any], constants: dict[str, Any]) -> None:
    from onnx import numpy_helper

    before = list(graph.node)
    del graph.input[:], graph.node[:]
    graph.input.extend(inputs)
    graph.node.extend([*nodes, *before])
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())


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
