"""The fit of one person's skeleton to landmarks: a few damped, robust Gauss-Newton steps, compiled.

Unknowns are the root's translation, one depth offset per group of landmarks and the rig's degrees of freedom. The
residuals are reprojection, depth along the viewing ray, the pose prior, joint limits, an upright pelvis and
closeness to the frame before. Each is divided by its deviation, so that the sum of squares is a negative log
posterior (a maximum a posteriori fit); weights of the Geman-McClure kernel down-weigh outliers.
"""

import numba as nb
import numpy as np
from pymafx_live.engines.landmarks.arrays import Indices, Reals
from pymafx_live.engines.landmarks.rotations import exp, log, multiply, multiply_transposed

_jit = nb.njit(cache=True, nogil=True)

BALL = 1
GROUPS = 4


@_jit
def locals_from_angles(joint: Indices, kind: Indices, axis: Reals, angle: Reals, local: Reals) -> None:
    """Rebuilds the local rotations (55, 3, 3) of joints that are sequences of plain angles."""
    step, product = np.empty((3, 3)), np.empty((3, 3))
    vector = np.empty(3)
    last = -1
    for d in range(len(joint)):
        if kind[d] == BALL:
            continue
        j = joint[d]
        for i in range(3):
            vector[i] = axis[d, i] * angle[d]
        exp(vector, step)
        if j != last:
            local[j] = step
        else:
            multiply(local[j], step, product)
            local[j] = product
        last = j


@_jit
def forward(
    rest: Reals,
    parents: Indices,
    bones: Reals,
    translation: Reals,
    local: Reals,
    G: Reals,
    T: Reals,
) -> None:
    """Forward kinematics: global rotations G (55, 3, 3) and positions T (55, 3) of the joints.

    `translation` is the pelvis's position; `bones` (55,) scales each bone of `rest` (55, 3).
    """
    G[0] = local[0]
    T[0] = translation
    for j in range(1, len(parents)):
        p = parents[j]
        multiply(G[p], local[j], G[j])
        for i in range(3):
            T[j, i] = T[p, i]
            for k in range(3):
                T[j, i] += G[p, i, k] * bones[j] * (rest[j, k] - rest[p, k])


@_jit
def world_axes(
    joint: Indices, kind: Indices, axis: Reals, angle: Reals, parents: Indices, G: Reals, out: Reals
) -> None:
    """Each degree of freedom's axis (D, 3) in the camera's frame, at the current pose."""
    before, step, product = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    last = -1
    for d in range(len(joint)):
        j = joint[d]
        if kind[d] == BALL:
            before[:] = G[j]
        elif j != last:
            before[:] = G[parents[j]]
        for i in range(3):
            out[d, i] = before[i, 0] * axis[d, 0] + before[i, 1] * axis[d, 1] + before[i, 2] * axis[d, 2]
        if kind[d] != BALL:
            exp(axis[d] * angle[d], step)
            multiply(before, step, product)
            before[:] = product
        last = j


@_jit
def landmark_positions(
    base: Indices, turned: Indices, offset: Reals, size: float, G: Reals, T: Reals, out: Reals
) -> None:
    """Where the landmarks (K, 3) are in the camera's frame; their offsets grow with the body's `size`."""
    for k in range(len(base)):
        t = turned[k]
        for i in range(3):
            out[k, i] = T[base[k], i] + size * (
                G[t, i, 0] * offset[k, 0] + G[t, i, 1] * offset[k, 1] + G[t, i, 2] * offset[k, 2]
            )


@_jit
def _robust(square: float, scale: float) -> float:
    """The Geman-McClure weight of a squared residual in units of its deviation."""
    q = scale * scale / (scale * scale + square)
    return q * q


@_jit
def _add_row(H: Reals, g: Reals, index: Indices, row: Reals, count: int, residual: float, weight: float) -> None:
    """Adds one residual with its sparse Jacobian row to the normal equations."""
    for a in range(count):
        wa = weight * row[a]
        ia = index[a]
        g[ia] += wa * residual
        for b in range(a + 1):
            H[ia, index[b]] += wa * row[b]


