"""Smooths poses over time: still people stand still, and fast ones are followed without delay.

The 1€ filter (Casiez, Roussel and Vogel, CHI 2012): a low-pass filter whose cutoff grows with speed. Rotations
are filtered on their manifold: the step towards the new rotation is scaled along the shortest turn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from pymafx_live.core import kinematics
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.types import Frame, Origin, Person, pose_parameters

POSE_CUTOFF, POSE_SLOPE = 2.0, 8.0
"""Hz for a still joint, and Hz more for each radian per second."""
PLACE_CUTOFF, PLACE_SLOPE = 0.8, 6.0
"""Hz for a person who stands, and Hz more for each metre per second."""
SPEED_CUTOFF = 1.5
"""Hz at which speeds are themselves smoothed."""
GAP = 0.5
"""Seconds without a result after which a person starts anew."""


@dataclass(slots=True)
class _Memory:
    """What is known of a track: its last pose as it came and as it was smoothed (55, 3, 3), its pelvis likewise (3,).

    `spin` (55, 3) are the joints' smoothed speeds in radians per second, `drift` (3,) the pelvis's in metres.
    """

    time: float
    raw: Reals
    smooth: Reals
    spin: Reals
    place: Reals
    smooth_place: Reals
    drift: Reals


class Smoother:
    """Smooths the pose and place of each track; `strength` 1 is the default, 0 does nothing, 2 twice as slow."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength
        self._memory: dict[int, _Memory] = {}

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed."""
        if frame.cut:
            self._memory.clear()
        if self.strength <= 0 or not people:
            return list(people)
        poses = to_matrices(np.stack([person.full_pose for person in people]).astype(np.float64))
        smooth = [self._one(person, pose, frame.time) for person, pose in zip(people, poses, strict=True)]
        return _rebuilt(people, poses, smooth)

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""
        for key in ids:
            self._memory.pop(key, None)

    def _one(self, person: Person, pose: Reals, time: float) -> tuple[Reals, Reals] | None:
        """The pose (55, 3, 3) and the pelvis (3,) that are published, None where they are the estimated ones."""
        part = person.parts.get("transl")
        if part is not None and part.origin is Origin.DEFAULT:  # a guess: whoever is found starts anew
            self._memory.pop(person.id, None)
            return None
        place = person.pelvis.astype(np.float64)
        memory = self._memory.get(person.id)
        if memory is None or not 0 < time - memory.time < GAP:
            self._memory[person.id] = _Memory(time, pose, pose, np.zeros((len(pose), 3)), place, place, np.zeros(3))
            return None
        dt, memory.time = time - memory.time, time
        memory.smooth = self._turned(memory, pose, dt)
        memory.drift += share(SPEED_CUTOFF, dt) * ((place - memory.place) / dt - memory.drift)
        rate = PLACE_CUTOFF + PLACE_SLOPE * np.linalg.norm(memory.drift)
        memory.smooth_place = memory.smooth_place + share(rate / self.strength, dt) * (place - memory.smooth_place)
        memory.raw, memory.place = pose, place
        return memory.smooth, memory.smooth_place

    def _turned(self, memory: _Memory, pose: Reals, dt: float) -> Reals:
        """The smoothed rotations (55, 3, 3), one step on towards `pose`."""
        steps = to_vectors(np.stack([memory.raw, memory.smooth]).swapaxes(-1, -2) @ pose)
        memory.spin += share(SPEED_CUTOFF, dt) * (steps[0] / dt - memory.spin)
        rates = POSE_CUTOFF + POSE_SLOPE * np.linalg.norm(memory.spin, axis=1)
        return memory.smooth @ to_matrices(steps[1] * share(rates / self.strength, dt)[:, None])


def share(cutoff: ArrayLike, dt: float) -> Reals:
    """The part of a step that a first-order low-pass filter of `cutoff` Hz takes in `dt` seconds."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * dt * np.asarray(cutoff))))


def _rebuilt(people: Sequence[Person], poses: Reals, smooth: Sequence[tuple[Reals, Reals] | None]) -> list[Person]:
    """The people whose `poses` were estimated (P, 55, 3, 3), with smoothed ones; `transl` and joints follow."""
    out, known = list(people), {k: pair for k, pair in enumerate(smooth) if pair is not None}
    for k, (pose, place) in known.items():
        person, pelvis = people[k], place.astype(np.float32)
        parameters = pose_parameters(to_vectors(pose).astype(np.float32))
        out[k] = replace(person, **parameters, transl=person.transl + (pelvis - person.pelvis), pelvis=pelvis)
    jointed = [k for k in known if len(people[k].joints)]
    if jointed:
        turned, places = (np.stack([known[k][i] for k in jointed]) for i in (0, 1))
        was, now = kinematics.global_rotations(np.stack([poses[jointed], turned]))
        bones = kinematics.bones(was, np.stack([people[k].joints for k in jointed]).astype(np.float64))
        for k, joints in zip(jointed, kinematics.positions(now, places, bones), strict=True):
            out[k] = replace(out[k], joints=joints.astype(np.float32))
    return out
