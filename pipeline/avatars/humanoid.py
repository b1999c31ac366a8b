"""Unity's humanoid: the names of its bones, its axes, and how an avatar's bones hang together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pymafx_live.core import quaternions
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.core.skeleton import JOINT, PARENTS
from pymafx_live.pipeline.avatars.figure import Figure

_BODY = {
    "Hips": "pelvis", "LeftUpperLeg": "left_hip", "RightUpperLeg": "right_hip", "LeftLowerLeg": "left_knee",
    "RightLowerLeg": "right_knee", "LeftFoot": "left_ankle", "RightFoot": "right_ankle", "Spine": "spine1",
    "Chest": "spine2", "UpperChest": "spine3", "Neck": "neck", "Head": "head", "LeftShoulder": "left_collar",
    "RightShoulder": "right_collar", "LeftUpperArm": "left_shoulder", "RightUpperArm": "right_shoulder",
    "LeftLowerArm": "left_elbow", "RightLowerArm": "right_elbow", "LeftHand": "left_wrist", "RightHand": "right_wrist",
    "LeftToes": "left_foot", "RightToes": "right_foot",
}  # fmt: skip
_FACE = {"LeftEye": "left_eye", "RightEye": "right_eye", "Jaw": "jaw"}
_FINGERS = {
    f"{side}{theirs}{segment}": f"{side.lower()}_{ours}{k}"
    for side in ("Left", "Right")
    for theirs, ours in (("Thumb", "thumb"), ("Index", "index"), ("Middle", "middle"), ("Ring", "ring"),
                         ("Little", "pinky"))
    for k, segment in enumerate(("Proximal", "Intermediate", "Distal"), 1)
}  # fmt: skip
BONES: Mapping[str, str] = _BODY | _FACE | _FINGERS
"""The 55 bones of Unity's `HumanBodyBones`, and the joint of SMPL-X that turns each.

https://docs.unity3d.com/ScriptReference/HumanBodyBones.html"""
PARTS: Mapping[str, frozenset[str]] = {
    "body": frozenset(_BODY), "face": frozenset(_FACE), "hands": frozenset(_FINGERS)
}  # fmt: skip
"""The bones of each part that can be switched off."""
_SPINE = ("UpperChest", "Chest", "Spine")
_MIRRORED = np.array([-1.0, 1.0, 1.0])
_TURNED = np.array([1.0, -1.0, -1.0, 1.0])


def unity_places(places: Reals) -> Reals:
    """Places (..., 3) of axes x left, y up, z forward in Unity's left-handed ones: x is mirrored."""
    return np.asarray(places * _MIRRORED)


def unity_turns(turns: Reals) -> Reals:
    """Rotations (..., 4) as x, y, z, w in Unity's axes: (x, -y, -z, w)."""
    return np.asarray(turns * _TURNED)


@dataclass(frozen=True, eq=False)
class Rig:
    """The bones that an avatar has, and how they are at rest: a T-pose that faces +z, in axes x left, y up, z forward.

    `names` are N of `BONES`, the hips first. `chains` (M, N) are the joints of SMPL-X whose rotations make each bone's,
    the first applied last, 55 for none: where a bone is missing, its rotation goes to its child (a neck to the head),
    and that of the upper chest to the bone below it.
    """

    names: Sequence[str]
    chains: Indices
    places: Reals | None
    """(N, 3): each bone's place at rest relative to its node's parent; None: those of the person's own bones."""
    parents: Reals
    """(N, 4): the rotation at rest of the node that each bone's node hangs on, in the model."""
    turns: Reals
    """(N, 4): the rotation at rest of each bone in the model. Zero turns everywhere but in some VRM 1.0."""
    inverse_base: Reals
    """(4, 4): takes places of the model to the hips' parent."""
    height: float | None
    """How high the hips are at rest, in metres; None: as high as the person's own."""

    @cached_property
    def plain(self) -> bool:
        """Whether no bone is turned at rest."""
        return bool(np.all(self.parents[:, 3] > 1 - 1e-12) and np.all(self.turns[:, 3] > 1 - 1e-12))

    def pose(self, figure: Figure) -> tuple[Reals, Reals]:
        """The local places (N, 3) and rotations (N, 4) of the bones, in axes x left, y up, z forward."""
        turns = self._turns(figure.turns)
        # the person's own rig has all of the joints, each in a chain of its own
        places = figure.bones[self.chains[0]] if self.places is None else self.places.copy()
        scale = 1.0 if self.height is None else self.height / figure.height
        places[0] = self.inverse_base[:3, :3] @ (scale * figure.place) + self.inverse_base[:3, 3]
        return places, turns

    def _turns(self, local: Reals) -> Reals:
        """The rotations (N, 4) of the bones for those of joints (55, 4)."""
        out: Reals = local[self.chains[0]]
        for joints in self.chains[1:]:
            more = np.flatnonzero(joints < len(local))
            out[more] = quaternions.multiply(out[more], local[joints[more]])
        if self.plain:
            return out
        # https://github.com/vrm-c/vrm-specification/blob/master/specification/VRMC_vrm-1.0/humanoid.md: a rotation in
        # the model's axes, seen from the node's parent, and then the node's own rest.
        return quaternions.multiply(quaternions.multiply(quaternions.inverse(self.parents), out), self.turns)


def own_rig() -> Rig:
    """The person's own skeleton: all bones, in the person's own proportions."""
    names = tuple(BONES)
    none = np.tile(quaternions.IDENTITY, (len(names), 1))
    return Rig(names, chains(names), None, none, none, np.eye(4), None)


def chains(names: Sequence[str]) -> Indices:
    """Which joints make each of these bones' rotations, as `Rig.chains`."""
    joint = {name: JOINT[BONES[name]] for name in names}
    spine = next((name for name in _SPINE if name in joint), None)
    if spine is not None:
        joint[spine] = JOINT["spine3"]
    taken = set(joint.values())
    lists = []
    for name in names:
        j = joint[name]
        line = [j]
        while (j := PARENTS[j]) >= 0 and j not in taken:
            line.insert(0, j)
        lists.append(line)
    out = np.full((max(map(len, lists)), len(names)), len(PARENTS), np.int64)
    for column, line in enumerate(lists):
        out[: len(line), column] = line
    return out
