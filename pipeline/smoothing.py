"""Smooths poses over time: still people stand still, and fast ones are followed without delay.

The 1€ filter (Casiez, Roussel and Vogel, CHI 2012): a low-pass filter whose cutoff grows with speed. Rotations
are filtered on their manifold: the step towards the new rotation is scaled along the shortest turn.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
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
        return [self._one(person, pose, frame.time) for person, pose in zip(people, poses, strict=True)]

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""
        for key in ids:
            self._memory.pop(key, None)

    def _one(self, person: Person, pose: Reals, time: float) -> Person:
        part = person.parts.get("transl")
        if part is not None and part.origin is Origin.DEFAULT:  # a guess: whoever is found starts anew
            self._memory.pop(person.id, None)
            return person
        place = person.pelvis.astype(np.float64)
        memory = self._memory.get(person.id)
        if memory is None or not 0 < time - memory.time < GAP:
            self._memory[person.id] = _Memory(time, pose, pose, np.zeros((len(pose), 3)), place, place, np.zeros(3))
            return person
        dt, memory.time = time - memory.time, time
        memory.smooth = self._turned(memory, pose, dt)
        memory.drift += _share(SPEED_CUTOFF, dt) * ((place - memory.place) / dt - memory.drift)
        rate = PLACE_CUTOFF + PLACE_SLOPE * np.linalg.norm(memory.drift)
        memory.smooth_place = memory.smooth_place + _share(rate / self.strength, dt) * (place - memory.smooth_place)
        memory.raw, memory.place = pose, place
        return _rebuilt(person, to_vectors(memory.smooth).astype(np.float32), memory.smooth_place.astype(np.float32))

    def _turned(self, memory: _Memory, pose: Reals, dt: float) -> Reals:
        """The smoothed rotations (55, 3, 3), one step on towards `pose`."""
        steps = to_vectors(np.stack([memory.raw, memory.smooth]).swapaxes(-1, -2) @ pose)
        memory.spin += _share(SPEED_CUTOFF, dt) * (steps[0] / dt - memory.spin)
        rates = POSE_CUTOFF + POSE_SLOPE * np.linalg.norm(memory.spin, axis=1)
        return memory.smooth @ to_matrices(steps[1] * _share(rates / self.strength, dt)[:, None])


def _share(cutoff: ArrayLike, dt: float) -> Reals:
    """The part of a step that a first-order low-pass filter of `cutoff` Hz takes in `dt` seconds."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * dt * np.asarray(cutoff))))


def _rebuilt(person: Person, pose: NDArray[np.float32], pelvis: NDArray[np.float32]) -> Person:
    """The person with another pose (55, 3) and pelvis (3,); `transl` moves as the pelvis does."""
    transl = person.transl + (pelvis - person.pelvis)
    return replace(person, **pose_parameters(pose), transl=transl, pelvis=pelvis)