@_jit
def _add_landmarks(
    H: Reals, g: Reals, P: Reals, T: Reals, world: Reals, joint: Indices, chain: Indices,
    uv: Reals, uv_weight: Reals, depth: Reals, depth_weight: Reals, group: Indices, ray: Reals,
    delta: Reals, kernel: float,
) -> float:  # fmt: skip
    """Reprojection in normalised image coordinates and depth along the group's viewing ray; returns the cost."""
    D = len(joint)
    width = chain.shape[1]
    index = np.empty(width + 4, np.int64)
    rows = np.empty((3, width + 4))
    cost = 0.0
    for k in range(len(P)):
        if uv_weight[k] <= 0 and depth_weight[k] <= 0:
            continue
        x, y, z = P[k, 0], P[k, 1], max(P[k, 2], 0.1)
        r = ray[group[k]]
        u, v = x / z, y / z
        eu, ev = u - uv[k, 0], v - uv[k, 1]
        ez = r[0] * x + r[1] * y + r[2] * z - delta[group[k]] - depth[k]
        n = 0
        for c in range(width + 3):
            if c < width:
                d = chain[k, c]
                if d < 0:
                    continue
                o = T[joint[d]]
                px, py, pz = x - o[0], y - o[1], z - o[2]
                w = world[d]
                jx, jy, jz = w[1] * pz - w[2] * py, w[2] * px - w[0] * pz, w[0] * py - w[1] * px
                index[n] = d
            else:
                jx = 1.0 if c == width else 0.0
                jy = 1.0 if c == width + 1 else 0.0
                jz = 1.0 if c == width + 2 else 0.0
                index[n] = D + c - width
            rows[0, n] = (jx - u * jz) / z
            rows[1, n] = (jy - v * jz) / z
            rows[2, n] = r[0] * jx + r[1] * jy + r[2] * jz
            n += 1
        if uv_weight[k] > 0:
            square = (eu * eu + ev * ev) * uv_weight[k] ** 2
            weight = _robust(square, kernel)
            cost += square * weight
            _add_row(H, g, index, rows[0], n, eu, weight * uv_weight[k] ** 2)
            _add_row(H, g, index, rows[1], n, ev, weight * uv_weight[k] ** 2)
        if depth_weight[k] > 0:
            square = (ez * depth_weight[k]) ** 2
            weight = _robust(square, kernel)
            cost += square * weight
            index[n], rows[2, n] = D + 3 + group[k], -1.0
            _add_row(H, g, index, rows[2], n + 1, ez, weight * depth_weight[k] ** 2)
    return cost


@_jit
def _add_priors(
    H: Reals, g: Reals, joint: Indices, kind: Indices, mean: Reals, sigma: Reals, low: Reals,
    high: Reals, local: Reals, angle: Reals, before: Reals, before_angle: Reals, stay: Reals,
) -> float:  # fmt: skip
    """The pose prior, the limits and closeness to the pose of the frame before (weight `stay` (D,), 1/radian)."""
    error, vector = np.empty(3), np.empty(3)
    centre, difference = np.empty((3, 3)), np.empty((3, 3))
    cost = 0.0
    d = 0
    while d < len(joint):
        j = joint[d]
        if kind[d] == BALL:
            for i in range(3):
                vector[i] = mean[d + i]
            exp(vector, centre)
            multiply_transposed(centre, local[j], difference)
            log(difference, error)
            for i in range(3):
                w = 1 / sigma[d + i] ** 2
                H[d + i, d + i] += w
                g[d + i] += w * error[i]
                cost += w * error[i] ** 2
            multiply_transposed(before[j], local[j], difference)
            log(difference, error)
            for i in range(3):
                w = stay[d + i] ** 2
                H[d + i, d + i] += w
                g[d + i] += w * error[i]
                cost += w * error[i] ** 2
            d += 3
        else:
            beyond = min(angle[d] - low[d], 0.0) + max(angle[d] - high[d], 0.0)
            for w, e in (
                (1 / sigma[d] ** 2, angle[d] - mean[d]),
                (stay[d] ** 2, angle[d] - before_angle[d]),
                (400.0 if beyond != 0 else 0.0, beyond),
            ):
                H[d, d] += w
                g[d] += w * e
                cost += w * e * e
            d += 1
    return cost


