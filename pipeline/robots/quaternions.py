"""Quaternions w x y z, as robots order them."""

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_vectors


def to_quaternions(matrices: Reals) -> Reals:
    """The unit quaternions (..., 4), w x y z with w >= 0, of rotation matrices (..., 3, 3)."""
    vectors = to_vectors(matrices)
    half = np.sqrt((vectors * vectors).sum(-1, keepdims=True)) / 2
    return np.concatenate([np.cos(half), vectors * (np.sinc(half / np.pi) / 2)], -1)
