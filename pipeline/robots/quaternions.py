"""Quaternions w x y z, as robots order them."""

import numpy as np
from pymafx_live.core import quaternions
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_vectors


def to_quaternions(matrices: Reals) -> Reals:
    """The unit quaternions (..., 4), w x y z with w >= 0, of rotation matrices (..., 3, 3)."""
    return np.roll(quaternions.from_vectors(to_vectors(matrices)), 1, -1)