@_jit
def _add_upright(H: Reals, g: Reals, G: Reals, up: Reals, weight: float) -> float:
    """Holds the pelvis's y axis to the camera-frame direction `up` (3,): the rotation vector between them."""
    y = G[0, :, 1].copy()
    e = np.array((up[1] * y[2] - up[2] * y[1], up[2] * y[0] - up[0] * y[2], up[0] * y[1] - up[1] * y[0]))
    cost = 0.0
    for i in range(3):  # the pelvis's own axes are the first three degrees of freedom
        component = G[0, 0, i] * e[0] + G[0, 1, i] * e[1] + G[0, 2, i] * e[2]
        g[i] += weight * component
        H[i, i] += weight * (1.0 if i != 1 else 1e-3)
        cost += weight * component**2
    return cost


@_jit
def solve(
    rest: Reals, parents: Indices, joint: Indices, kind: Indices, axis: Reals, mean: Reals, sigma: Reals,
    low: Reals, high: Reals, base: Indices, turned: Indices, offset: Reals, chain: Indices,
    bones: Reals, uv: Reals, uv_weight: Reals, depth: Reals, depth_weight: Reals, group: Indices,
    ray: Reals, up: Reals, up_weight: float, stay: Reals, kernel: float, steps: int,
    translation: Reals, local: Reals, angle: Reals, delta: Reals, G: Reals, T: Reals,
) -> float:  # fmt: skip
    """Fits one person in place, starting from what `translation`, `local`, `angle` and `delta` hold.

    The last six arrays are (3,), (55, 3, 3), (D,), (4,), (55, 3, 3) and (55, 3). Returns the last cost.
    """
    D, K = len(joint), len(base)
    N = D + 3 + GROUPS
    P, world = np.empty((K, 3)), np.empty((D, 3))
    before, before_angle = local.copy(), angle.copy()
    vector, step, product = np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    cost, best = 0.0, 1e300
    damping = 1e-3
    for _ in range(steps):
        forward(rest, parents, bones, translation, local, G, T)
        world_axes(joint, kind, axis, angle, parents, G, world)
        landmark_positions(base, turned, offset, bones[0], G, T, P)
        H, g = np.zeros((N, N)), np.zeros(N)
        cost = _add_landmarks(
            H, g, P, T, world, joint, chain, uv, uv_weight, depth, depth_weight, group, ray, delta, kernel
        )
        cost += _add_priors(H, g, joint, kind, mean, sigma, low, high, local, angle, before, before_angle, stay)
        cost += _add_upright(H, g, G, up, up_weight)
        damping = max(damping / 3, 1e-4) if cost <= best else min(damping * 10, 1.0)
        best = min(best, cost)
        for i in range(N):
            H[i, i] += damping * H[i, i] + 1e-6
            for k in range(i):
                H[k, i] = H[i, k]
        change = np.linalg.solve(H, g)
        d = 0
        while d < D:
            if kind[d] == BALL:
                for i in range(3):
                    vector[i] = min(max(-change[d + i], -0.6), 0.6)
                exp(vector, step)
                multiply(local[joint[d]], step, product)
                local[joint[d]] = product
                d += 3
            else:
                angle[d] -= min(max(change[d], -0.6), 0.6)
                d += 1
        locals_from_angles(joint, kind, axis, angle, local)
        for i in range(3):
            translation[i] -= change[D + i]
        translation[2] = max(translation[2], 0.2)
        for i in range(GROUPS):
            delta[i] -= change[D + 3 + i]
    forward(rest, parents, bones, translation, local, G, T)
    return cost


@_jit
def pose_vectors(local: Reals, out: Reals) -> None:
    """The axis-angle vectors (55, 3) of local rotations (55, 3, 3)."""
    for j in range(len(local)):
        log(local[j], out[j])
