"""A figure as VRChat's OSC trackers: https://docs.vrchat.com/docs/osc-trackers."""

from collections.abc import Collection, Mapping

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT
from pymafx_live.pipeline.avatars import osc
from pymafx_live.pipeline.avatars.figure import Figure

TRACKERS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "hip": (("1", "pelvis", "pelvis"),),
    "chest": (("2", "spine3", "spine3"),),
    "feet": (("3", "left_ankle", "left_ankle"), ("4", "right_ankle", "right_ankle")),
    "knees": (("5", "left_knee", "left_hip"), ("6", "right_knee", "right_hip")),
    "elbows": (("7", "left_elbow", "left_shoulder"), ("8", "right_elbow", "right_shoulder")),
    "head": (("head", "head", "head"),),
}
"""Of each choice the trackers' names, the joint at whose place they are, and the one whose bone they are strapped to: a
knee's is on the thigh, an elbow's on the upper arm, as VRChat says."""
_MIRRORED = np.array([-1.0, 1.0, 1.0])


class TrackerEncoder:
    """Turns figures into messages for those of `TRACKERS` that are chosen."""

    def __init__(self, chosen: Collection[str] = tuple(TRACKERS)) -> None:
        trackers = [tracker for name, group in TRACKERS.items() if name in chosen for tracker in group]
        self._places = [JOINT[at] for _, at, _ in trackers]
        self._turns = [JOINT[of] for _, _, of in trackers]
        heads = [f"/tracking/trackers/{name}" for name, _, _ in trackers]
        self._heads = [(osc.head(f"{at}/position", "fff"), osc.head(f"{at}/rotation", "fff")) for at in heads]

    def messages(self, figure: Figure) -> list[bytes]:
        """A place in metres and a rotation in degrees of each tracker, in the world, in Unity's axes."""
        places, turned = figure.joints()
        numbers = np.empty((len(self._heads), 2, 3), ">f4")
        numbers[:, 0], numbers[:, 1] = places[self._places] * _MIRRORED, unity_angles(turned[self._turns])
        data = numbers.tobytes()
        return [
            head + data[24 * k + 12 * i : 24 * k + 12 * i + 12] for k, pair in enumerate(self._heads)
            for i, head in enumerate(pair)
        ]  # fmt: skip


def unity_angles(matrices: Reals) -> Reals:
    """Unity's Euler angles x, y, z (..., 3) in degrees of rotations (..., 3, 3) in axes x left, y up, z forward.

    They turn by z about z, then by x about x, then by y about y, all of them the world's axes: R = Ry Rx Rz
    (https://docs.unity3d.com/ScriptReference/Transform-eulerAngles.html).
    """
    m = matrices * np.outer(_MIRRORED, _MIRRORED)
    x = np.arcsin(np.clip(-m[..., 1, 2], -1, 1))
    level = np.abs(m[..., 1, 2]) < 1 - 1e-9
    # Straight up or down y and z turn alike: all of it is called y.
    y = np.where(level, np.arctan2(m[..., 0, 2], m[..., 2, 2]), np.arctan2(-m[..., 2, 0], m[..., 0, 0]))
    z = np.where(level, np.arctan2(m[..., 1, 0], m[..., 1, 1]), 0.0)
    return np.asarray(np.degrees(np.stack([x, y, z], -1)))
