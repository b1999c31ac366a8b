"""What of a body is no joint: fingertips, soles and the top of the head, of the embedded mesh."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT, PARENTS, SIDES
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.body.rest import rest_bones

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
"""In MediaPipe's order."""
_TALL = [JOINT[name] for name in ("left_knee", "left_ankle", "spine1", "spine2", "spine3", "neck", "head")]
"""The bones that make up a height, as those of the right leg are like those of the left."""


@dataclass(frozen=True, slots=True, eq=False)
class Flesh:
    """`tips` maps a side to where its fingertips are from the last joint of each finger in that joint's axes at rest,
    (5, 3) metres in the order of `FINGERS`; `height` is how tall the embedded body is."""

    tips: dict[str, Reals]
    height: float


@cache
def flesh() -> Flesh:
    """Of the embedded body; its mesh is read once.

    A fingertip is the vertex of the last phalanx that is farthest out along the bone that leads to it.
    """
    body = BodyModel.embedded()
    vertices, strongest = body.v_template.astype(np.float64), body.skin_joints[:, 0]
    tips: dict[str, Reals] = {side: np.empty((len(FINGERS), 3)) for side in SIDES}
    for side in SIDES:
        for row, finger in enumerate(FINGERS):
            joint = JOINT[f"{side}_{finger}3"]
            own = vertices[strongest == joint] - body.rest_joints[joint]
            along = body.rest_joints[joint] - body.rest_joints[PARENTS[joint]]
            tips[side][row] = own[np.argmax(own @ along)]
    return Flesh(tips, float(np.ptp(vertices[:, 1])))


def height(bones: Reals) -> float:
    """How tall a person of these bones (55, 3) is, in metres: the embedded body, as much longer as its bones are."""
    long, rest = (np.linalg.norm(each[_TALL], axis=1).sum() for each in (bones, rest_bones()))
    return float(flesh().height * long / rest)
