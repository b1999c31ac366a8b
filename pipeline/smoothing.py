"""Smooths poses over time: still people stand still, and fast ones are followed without delay.

The 1€ filter (Casiez, Roussel and Vogel, CHI 2012): a low-pass filter whose cutoff grows with speed. Rotations
are filtered on their manifold: the step towards the new rotation is scaled along the shortest turn.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numba as nb
import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import exp, log, multiply, multiply_transposed
from pymafx_live.core.types import Frame, Person, TrackState

_jit = nb.njit(cache=True, nogil=True)

POSE_CUTOFF, POSE_SLOPE = 2.0, 8.0
"""Hz for a still joint, and Hz more for each radian per second."""
PLACE_CUTOFF, PLACE_SLOPE = 0.8, 6.0
"""Hz for a person who stands, and Hz more for each metre per second."""
SPEED_CUTOFF = 1.5
"""Hz at which speeds are themselves smoothed."""
GAP = 0.5
"""Seconds without a result after which a person starts anew."""


@_jit
def _share(cutoff: float, dt: float) -> float:
    """The part of a step that a first-order low-pass filter of `cutoff` Hz takes in `dt` seconds."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * dt))


@_jit
def smooth_rotations(
    pose: Reals, raw: Reals, smooth: Reals, speed: Reals, dt: float, cutoff: float, slope: float, out: Reals
) -> None:
    """Filters axis-angle vectors (J, 3) into `out`; keeps `raw`, `smooth` (J, 3, 3) and `speed` (J, 3)."""
    new, step, product = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    vector = np.empty(3)
    for j in range(len(pose)):
        exp(pose[j], new)
        multiply_transposed(raw[j], new, step)
        log(step, vector)
        speed[j] += _share(SPEED_CUTOFF, dt) * (vector / dt - speed[j])
        rate = np.sqrt(speed[j, 0] ** 2 + speed[j, 1] ** 2 + speed[j, 2] ** 2)
        multiply_transposed(smooth[j], new, step)
        log(step, vector)
        exp(vector * _share(cutoff + slope * rate, dt), step)
        multiply(smooth[j], step, product)
        raw[j], smooth[j] = new, product
        log(product, out[j])


@dataclass(slots=True)
class _Memory:
    time: float
    raw: Reals
    smooth: Reals
    speed: Reals
    place: Reals
    smooth_place: Reals
    drift: Reals


class Smoother:
    """Smooths the pose and place of each track; `strength` 1 is the default, 0 does nothing, 2 twice as slow."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength
        self._memory: dict[int, _Memory] = {}
        if strength > 0:  # compile now, not at the first frame
            still = _begin(np.zeros((1, 3)), np.zeros(3), 0.0)
            smooth_rotations(np.zeros((1, 3)), still.raw, still.smooth, still.speed, 1.0, 1.0, 1.0, np.zeros((1, 3)))

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed; forgets who is not among them or has ended."""
        if self.strength <= 0:
            return list(people)
        if frame.cut:
            self._memory.clear()
        smoothed = [self._one(person, frame.time) for person in people]
        alive = {p.id for p in people if p.state is not TrackState.ENDED}
        self._memory = {i: m for i, m in self._memory.items() if i in alive}
        return smoothed

    def _one(self, person: Person, time: float) -> Person:
        pose = person.full_pose.astype(np.float64)
        memory = self._memory.get(person.id)
        if memory is None or not 0 < time - memory.time < GAP:
            self._memory[person.id] = _begin(pose, person.pelvis, time)
            return person
        dt, memory.time = time - memory.time, time
        out = np.empty_like(pose)
        cutoff, slope = POSE_CUTOFF / self.strength, POSE_SLOPE / self.strength
        smooth_rotations(pose, memory.raw, memory.smooth, memory.speed, dt, cutoff, slope, out)
        memory.drift += _share(SPEED_CUTOFF, dt) * ((person.pelvis - memory.place) / dt - memory.drift)
        memory.place = person.pelvis.astype(np.float64)
        rate = PLACE_CUTOFF + PLACE_SLOPE * float(np.linalg.norm(memory.drift))
        memory.smooth_place = memory.smooth_place + _share(rate / self.strength, dt) * (
            memory.place - memory.smooth_place
        )
        return _rebuilt(person, out.astype(np.float32), memory.smooth_place.astype(np.float32))


def _begin(pose: Reals, place: Reals, time: float) -> _Memory:
    matrices = np.empty((len(pose), 3, 3))
    for vector, matrix in zip(pose, matrices, strict=True):
        exp(vector, matrix)
    at = place.astype(np.float64)
    return _Memory(time, matrices, matrices.copy(), np.zeros_like(pose), at, at.copy(), np.zeros(3))


def _rebuilt(person: Person, pose: NDArray[np.float32], pelvis: NDArray[np.float32]) -> Person:
    """The person with another pose (55, 3) and pelvis (3,); `transl` moves as the pelvis does."""
    return replace(
        person,
        global_orient=pose[0],
        body_pose=pose[1:22].ravel(),
        jaw_pose=pose[22],
        leye_pose=pose[23],
        reye_pose=pose[24],
        left_hand_pose=pose[25:40].ravel(),
        right_hand_pose=pose[40:].ravel(),
        transl=person.transl + (pelvis - person.pelvis),
        pelvis=pelvis,
    )
