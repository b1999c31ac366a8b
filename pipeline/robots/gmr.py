"""General Motion Retargeting (GMR, github.com/YanjieZe/GMR): what its `retarget` takes for `src_human="smplx"`.

Source: its `ik_configs/smplx_to_g1.json` (the names) and `motion_retarget.py` (global positions and rotations, w x y z,
z up). A message and no function, as GMR lives in an environment of its own, often with another Python; and so that what
moves the robot has passed the safety layer.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pymafx_live.core.axes import Z_UP
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.pipeline.robots.flesh import height
from pymafx_live.pipeline.robots.message import Newest
from pymafx_live.pipeline.robots.pose import Pose
from pymafx_live.pipeline.robots.quaternions import to_quaternions

NAMES = (
    "pelvis", "spine3",
    *(f"{side}_{name}" for name in ("hip", "knee", "foot", "shoulder", "elbow", "wrist") for side in SIDES),
)  # fmt: skip
"""Those of SMPL-X's joints that its configurations name."""
_ROWS = np.array([JOINT[name] for name in NAMES])


def frame(pose: Pose) -> dict[str, tuple[list[float], list[float]]]:
    """Each name's place and rotation in a world with z up and the floor at 0: metres, and a quaternion w x y z.

    The rotations are global and SMPL-X's: none turns a body that stands in a T, y up, along z.
    """
    joints, turned = pose.joints()
    places, quaternions = (joints[_ROWS] @ Z_UP.T).tolist(), to_quaternions(Z_UP @ turned[_ROWS]).tolist()
    return dict(zip(NAMES, zip(places, quaternions, strict=True), strict=True))


class Gmr(Newest):
    """At each tick a `frame`, and the person's `height` for `actual_human_height`."""

    name, port = "gmr", 5557

    def content(self, pose: Pose) -> Mapping[str, Any]:
        """See `Newest.content`."""
        return {"height": height(pose.bones), "frame": frame(pose)}
