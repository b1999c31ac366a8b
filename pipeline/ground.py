"""The ground below a camera's people: the world that they stand in, and which of their feet stand on its floor."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import Floats, Frame, Origin, Person
from pymafx_live.core.world import World
from pymafx_live.pipeline.legs import Legs, Speeds, has_legs, legs_of
from pymafx_live.pipeline.world import Given, WorldEstimator

ACROSS, DEPTH = 1.8, 0.6
OFFSET, OWN, OTHER = -2.1, 0.88, 0.2
"""How the logarithm of the odds of contact falls with those of a sole's speeds across the line of sight and along it,
where networks are unsure: by so much of their sum, and of what it is more than the other foot's. By logistic regression
on rendered people (the tuned seeds), where a sole stands that is within 4 cm of the floor and slower than 0.3 m/s."""
SLOWEST_ACROSS, SLOWEST_DEPTH = 0.03, 0.1
"""Metres per second that are taken for noise."""
HIGH, SPREAD = 0.10, 0.02
"""Metres above the floor at which a still foot may as well stand on something as be held up, and how sharply."""
UNKNOWN = 0.5
_NONE = np.zeros(0)


class Ground:
    """What a camera's people say of the ground, frame by frame."""

    def __init__(self, given: Given | None = None) -> None:
        self._world, self._speeds = WorldEstimator(given), Speeds()

    def __call__(self, people: Sequence[Person], frame: Frame) -> tuple[list[Person], World]:
        """The people with `contact`, and the world as it is known now."""
        if frame.cut:
            self._speeds.forget()
        placed = [k for k, person in enumerate(people) if _is_placed(person)]
        out = [replace(person, contact=None) if person.contact is not None else person for person in people]
        if not placed:
            return out, self._world(None, _NONE, _NONE, frame.cut)
        legs = legs_of([people[k] for k in placed])
        dt, velocity = self._speeds(legs, frame.time)
        world = self._world(legs, dt, velocity, frame.cut)
        for k, told in zip(placed, contact(legs, velocity, world), strict=True):
            out[k] = replace(out[k], contact=told)
        return out, world

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over; what they taught of the world stays."""
        self._speeds.forget(ids)


def _is_placed(person: Person) -> bool:
    part = person.parts.get("transl")
    return part is not None and part.origin is Origin.MEASURED and has_legs(person)


def contact(legs: Legs, velocity: Reals, world: World) -> list[Floats | None]:
    """How likely the feet of each person stand on the floor, (2,) in 0..1, for velocities (P, 2, 2, 3) of their soles.

    Of a leg that is not seen it is 0.5, and None of who shows none; of whom no speed is known, the height alone counts.
    """
    height = world.points(legs.soles)[..., 1].min(-1)
    ray = legs.soles / np.linalg.norm(legs.soles, axis=-1, keepdims=True)
    depth = (velocity * ray).sum(-1)
    across = np.sqrt(np.maximum((velocity * velocity).sum(-1) - depth * depth, 0))
    fast = ACROSS * np.log(across + SLOWEST_ACROSS) + DEPTH * np.log(np.abs(depth) + SLOWEST_DEPTH)
    fast = fast.min(-1)  # a foot rolls over its heel and its ball
    odds = OFFSET - OWN * fast - OTHER * (fast - fast[:, ::-1])
    still = np.where(np.isnan(odds), 1.0, 1 / (1 + np.exp(-odds)))
    likely = np.where(legs.seen, still / (1 + np.exp((height - HIGH) / SPREAD)), UNKNOWN).astype(np.float32)
    return [row if seen.any() else None for row, seen in zip(likely, legs.seen, strict=True)]
