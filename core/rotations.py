"""Rotations by the batch: matrices and axis-angle vectors of any leading shape."""

import numpy as np
from pymafx_live.core.arrays import Reals

_NEARLY_HALF = 3.0
"""Radians above which the antisymmetric part of a matrix says too little of its axis."""


def to_matrices(vectors: Reals) -> Reals:
    """The matrices (..., 3, 3) of axis-angle vectors (..., 3), by Rodrigues' formula."""
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    square = x * x + y * y + z * z
    angle = np.sqrt(np.maximum(square, 1e-16))
    a = np.sin(angle) / angle
    b = (1 - np.cos(angle)) / (angle * angle)
    out = np.empty((*vectors.shape, 3))
    bx, by, bz = b * x, b * y, b * z
    ax, ay, az = a * x, a * y, a * z
    out[..., 0, 0] = 1 - by * y - bz * z
    out[..., 1, 1] = 1 - bx * x - bz * z
    out[..., 2, 2] = 1 - bx * x - by * y
    out[..., 0, 1], out[..., 1, 0] = bx * y - az, bx * y + az
    out[..., 0, 2], out[..., 2, 0] = bx * z + ay, bx * z - ay
    out[..., 1, 2], out[..., 2, 1] = by * z - ax, by * z + ax
    return out


def to_vectors(matrices: Reals) -> Reals:
    """The axis-angle vectors (..., 3) of rotation matrices (..., 3, 3), of angles in 0..pi."""
    m = matrices
    out = np.empty(m.shape[:-1])
    out[..., 0] = m[..., 2, 1] - m[..., 1, 2]
    out[..., 1] = m[..., 0, 2] - m[..., 2, 0]
    out[..., 2] = m[..., 1, 0] - m[..., 0, 1]
    out *= 0.5
    sine = np.sqrt((out * out).sum(-1))
    angle = np.arctan2(sine, (m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2] - 1) / 2)
    out *= (np.maximum(angle, 1e-9) / np.maximum(sine, 1e-9))[..., None]
    far = angle > _NEARLY_HALF
    if far.any():
        out[far] = _far_vectors(m[far], angle[far], out[far])
    return out


def _far_vectors(m: Reals, angle: Reals, signs: Reals) -> Reals:
    """The vectors (N, 3) of turns by nearly pi: the axis is the largest column of R + Rᵀ + (1 - tr R) I."""
    trace = m[:, 0, 0] + m[:, 1, 1] + m[:, 2, 2]
    symmetric = m + m.swapaxes(1, 2) + (1 - trace)[:, None, None] * np.eye(3)
    largest = np.argmax(symmetric[:, [0, 1, 2], [0, 1, 2]], 1)
    axis = symmetric[np.arange(len(m)), :, largest]
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    sign = np.where((axis * signs).sum(1) < 0, -1.0, 1.0)
    return np.asarray(axis * (sign * angle)[:, None])
