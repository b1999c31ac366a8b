"""Hands for dex-retargeting (github.com/dexsuite/dex-retargeting): MediaPipe's 21 points in the frame made of them.

Source: `example/vector_retargeting/single_hand_detector.py` and `constants.py` there: the points from the wrist, turned
by `estimate_frame_from_hand_points` and `OPERATOR2MANO`. What comes here is what its `detect` gives as `joint_pos`.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.engines.body.rest import rest_bones
from pymafx_live.pipeline.robots.flesh import FINGERS, flesh
from pymafx_live.pipeline.robots.message import Newest
from pymafx_live.pipeline.robots.pose import Pose

INDEX, MIDDLE = 5, 9
"""Two knuckles among MediaPipe's points; the wrist is the first."""
_ROWS = {side: np.array([[JOINT[f"{side}_{finger}{k}"] for k in (1, 2, 3)] for finger in FINGERS]) for side in SIDES}


def points(pose: Pose) -> dict[str, Reals]:
    """Of each side the wrist, and three joints and the tip of each finger from the thumb on, in `hand_frame`: (21, 3).

    In metres. A tip is where the embedded mesh has it, as much farther out as the last bone is longer.
    """
    joints, turned = pose.joints()
    rest, out = rest_bones(), {}
    for side in SIDES:
        rows = _ROWS[side]
        last = rows[:, 2]
        longer = np.linalg.norm(pose.bones[last], axis=1) / np.linalg.norm(rest[last], axis=1)
        tips = joints[last] + (turned[last] @ (flesh().tips[side] * longer[:, None])[..., None])[..., 0]
        fingers = np.concatenate([joints[rows], tips[:, None]], 1).reshape(-1, 3)
        hand = np.concatenate([np.zeros((1, 3)), fingers - joints[JOINT[f"{side}_wrist"]]])
        out[side] = hand @ hand_frame(hand, side)
    return out


def hand_frame(points: Reals, side: str) -> Reals:
    """The axes (3, 3), as columns, of a hand's points (21, 3), the wrist at 0.

    z leads from the wrist to the middle finger's knuckle; the index finger's knuckle is in the plane of y and z, on
    the side of y for a right hand, on the other one for a left; x leads out of the palm.
    """
    z = points[MIDDLE] / np.linalg.norm(points[MIDDLE])
    across = points[INDEX] - (points[INDEX] @ z) * z
    y = across / np.linalg.norm(across) * (1 if side == "right" else -1)
    return np.stack([np.cross(y, z), y, z], 1)


class Hands(Newest):
    """At each tick the points of both hands, and whether the newest frame showed them."""

    name, port = "hands", 5558

    def content(self, pose: Pose) -> Mapping[str, Any]:
        """See `Newest.content`."""
        hands = {
            side: {"points": hand.tolist(), "measured": f"{side}_hand" in pose.measured}
            for side, hand in points(pose).items()
        }  # fmt: skip
        return {"hands": hands}
