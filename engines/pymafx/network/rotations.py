"""Rotations as the network speaks them: six numbers in, matrices inside, mirrored left hands."""

import torch
from torch import Tensor

MIRROR_SIGNS = ((1.0, -1.0, -1.0), (-1.0, 1.0, 1.0), (-1.0, 1.0, 1.0))
"""R * signs = S R S with S = diag(-1, 1, 1): the same rotation seen in a mirror across the y-z plane."""


def unit(vectors: Tensor, floor: float = 1e-12) -> Tensor:
    """Vectors (..., 3) divided by their lengths, or by `floor` where they are shorter."""
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt().clamp_min(floor)


def matrices_from_6d(numbers: Tensor) -> Tensor:
    """Rotation matrices (B, n, 3, 3) of (B, 6 n) numbers; each six are a row-major 3 x 2, not yet orthonormal.

    Gram-Schmidt on the two columns; the third is their cross product (Zhou et al., CVPR 2019, arXiv 1812.07035).
    """
    columns = numbers.reshape(numbers.shape[0], -1, 3, 2)
    x, y = columns[..., 0], columns[..., 1]
    x = unit(x)
    y = unit(y - (x * y).sum(-1, keepdim=True) * x)
    return torch.stack([x, y, torch.linalg.cross(x, y)], -1)


def mirrored(R: Tensor) -> Tensor:
    """The rotations (..., 3, 3) that a mirror across the y-z plane shows: left hands for right ones and back."""
    return R * R.new_tensor(MIRROR_SIGNS)


def quaternions(R: Tensor) -> Tensor:
    """Unit quaternions (..., 4: w, x, y, z; w >= 0) of rotation matrices (..., 3, 3).

    All four rows of 4 q qᵀ are linear in R; the row of the largest component is the stable one
    (Shepperd, 1978), picked by `where` so that nothing branches on data.
    """
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in R.unbind(-2))
    rows = torch.stack(
        [
            torch.stack([1 + a + e + i, h - f, c - g, d - b], -1),
            torch.stack([h - f, 1 + a - e - i, b + d, c + g], -1),
            torch.stack([c - g, b + d, 1 - a + e - i, f + h], -1),
            torch.stack([d - b, c + g, f + h, 1 - a - e + i], -1),
        ],
        -2,
    )
    best, size = rows[..., 0, :], rows[..., 0, 0]
    for k in range(1, 4):
        larger = rows[..., k, k] > size
        best = torch.where(larger[..., None], rows[..., k, :], best)
        size = torch.where(larger, rows[..., k, k], size)
    q = unit(best)
    return torch.where(q[..., :1] < 0, -q, q)


def matrices_from_quaternions(q: Tensor) -> Tensor:
    """Rotation matrices (..., 3, 3) of unit quaternions (..., 4: w, x, y, z)."""
    w, x, y, z = q.unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, -1).reshape(*q.shape[:-1], 3, 3)


def axis_angles(R: Tensor) -> Tensor:
    """Axis-angle vectors (..., 3) in radians, no longer than pi, of rotation matrices (..., 3, 3)."""
    q = quaternions(R)
    w, xyz = q[..., :1], q[..., 1:]
    sine = xyz.square().sum(-1, keepdim=True).sqrt()
    # angle / sin(angle / 2) tends to 2 where both vanish
    return xyz * torch.where(sine > 1e-7, 2 * torch.atan2(sine, w) / sine.clamp_min(1e-7), 2.0)
