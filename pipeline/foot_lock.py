"""Keeps feet that stand from sliding, by bending the legs only: trunk, head and hands stay as they are."""

from dataclasses import dataclass, field, replace

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.types import FrameResult, Person, TrackState
from pymafx_live.pipeline.legs import LEGS, Legs, has_legs, legs_of
from pymafx_live.pipeline.smoothing import GAP

LOCK, RELEASE = 0.45, 0.25
"""The probabilities of contact from which on a foot is held, and below which it is let go."""
EASE = 0.1
"""Seconds in which what a foot was held off fades to a third once it is let go."""
LEAK = 2.0
"""Seconds in which a foot that stands for long creeps two thirds of the way to where it is estimated."""
FARTHEST = 0.2
"""Metres that a foot is held off where it was estimated at most: then it slides along."""
STRETCH = 0.998
"""The share of a leg's length that it can reach."""


@dataclass(slots=True)
class _Foot:
    """How far (3,) a foot is held off where it was estimated; while it stands, the `corner` (heel or ball) on which,
    and the `anchor` (3,) where that is."""

    off: Reals = field(default_factory=lambda: np.zeros(3))
    corner: int = -1
    anchor: Reals = field(default_factory=lambda: np.zeros(3))


@dataclass(slots=True)
class _Memory:
    time: float
    feet: tuple[_Foot, _Foot] = field(default_factory=lambda: (_Foot(), _Foot()))


class FootLock:
    """Holds the feet of all sources' people, by their `contact`, result by result."""

    def __init__(self) -> None:
        self._memory: dict[tuple[str, int], _Memory] = {}

    def __call__(self, result: FrameResult) -> FrameResult:
        """The result with feet that stand still."""
        ended = [person.id for person in result.people if person.state == TrackState.ENDED]
        legged = [k for k, person in enumerate(result.people) if has_legs(person) and person.id not in ended]
        for id_ in ended:
            self._memory.pop((result.source, id_), None)
        if not legged:
            return result
        people = list(result.people)
        legs = legs_of([people[k] for k in legged])
        up = result.world.up.astype(np.float64)
        for i, k in enumerate(legged):
            person = people[k]
            memory = self._memory.get((result.source, person.id))
            if memory is None or not 0 < result.time - memory.time < GAP:
                memory = self._memory[result.source, person.id] = _Memory(result.time)
            dt, memory.time = result.time - memory.time, result.time
            contact = (0.0, 0.0) if person.contact is None else person.contact
            for foot, likely, corners in zip(memory.feet, contact, legs.soles[i], strict=True):
                _hold(foot, float(likely), corners, up, dt)
            off = np.array([foot.off for foot in memory.feet])
            if np.abs(off).max() > 1e-4:
                people[k], reached = _stepped(person, legs, i, off)
                for foot, moved in zip(memory.feet, reached, strict=True):
                    foot.off = moved
        return replace(result, people=people)


def _hold(foot: _Foot, likely: float, corners: Reals, up: Reals, dt: float) -> None:
    """Says how far a foot is to be held off, whose heel and ball (2, 3) are estimated to be there."""
    stood = foot.corner >= 0
    if stood:
        foot.off = (foot.anchor - corners[foot.corner]) * np.exp(-dt / LEAK)
        far = float(np.linalg.norm(foot.off))
        if far > FARTHEST:
            foot.off *= FARTHEST / far
    else:
        foot.off = foot.off * np.exp(-dt / EASE)
    if likely >= (RELEASE if stood else LOCK):
        foot.corner = int(np.argmin(corners @ up))
        foot.anchor = corners[foot.corner] + foot.off
    else:
        foot.corner = -1


def _stepped(person: Person, legs: Legs, i: int, off: Reals) -> tuple[Person, Reals]:
    """The person whose feet are moved by `off` (2, 3), turned as they were, as far as the legs reach; and how far."""
    joints = person.joints.copy()
    hip, knee, ankle = (joints[LEGS[:, k]].astype(np.float64) for k in range(3))
    turns, pelvis = legs.turns[i], to_matrices(person.global_orient.astype(np.float64))
    thigh, shin = knee - hip, ankle - knee
    lengths = np.linalg.norm(thigh, axis=1), np.linalg.norm(shin, axis=1)
    line = ankle + off - hip
    far = np.linalg.norm(line, axis=1)
    reach = np.minimum(far, np.maximum(STRETCH * (lengths[0] + lengths[1]), np.linalg.norm(ankle - hip, axis=1)))
    line = line / far[:, None]
    along = (reach**2 + lengths[0] ** 2 - lengths[1] ** 2) / (2 * reach)
    out = np.sqrt(np.maximum(lengths[0] ** 2 - along**2, 0))
    front = thigh + 0.05 * turns[:, 0, :, 2]  # a straight knee bends forward
    front = front - (front * line).sum(1)[:, None] * line
    front /= np.linalg.norm(front, axis=1)[:, None]
    bent = along[:, None] * line + out[:, None] * front
    end = reach[:, None] * line
    upper = _least_turn(thigh, bent) @ turns[:, 0]
    lower = _least_turn(shin, end - bent) @ turns[:, 1]
    local = np.stack([pelvis.T @ upper, upper.swapaxes(1, 2) @ lower, lower.swapaxes(1, 2) @ turns[:, 2]], 1)
    pose = person.body_pose.reshape(-1, 3).copy()
    pose[LEGS[:, :3] - 1] = to_vectors(local)
    moved = hip + end - ankle
    joints[LEGS[:, 1]] = hip + bent
    joints[LEGS[:, 2:]] += moved[:, None].astype(np.float32)
    return replace(person, body_pose=pose.ravel(), joints=joints), moved


def _least_turn(a: Reals, b: Reals) -> Reals:
    """The smallest rotations (N, 3, 3) from directions a (N, 3) to b, which are not opposite."""
    a, b = (x / np.linalg.norm(x, axis=1)[:, None] for x in (a, b))
    v, c = np.cross(a, b), (a * b).sum(1)
    zero = np.zeros(len(a))
    K = np.stack([zero, -v[:, 2], v[:, 1], v[:, 2], zero, -v[:, 0], -v[:, 1], v[:, 0], zero], 1).reshape(-1, 3, 3)
    return np.asarray(np.eye(3) + K + K @ K / (1 + c)[:, None, None])
