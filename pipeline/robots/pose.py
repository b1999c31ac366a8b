"""How a person stands in the level world, as robots are led by it: to be mixed, and to be followed at a limited speed.

The world has y up and the floor at 0, in metres (`core/world.py`); rotations are matrices of SMPL-X's 55 joints.
"""

from dataclasses import dataclass

import numpy as np
from pymafx_live.core import kinematics
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import FrameResult, Origin, Person, TrackState
from pymafx_live.core.world import FloorOrigin
from pymafx_live.engines.body.rest import relaxed_pose, rest_bones

_FEET = [JOINT["left_foot"], JOINT["right_foot"]]
_SOLE = 0.01
"""Metres of a foot's joint above its sole, in the embedded body."""
_GROWTH = 0.1
"""How much slower than a person may move their bones may grow: another person's are other ones."""


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """The rotations (55, 3, 3), each in its parent's axes, the pelvis's in the world; where the pelvis is, (3,); and
    the bones (55, 3) that lead to each joint in its parent's axes. `measured` are the parts that the frame showed."""

    rotations: Reals
    pelvis: Reals
    bones: Reals
    measured: frozenset[str] = frozenset()
    inner: Reals | None = None
    """What `inner_joints` gives, where somebody has worked it out."""

    def joints(self) -> tuple[Reals, Reals]:
        """Where the joints are (55, 3), and their rotations (55, 3, 3), in the world."""
        turned = kinematics.global_rotations(self.rotations)
        return kinematics.positions(turned, self.pelvis, self.bones), turned

    def inner_joints(self) -> Reals:
        """Where the joints are from the pelvis and in its axes, (55, 3)."""
        if self.inner is not None:
            return self.inner
        rotations = self.rotations.copy()
        rotations[0] = np.eye(3)
        return kinematics.positions(kinematics.global_rotations(rotations), np.zeros(3), self.bones)


def pose_of(person: Person, result: FrameResult) -> Pose | None:
    """How the person stands; None where this frame does not show it (a lost track, a trunk that is only held)."""
    measured = frozenset(name for name, part in person.parts.items() if part.origin == Origin.MEASURED)
    if person.state in (TrackState.LOST, TrackState.ENDED) or not {"torso", "transl"} <= measured:
        return None
    there = person.in_world(result)
    rotations = to_matrices(there.full_pose.astype(np.float64))
    turned, pelvis = kinematics.global_rotations(rotations), there.pelvis.astype(np.float64)
    joints: Reals = there.joints.astype(np.float64)
    if (known := len(joints)) < len(rotations):
        guess = rest_bones() * there.extra.get("bones", np.ones(len(rotations)))[:, None]
        joints = np.concatenate([joints, kinematics.positions(turned, pelvis, guess)[known:]])
    bones = kinematics.bones(turned, joints)
    if known < len(rotations):
        bones[known:] = guess[known:]
        joints = kinematics.positions(turned, pelvis, bones)
    if not (np.isfinite(rotations).all() and np.isfinite(joints).all()):
        return None
    inner = (joints - pelvis) @ turned[0]
    if result.world.floor == FloorOrigin.ASSUMED:  # nobody knows better than that people stand on it
        pelvis[1] -= joints[_FEET, 1].min() - _SOLE
    return Pose(rotations, pelvis, bones, measured, inner)


def between(a: Pose, b: Pose, share: float) -> Pose:
    """The pose at `share` 0..1 of the way from a to b: rotations by the shorter way (slerp), places straight."""
    steps = to_vectors(a.rotations.swapaxes(-1, -2) @ b.rotations)
    rotations = a.rotations @ to_matrices(steps * share)
    return Pose(rotations, a.pelvis + share * (b.pelvis - a.pelvis), a.bones + share * (b.bones - a.bones), b.measured)


def towards(a: Pose, b: Pose, turn: Reals, step: float) -> Pose:
    """From a towards b, each joint by at most `turn` (55,) radians, the pelvis by at most `step` metres."""
    rotations = b.rotations
    cosines = (np.einsum("jab,jab->j", a.rotations, b.rotations) - 1) / 2
    if (cosines < np.cos(np.minimum(turn, np.pi))).any():  # else all are near enough, as they mostly are
        steps = to_vectors(a.rotations.swapaxes(-1, -2) @ b.rotations)
        share = turn / np.maximum(np.linalg.norm(steps, axis=1), 1e-12)
        turned = a.rotations @ to_matrices(steps * np.minimum(share, 1)[:, None])
        rotations = np.where((share < 1)[:, None, None], turned, b.rotations)
    return Pose(rotations, _nearer(a.pelvis, b.pelvis, step), _nearer(a.bones, b.bones, _GROWTH * step), b.measured)


def _nearer(a: Reals, b: Reals, most: float) -> Reals:
    """The points (..., 3), `most` metres from a towards b, or at b."""
    way = b - a
    if np.abs(way).max() * 1.8 <= most:
        return b
    length = np.linalg.norm(way, axis=-1, keepdims=True)
    return np.asarray(np.where(length <= most, b, a + way * (most / np.maximum(length, 1e-12))))


def turned_by(a: Pose, b: Pose) -> float:
    """By how many radians the pelvis differs."""
    return float(np.linalg.norm(to_vectors(a.rotations[0].T @ b.rotations[0])))


def turns(a: Pose, b: Pose) -> Reals:
    """By how many radians (55,) each joint differs."""
    return np.asarray(np.linalg.norm(to_vectors(a.rotations.swapaxes(-1, -2) @ b.rotations), axis=1))


def standing(like: Pose) -> Pose:
    """Somebody who stands upright with arms hanging, of the same bones, in the same place and facing the same way."""
    x, _, z = like.rotations[0][:, 2]
    rotations = to_matrices(relaxed_pose())
    rotations[0] = to_matrices(np.array([0, np.arctan2(x, z), 0]))
    pose = Pose(rotations, np.zeros(3), like.bones)
    feet = pose.joints()[0][_FEET, 1].min() - _SOLE
    return Pose(rotations, np.array([like.pelvis[0], -feet, like.pelvis[2]]), like.bones)
