"""The facts of PyMAF-X that everybody shares: its graphs, their inputs and outputs, its thresholds, its precisions.

Needs no torch.
"""

from dataclasses import dataclass

import numpy as np
from pymafx_live.engines.runtime.interface import TensorSpec

SIZE = 224
"""Pixels of a crop's side."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, RGB."""

HAND_VISIBLE = 0.1
"""Above this, raw, the network counts a hand as visible (the authors' HAND_VIS_TH)."""
UNDECIDED, HIDDEN = -1.0, 0.0
"""Hand visibilities that a caller gives: the network decides, or the hand is not there."""

WEIGHTS = {"fp32": "float32", "mixed": "float16"}
"""Which of the bundle's files a precision is made from; `wide` is made from float32."""
PRECISIONS = {"fp32": "fp32", "mixed": "mixed", "fp16": "mixed", "wide": "wide"}
"""What may be asked for, and what it is. `fp16` is `mixed`: the encoders, 95 % of the work, are half already, and the
rest is either sensitive or too small to gain from it. `wide` is half in the encoders only: everything from the sampling
on, the embedding and the attention's softmax too, is float32."""
SAFER = {"mixed": "wide", "wide": "fp32"}
"""What is tried next where a runtime does not compute a precision as it should: TensorRT from 10.14.1 on is known to
get sampling in float32 between casts to half wrong (github.com/NVIDIA/TensorRT, strongly typed networks)."""


@dataclass(frozen=True)
class GraphSpec:
    """A graph's inputs and outputs; the first axis of all of them is the batch."""

    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]


def _floats(*shape: int) -> TensorSpec:
    return TensorSpec((None, *shape), "float32")


_CROPS = TensorSpec((None, SIZE, SIZE, 3), "uint8")

GRAPHS: dict[str, GraphSpec] = {
    "hands": GraphSpec(
        {"crops": _CROPS, "is_left": TensorSpec((None,), "bool")},
        {"hand_state": _floats(109), "hand_votes": _floats(4)},
    ),
    "face": GraphSpec({"crops": _CROPS}, {"face_poses": _floats(4, 18), "pred_exp": _floats(50)}),
    "body": GraphSpec(
        {
            "crops": _CROPS,
            "face_poses": _floats(4, 18),
            "hand_state": _floats(2, 109),
            "hand_votes": _floats(2, 4),
            "visibility": _floats(2),
        },
        {
            "pred_cam": _floats(3),
            "pred_shape": _floats(10),
            "rotmat": _floats(24, 3, 3),
            "pred_lhand_rotmat": _floats(15, 3, 3),
            "pred_rhand_rotmat": _floats(15, 3, 3),
            "pred_face_rotmat": _floats(3, 3, 3),
            "pred_vis_hands": _floats(2),
        },
    ),
}
"""The three graphs that the network is cut into, in their order; in the body's, hands stand left, then right."""
