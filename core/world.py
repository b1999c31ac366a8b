"""The world that a camera stands in: level, x right, y up, z towards the viewer, metres, y = 0 on the floor.

Its origin is the point of the floor below the camera, whose line of sight goes along -z: a person who faces the camera
looks along +z, as SMPL-X does at rest and glTF, VRM and OpenGL have it. Right-handed. Needs numpy only.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from pymafx_live.core.arrays import Reals

ASSUMED_HEIGHT = 1.5
"""Metres of a camera above the floor, where nobody said and nothing was seen."""


class WorldOrigin(StrEnum):
    """How it is known where up is."""

    GIVEN = "given"
    ESTIMATED = "estimated"
    """From people who stand or walk, over time."""
    LEVEL = "level"
    """Not at all: the camera is assumed to be level."""


class FloorOrigin(StrEnum):
    """How it is known where the floor is."""

    GIVEN = "given"
    ESTIMATED = "estimated"
    """From feet that stand on it."""
    ASSUMED = "assumed"
    """No foot was seen yet: it is where those who are there would stand, or before anybody came at a usual height."""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A point X of the camera's frame is `rotation` (3, 3) X + `translation` (3,) in the world, in metres.

    `origin` says how the rotation is known, `floor` how the height of the floor is. Where only one of pitch and roll
    was given, `origin` is that of the other. What a later release sends stays the text that it is.
    """

    rotation: Reals
    translation: Reals
    origin: WorldOrigin | str = WorldOrigin.LEVEL
    floor: FloorOrigin | str = FloorOrigin.ASSUMED

    @classmethod
    def tilted(
        cls,
        pitch: float,
        roll: float,
        height: float,
        origin: WorldOrigin = WorldOrigin.LEVEL,
        floor: FloorOrigin = FloorOrigin.ASSUMED,
    ) -> "World":
        """The world of a camera that looks up by `pitch` and is turned clockwise, seen from behind, by `roll` radians.

        It stands `height` metres above the floor.
        """
        sp, cp, sr, cr = np.sin(pitch), np.cos(pitch), np.sin(roll), np.cos(roll)
        nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
        turn = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
        rotation = np.diag([1.0, -1.0, -1.0]) @ nod @ turn
        return cls(rotation.astype(np.float32), np.array([0, height, 0], np.float32), origin, floor)

    @property
    def up(self) -> Reals:
        """Where up is in the camera's frame, of unit length, (3,)."""
        return np.asarray(self.rotation[1])

    def points(self, points: Reals) -> Reals:
        """Points (..., 3) of the camera's frame as they are in the world."""
        return np.asarray(points @ self.rotation.T + self.translation)

    def directions(self, vectors: Reals) -> Reals:
        """Directions and velocities (..., 3) of the camera's frame as they are in the world."""
        return np.asarray(vectors @ self.rotation.T)

    def seen(self, points: Reals) -> Reals:
        """Points (..., 3) of the world in the camera's frame."""
        return np.asarray((points - self.translation) @ self.rotation)


LEVEL = World.tilted(0.0, 0.0, ASSUMED_HEIGHT)
"""What is assumed where nothing is known."""


def tilt(up: Reals) -> tuple[float, float]:
    """Pitch and roll in radians, as `World.tilted` takes them, of a camera in whose frame up is `up` (3,)."""
    x, y, z = up / np.linalg.norm(up)
    return float(np.arcsin(np.clip(z, -1, 1))), float(np.arctan2(-x, -y))
