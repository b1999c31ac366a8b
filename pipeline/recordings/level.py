"""The level world of a result, for formats that have one: y up, the floor at 0, who faces the camera looks along z."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import FrameResult

Z_UP = np.array([[0.0, 0.0, -1.0], [-1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""From that world to one with z up, x away from the viewer and y to its left (ROS, REP 103)."""


@dataclass(frozen=True, slots=True)
class Level:
    """A point X of the camera's frame is `rotation` (3, 3) X + `translation` (3,) there."""

    rotation: Reals
    translation: Reals


_ASSUMED = Level(np.diag([1.0, -1.0, -1.0]), np.array([0.0, 1.5, 0.0]))
"""A level camera, a metre and a half above the floor."""


def world_of(result: FrameResult) -> Any:
    """Where the camera of a result stands: with `rotation` and `translation`."""
    return getattr(result, "world", _ASSUMED)
