"""The embedded body at rest, without its mesh: what `pymafx-live skeleton` prints, as arrays not to be written to."""

import json
from functools import cache
from importlib import resources

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import PARENTS


@cache
def rest_bones() -> Reals:
    """The bones (55, 3) of the body in a T-pose, from parent to joint; the pelvis has none."""
    rest = _of_joints("rest")
    bones: Reals = rest - rest[np.array(PARENTS)]
    bones[0] = 0
    bones.flags.writeable = False
    return bones


@cache
def relaxed_pose() -> Reals:
    """Arms hanging, as axis-angle vectors (55, 3)."""
    pose = _of_joints("relaxed")
    pose.flags.writeable = False
    return pose


def _of_joints(key: str) -> Reals:
    text = (resources.files("pymafx_live.engines.data") / "skeleton.json").read_text(encoding="utf-8")
    return np.array([joint[key] for joint in json.loads(text)["joints"]], np.float64)
