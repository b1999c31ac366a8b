"""Rotations of three dimensions for compiled loops: exponential and logarithm, products, swings."""

import numba as nb
import numpy as np
from pymafx_live.core.arrays import Reals

_jit = nb.njit(cache=True, nogil=True)


@_jit
def exp(vector: Reals, out: Reals) -> None:
    """Axis-angle (3,) to matrix (3, 3) by Rodrigues' formula."""
    x, y, z = vector[0], vector[1], vector[2]
    square = x * x + y * y + z * z
    if square < 1e-12:
        a, b = 1.0 - square / 6, 0.5 - square / 24
    else:
        angle = np.sqrt(square)
        a, b = np.sin(angle) / angle, (1 - np.cos(angle)) / square
    out[0, 0] = 1 - b * (y * y + z * z)
    out[1, 1] = 1 - b * (x * x + z * z)
    out[2, 2] = 1 - b * (x * x + y * y)
    out[0, 1], out[1, 0] = b * x * y - a * z, b * x * y + a * z
    out[0, 2], out[2, 0] = b * x * z + a * y, b * x * z - a * y
    out[1, 2], out[2, 1] = b * y * z - a * x, b * y * z + a * x


@_jit
def log(m: Reals, out: Reals) -> None:
    """Matrix (3, 3) to axis-angle (3,) of an angle in 0..pi, exact near both ends (through the quaternion)."""
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    if trace > 0:
        s = np.sqrt(trace + 1) * 2
        w = s / 4
        x, y, z = (m[2, 1] - m[1, 2]) / s, (m[0, 2] - m[2, 0]) / s, (m[1, 0] - m[0, 1]) / s
    elif m[0, 0] > m[1, 1] and m[0, 0] > m[2, 2]:
        s = np.sqrt(1 + m[0, 0] - m[1, 1] - m[2, 2]) * 2
        w = (m[2, 1] - m[1, 2]) / s
        x, y, z = s / 4, (m[0, 1] + m[1, 0]) / s, (m[0, 2] + m[2, 0]) / s
    elif m[1, 1] > m[2, 2]:
        s = np.sqrt(1 + m[1, 1] - m[0, 0] - m[2, 2]) * 2
        w = (m[0, 2] - m[2, 0]) / s
        x, y, z = (m[0, 1] + m[1, 0]) / s, s / 4, (m[1, 2] + m[2, 1]) / s
    else:
        s = np.sqrt(1 + m[2, 2] - m[0, 0] - m[1, 1]) * 2
        w = (m[1, 0] - m[0, 1]) / s
        x, y, z = (m[0, 2] + m[2, 0]) / s, (m[1, 2] + m[2, 1]) / s, s / 4
    if w < 0:
        w, x, y, z = -w, -x, -y, -z
    length = np.sqrt(x * x + y * y + z * z)
    scale = 2.0 if length < 1e-9 else 2 * np.arctan2(length, w) / length
    out[0], out[1], out[2] = x * scale, y * scale, z * scale


@_jit
def multiply(a: Reals, b: Reals, out: Reals) -> None:
    """out = a b, all (3, 3) and distinct."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@_jit
def multiply_transposed(a: Reals, b: Reals, out: Reals) -> None:
    """out = aᵀ b, all (3, 3) and distinct."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[0, i] * b[0, j] + a[1, i] * b[1, j] + a[2, i] * b[2, j]
