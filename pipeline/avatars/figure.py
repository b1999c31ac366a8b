"""What an avatar is to show: a person's pose and face in a level world, whatever the avatar looks like."""

from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
from pymafx_live.core import kinematics, quaternions
from pymafx_live.core.arrays import Reals
from pymafx_live.core.names import BLENDSHAPES
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT, MIRROR, PARENTS
from pymafx_live.core.types import FrameResult, Person
from pymafx_live.engines.body.rest import relaxed_pose, rest_bones

SOLE = 0.0807
"""Metres from the ankle down to the sole of the embedded body."""
_PARENTS = np.array(PARENTS)
_ANKLES = [JOINT["left_ankle"], JOINT["right_ankle"]]
_SIDEWAYS = np.array([-1.0, 1.0, 1.0])
_TURNED = np.array([1.0, -1.0, -1.0, 1.0])
_FACE_MIRROR = np.array([
    BLENDSHAPES.index(n.replace("Left", "Right") if "Left" in n else n.replace("Right", "Left")) for n in BLENDSHAPES
])  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A pose in SMPL-X's own axes (x to the person's left, y up, z forward), metres.

    A T-pose that faces the viewer is all zero turns: the world's axes are those of a body that faces the camera.
    """

    turns: Reals
    """(55, 4): each joint's rotation as a quaternion x, y, z, w relative to its parent's, the pelvis's in the world."""
    place: Reals
    """(3,): where the pelvis is in the world; the floor is at y = 0."""
    bones: Reals
    """(55, 3): from each joint's parent to it, in a T-pose; (0, 0, 0) for the pelvis."""
    face: Reals
    """(52,): `BLENDSHAPES` in 0..1."""

    def mirrored(self) -> "Figure":
        """The mirror image, as it is seen in a mirror before the person: left and right are exchanged."""
        return Figure(
            (self.turns * _TURNED)[MIRROR], self.place * _SIDEWAYS, (self.bones * _SIDEWAYS)[MIRROR],
            self.face[_FACE_MIRROR],
        )  # fmt: skip

    def moved(self, by: Reals) -> "Figure":
        """The same pose elsewhere, `by` (3,) metres on."""
        return replace(self, place=self.place + by)

    def toward(self, other: "Figure", share: float) -> "Figure":
        """What is `share` 0..1 of the way to another figure: each joint along the shorter turn."""
        place = self.place + share * (other.place - self.place)
        bones = self.bones + share * (other.bones - self.bones)
        face = self.face + share * (other.face - self.face)
        return Figure(quaternions.slerp(self.turns, other.turns, share), place, bones, face)

    @property
    def height(self) -> float:
        """How high the pelvis is above the floor, in metres, when the figure stands straight."""
        return _height(self.bones)

    def joints(self) -> tuple[Reals, Reals]:
        """Where the joints are in the world, (55, 3), and their rotations (55, 3, 3) there."""
        turned = kinematics.global_rotations(quaternions.to_matrices(self.turns))
        return kinematics.positions(turned, self.place, self.bones), turned


def figure_of(person: Person, result: FrameResult) -> Figure:
    """The figure of a person of a result; a face that is not seen rests."""
    turns = quaternions.from_vectors(person.full_pose.astype(np.float64))
    turns[0] = quaternions.multiply(_turn(result.world.rotation.astype(np.float64).tobytes()), turns[0])
    place = result.world.points(person.pelvis.astype(np.float64))
    face = person.extra.get("blendshapes")
    return Figure(
        turns, place, _bones(person), np.zeros(len(BLENDSHAPES)) if face is None else
        face.astype(np.float64),
    )  # fmt: skip


@lru_cache(64)
def _turn(rotation: bytes) -> Reals:
    """The quaternion (4,) of a world's matrix of doubles, which is the same for all people and most frames."""
    return quaternions.from_matrices(np.frombuffer(rotation).reshape(3, 3))


@cache
def at_rest() -> Figure:
    """Who stands and lets the arms hang, at the origin, facing the viewer: the embedded body's own rest."""
    bones = rest_bones()
    place = np.array([0.0, _height(bones), 0.0])
    return Figure(quaternions.from_vectors(relaxed_pose()), place, bones, np.zeros(len(BLENDSHAPES)))


def _bones(person: Person) -> Reals:
    """A person's own bones (55, 3): the embedded body's in the ratios that were estimated, or what joints tell."""
    ratios = person.extra.get("bones")
    if ratios is not None:
        return np.asarray(rest_bones() * ratios[:, None].astype(np.float64))
    if len(person.joints) < len(PARENTS):
        return rest_bones()
    turned = kinematics.global_rotations(to_matrices(person.full_pose.astype(np.float64)))
    out = kinematics.bones(turned, person.joints.astype(np.float64))
    out[0] = 0
    return out


def _height(bones: Reals) -> float:
    """How high the pelvis of a T-pose with these bones (55, 3) is above the soles."""
    leg = [bones[[j, PARENTS[j], PARENTS[PARENTS[j]]], 1].sum() for j in _ANKLES]
    return SOLE - float(min(leg))
