"""Unit quaternions (x, y, z, w) by the batch, as Unity, glTF and ROS order them."""

import numpy as np
from pymafx_live.core.arrays import Reals

IDENTITY = np.array([0.0, 0.0, 0.0, 1.0])
_NEARLY_ALIKE = 0.9995
"""Cosine of half an angle above which slerp divides by next to nothing, and a straight line is as good."""


def from_vectors(vectors: Reals) -> Reals:
    """The quaternions (..., 4), with w >= 0, of axis-angle vectors (..., 3)."""
    angle = np.sqrt(np.einsum("...i,...i", vectors, vectors))
    half = angle / 2
    out = np.empty((*vectors.shape[:-1], 4))
    out[..., :3] = vectors * (np.sinc(half / np.pi) / 2)[..., None]
    out[..., 3] = np.cos(half)
    return upright(out)


def from_matrices(matrices: Reals) -> Reals:
    """The quaternions (..., 4), with w >= 0, of rotation matrices (..., 3, 3).

    Bar-Itzhack, "New method for extracting the quaternion from a rotation matrix" (2000): an eigenvector, without
    special cases.
    """
    m = np.asarray(matrices, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    K = np.empty((*m.shape[:-2], 4, 4))
    K[..., 0, 0], K[..., 1, 1], K[..., 2, 2], K[..., 3, 3] = xx - yy - zz, yy - xx - zz, zz - xx - yy, xx + yy + zz
    for (i, j), value in {
        (0, 1): m[..., 1, 0] + m[..., 0, 1], (0, 2): m[..., 2, 0] + m[..., 0, 2],
        (1, 2): m[..., 2, 1] + m[..., 1, 2], (0, 3): m[..., 2, 1] - m[..., 1, 2],
        (1, 3): m[..., 0, 2] - m[..., 2, 0], (2, 3): m[..., 1, 0] - m[..., 0, 1],
    }.items():  # fmt: skip
        K[..., i, j] = K[..., j, i] = value
    return upright(np.linalg.eigh(K)[1][..., 3])


def to_matrices(quaternions: Reals) -> Reals:
    """The matrices (..., 3, 3) of quaternions (..., 4)."""
    x, y, z, w = np.moveaxis(quaternions, -1, 0)
    out = np.empty((*quaternions.shape[:-1], 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = 1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = 2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = 2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)
    return out


def multiply(a: Reals, b: Reals) -> Reals:
    """The products (..., 4): first turned by b, then by a."""
    u, v = a[..., :3], b[..., :3]
    aw, bw = a[..., 3:], b[..., 3:]
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    out[..., 0] = u[..., 1] * v[..., 2] - u[..., 2] * v[..., 1]
    out[..., 1] = u[..., 2] * v[..., 0] - u[..., 0] * v[..., 2]
    out[..., 2] = u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]
    out[..., :3] += aw * v + bw * u
    out[..., 3] = (aw * bw)[..., 0] - np.einsum("...i,...i", u, v)
    return out


def inverse(quaternions: Reals) -> Reals:
    """The opposite turns (..., 4)."""
    return np.asarray(quaternions * np.array([-1.0, -1.0, -1.0, 1.0]))


def upright(quaternions: Reals) -> Reals:
    """The same rotations with w >= 0: of the two quaternions that each has, the one nearer to none."""
    return np.where(quaternions[..., 3:] < 0, -quaternions, quaternions)


def slerp(a: Reals, b: Reals, share: float) -> Reals:
    """The rotations (..., 4) at `share` 0..1 of the shorter way from a to b (Shoemake, SIGGRAPH 1985)."""
    cosine = np.einsum("...i,...i", a, b)[..., None]
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.clip(np.abs(cosine), 0, _NEARLY_ALIKE))
    far = np.sin(angle)
    curved = np.abs(cosine) < _NEARLY_ALIKE
    first = np.where(curved, np.sin((1 - share) * angle) / far, 1 - share)
    second = np.where(curved, np.sin(share * angle) / far, share)
    out = first * a + second * b
    return np.asarray(out / np.linalg.norm(out, axis=-1, keepdims=True))
