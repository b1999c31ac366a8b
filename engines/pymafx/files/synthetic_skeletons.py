"""Stick figures with flesh: the numbers of a synthetic body model, drawn from a seed."""

from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Indices = NDArray[np.int64]
ROOT_PARENT = 4294967295
"""What the official files write for "no parent"."""


def rest_joints() -> Doubles:
    """SMPL-X's 55 rest joints in metres, rounded by eye, (55, 3)."""
    j = np.zeros((55, 3))
    j[0] = 0.00, -0.36, 0.00
    body = {
        1: (0.06, -0.45, 0), 4: (0.10, -0.83, 0), 7: (0.08, -1.24, -0.03), 10: (0.12, -1.29, 0.09),
        13: (0.05, 0.09, -0.02), 16: (0.16, 0.12, -0.02), 18: (0.42, 0.11, -0.03), 20: (0.68, 0.11, -0.03),
    }  # fmt: skip
    for i, (x, y, z) in body.items():
        j[i] = x, y, z
        j[i + 1] = -x, y, z
    j[[3, 6, 9]] = (0, -0.25, -0.02), (0, -0.11, -0.02), (0, -0.06, -0.01)
    j[[12, 15]] = (0, 0.17, -0.03), (0, 0.24, 0)
    j[22], j[23], j[24] = (0, 0.23, 0.02), (0.03, 0.29, 0.07), (-0.03, 0.29, 0.07)
    finger_z = {25: 0.025, 28: 0.003, 31: -0.04, 34: -0.02, 37: 0.04}  # index, middle, pinky, ring, thumb
    for first, z in finger_z.items():
        reach = 0.10 if first != 37 else 0.04
        for k in range(3):
            j[first + k] = 0.68 + reach + 0.028 * k, 0.11 - 0.004 * k, -0.03 + z * (1 + 0.1 * k)
            j[first + 15 + k] = -j[first + k, 0], j[first + k, 1], j[first + k, 2]
    return j


def vertices_on_bones(
    rng: np.random.Generator, joints: Doubles, parents: Indices, owner: Indices, radius: Doubles
) -> Doubles:
    """Vertices (V, 3) spread around the bone that ends in each vertex's `owner` joint (V,)."""
    start = joints[np.maximum(parents[owner], 0)]
    t = rng.uniform(0.0, 1.15, (len(owner), 1))
    around = rng.normal(size=(len(owner), 3))
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    return start + t * (joints[owner] - start) + around * radius[owner][:, None]


def skin_weights(rng: np.random.Generator, owner: Indices, parents: Indices) -> Doubles:
    """(V, J): each vertex follows its owner and, less, the owner's parent."""
    weights = np.zeros((len(owner), len(parents)))
    rows = np.arange(len(owner))
    weights[rows, owner] += rng.uniform(0.5, 0.9, len(owner))
    weights[rows, np.maximum(parents[owner], 0)] += rng.uniform(0.1, 0.4, len(owner))
    weights /= weights.sum(1, keepdims=True)
    return weights


def joint_regressor(rng: np.random.Generator, vertices: Doubles, joints: Doubles, owner: Indices) -> Doubles:
    """(J, V): rows over a few vertices that sum to one and hit the joints exactly."""
    regressor = np.zeros((len(joints), len(vertices)))
    for k in range(len(joints)):
        mine = np.flatnonzero(owner == k)
        if len(mine) < 4:
            mine = np.argsort(((vertices - joints[k]) ** 2).sum(1))[:16]
        picked = rng.choice(mine, min(16, len(mine)), replace=False)
        w = rng.uniform(0.2, 1.0, len(picked))
        w /= w.sum()
        # the least change of the weights that hits the joint and keeps the sum
        a = np.vstack([vertices[picked].T, np.ones(len(picked))])
        regressor[k, picked] = w + np.linalg.pinv(a) @ (np.append(joints[k], 1.0) - a @ w)
    return regressor


def blend_directions(rng: np.random.Generator, vertices: int, count: int, scale: float, falloff: float) -> Doubles:
    """(V, 3, count) directions whose size falls with their number."""
    directions = rng.normal(size=(vertices, 3, count)) * scale
    return directions / (1.0 + np.arange(count)) ** falloff


def random_faces(rng: np.random.Generator, count: int, vertices: int) -> NDArray[np.uint32]:
    """(count, 3) triangles of any vertices."""
    corners = [rng.permutation(vertices)[rng.integers(0, vertices, count)] for _ in range(3)]
    return np.stack(corners, 1).astype(np.uint32)


def barycentric(rng: np.random.Generator, *shape: int) -> Doubles:
    """(..., 3) weights that sum to one."""
    b = rng.uniform(0.1, 1.0, (*shape, 3))
    b /= b.sum(-1, keepdims=True)
    return b


def kinematic_table(parents: Indices) -> NDArray[np.uint32]:
    """(2, J): parents over joints, as the official files have it."""
    return np.stack([np.where(parents < 0, ROOT_PARENT, parents), np.arange(len(parents))]).astype(np.uint32)


def decimation(rng: np.random.Generator, sizes: list[int]) -> dict[str, NDArray[Any]]:
    """`A`, `U`, `D` of a down-sampling file, finest level first; each row of D averages three vertices."""

    def objects(items: list[Any]) -> NDArray[Any]:
        out = np.empty(len(items), dtype=object)
        out[:] = items
        return out

    down, up = [], []
    for fine, coarse in pairwise(sizes):
        columns = np.stack([rng.permutation(fine)[:coarse] for _ in range(3)], 1)
        down.append(_rows_of_three(barycentric(rng, coarse), columns, fine))
        columns = rng.integers(0, coarse, (fine, 3))
        up.append(_rows_of_three(barycentric(rng, fine), columns, coarse))
    adjacency = [sp.identity(n, format="coo") for n in sizes]
    return {"A": objects(adjacency), "U": objects(up), "D": objects(down)}


def _rows_of_three(values: Doubles, columns: Indices, width: int) -> sp.coo_matrix:
    rows = np.repeat(np.arange(len(values)), 3)
    return sp.coo_matrix((values.ravel(), (rows, columns.ravel())), shape=(len(values), width))
