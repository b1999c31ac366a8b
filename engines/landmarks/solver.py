"""The fit of one person's skeleton to landmarks: a few damped, robust Gauss-Newton steps, compiled.

Unknowns are the root's translation and the rig's degrees of freedom. The residuals are reprojection, depth along
the viewing ray from landmark to landmark, the pose prior, joint limits, an upright trunk and closeness to the
frame before. Each is divided by its deviation, so that the sum of squares is a negative log
posterior (a maximum a posteriori fit); weights of the Geman-McClure kernel down-weigh outliers.
"""

import numba as nb
import numpy as np
from pymafx_live.engines.arrays import Indices, Reals
from pymafx_live.engines.rotations import exp, log, multiply, multiply_transposed

_jit = nb.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})

BALL = 1
HUBER = 2.0
LIMIT = 400.0
"""One over the squared deviation, in radians, by which a joint may pass its limit: about 3 degrees."""
UPRIGHT = (0, 9)
"""The joints that tend to be upright: pelvis and chest."""


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
def _derivative(
    sign: float, p: Reals, T: Reals, world: Reals, joint: Indices, chain: Indices, J: Reals, used: Indices, n: int
) -> int:
    """Adds `sign` times the derivative of the landmark at `p` to J (3, N); `used`[:n] are its non-zero columns."""
    for c in range(len(chain) + 3):
        if c < len(chain):
            d = chain[c]
            if d < 0:
                continue
            o, w = T[joint[d]], world[d]
            x, y, z = p[0] - o[0], p[1] - o[1], p[2] - o[2]
            jx, jy, jz = w[1] * z - w[2] * y, w[2] * x - w[0] * z, w[0] * y - w[1] * x
        else:
            d = len(joint) + c - len(chain)
            jx = 1.0 if c == len(chain) else 0.0
            jy = 1.0 if c == len(chain) + 1 else 0.0
            jz = 1.0 if c == len(chain) + 2 else 0.0
        if J[0, d] == 0 and J[1, d] == 0 and J[2, d] == 0:
            used[n] = d
            n += 1
        J[0, d] += sign * jx
        J[1, d] += sign * jy
        J[2, d] += sign * jz
    return n


@_jit
def _add_row(H: Reals, g: Reals, used: Indices, row: Reals, n: int, residual: float, weight: float) -> None:
    """Adds one residual with its sparse Jacobian row to the normal equations (the lower triangle)."""
    for a in range(n):
        i = used[a]
        w = weight * row[a]
        g[i] += w * residual
        for b in range(a + 1):
            k = used[b]
            if k <= i:
                H[i, k] += w * row[b]
            else:
                H[k, i] += w * row[b]


@_jit
def _add_reprojection(
    H: Reals, g: Reals, P: Reals, T: Reals, world: Reals, joint: Indices, chain: Indices,
    uv: Reals, weight: Reals, kernel: float,
) -> float:  # fmt: skip
    """Landmarks against normalised image coordinates (K, 2); returns the cost."""
    J, used, rows = np.zeros((3, len(g))), np.empty(len(g), np.int64), np.empty((2, len(g)))
    cost = 0.0
    for k in range(len(P)):
        if weight[k] <= 0:
            continue
        n = _derivative(1.0, P[k], T, world, joint, chain[k], J, used, 0)
        z = max(P[k, 2], 0.1)
        u, v = P[k, 0] / z, P[k, 1] / z
        for i in range(n):
            d = used[i]
            rows[0, i] = (J[0, d] - u * J[2, d]) / z
            rows[1, i] = (J[1, d] - v * J[2, d]) / z
            J[0, d], J[1, d], J[2, d] = 0.0, 0.0, 0.0
        eu, ev = u - uv[k, 0], v - uv[k, 1]
        square = (eu * eu + ev * ev) * weight[k] ** 2
        trust = _robust(square, kernel)
        cost += square * trust
        _add_row(H, g, used, rows[0], n, eu, trust * weight[k] ** 2)
        _add_row(H, g, used, rows[1], n, ev, trust * weight[k] ** 2)
    return cost


@_jit
def _add_depths(
    H: Reals, g: Reals, P: Reals, T: Reals, world: Reals, joint: Indices, chain: Indices,
    pairs: Indices, depth: Reals, weight: Reals, ray: Reals,
) -> float:  # fmt: skip
    """How much deeper along `ray` (M, 3) the first landmark of each pair (M, 2) is than the second; the cost.

    Huber's kernel: a limb on the wrong side of its joint must feel that it is wrong, however far.
    """
    J, used, row = np.zeros((3, len(g))), np.empty(len(g), np.int64), np.empty(len(g))
    cost = 0.0
    for m in range(len(pairs)):
        if weight[m] <= 0:
            continue
        a, b, r = pairs[m, 0], pairs[m, 1], ray[m]
        n = _derivative(1.0, P[a], T, world, joint, chain[a], J, used, 0)
        n = _derivative(-1.0, P[b], T, world, joint, chain[b], J, used, n)
        for i in range(n):
            d = used[i]
            row[i] = r[0] * J[0, d] + r[1] * J[1, d] + r[2] * J[2, d]
            J[0, d], J[1, d], J[2, d] = 0.0, 0.0, 0.0
        error = -depth[m]
        for i in range(3):
            error += r[i] * (P[a, i] - P[b, i])
        size = abs(error * weight[m])
        trust = 1.0 if size < HUBER else HUBER / size
        cost += trust * size * size
        _add_row(H, g, used, row, n, error, trust * weight[m] ** 2)
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
            log(local[j], error)
            for i in range(3):
                beyond = min(error[i] - low[d + i], 0.0) + max(error[i] - high[d + i], 0.0)
                if beyond != 0:
                    H[d + i, d + i] += LIMIT
                    g[d + i] += LIMIT * beyond
                    cost += LIMIT * beyond * beyond
            d += 3
        else:
            beyond = min(angle[d] - low[d], 0.0) + max(angle[d] - high[d], 0.0)
            for w, e in (
                (1 / sigma[d] ** 2, angle[d] - mean[d]),
                (stay[d] ** 2, angle[d] - before_angle[d]),
                (LIMIT if beyond != 0 else 0.0, beyond),
            ):
                H[d, d] += w
                g[d] += w * e
                cost += w * e * e
            d += 1
    return cost


@_jit
def _add_upright(
    H: Reals, g: Reals, G: Reals, world: Reals, joint: Indices, body: int, ancestor: Reals, up: Reals,
    weight: float, kernel: float,
) -> float:  # fmt: skip
    """Pulls joint `body`'s y axis to the direction `up` (3,), robustly: who stands is upright, who bows is let.

    `ancestor` (D,) marks the degrees of freedom that turn the joint.
    """
    y = G[body, :, 1].copy()
    e = np.array((up[1] * y[2] - up[2] * y[1], up[2] * y[0] - up[0] * y[2], up[0] * y[1] - up[1] * y[0]))
    square: float = (e[0] * e[0] + e[1] * e[1] + e[2] * e[2]) * weight
    trust = _robust(square, kernel)
    n = 0
    used, row = np.empty(len(g), np.int64), np.empty(len(g))
    for d in range(len(joint)):
        if ancestor[d]:
            used[n] = d
            n += 1
    for i in range(3):
        for k in range(n):
            row[k] = world[used[k], i] - up[i] * (world[used[k]] @ up)
        _add_row(H, g, used, row, n, e[i], trust * weight)
    return float(square * trust)


@_jit
def _solve_in_place(H: Reals, g: Reals) -> None:
    """Solves H x = g for a positive definite H of which the lower triangle is given; x replaces g.

    A Cholesky factorisation of our own: LAPACK's threads cost more than these hundred unknowns.
    """
    N = len(g)
    for i in range(N):
        for j in range(i):
            total = H[i, j]
            for k in range(j):
                total -= H[i, k] * H[j, k]
            H[i, j] = total / H[j, j]
        total = H[i, i]
        for k in range(i):
            total -= H[i, k] * H[i, k]
        H[i, i] = np.sqrt(max(total, 1e-9))
    for i in range(N):
        for k in range(i):
            g[i] -= H[i, k] * g[k]
        g[i] /= H[i, i]
    for i in range(N - 1, -1, -1):
        for k in range(i + 1, N):
            g[i] -= H[k, i] * g[k]
        g[i] /= H[i, i]


@_jit
def solve(
    rest: Reals, parents: Indices, joint: Indices, kind: Indices, axis: Reals, mean: Reals, sigma: Reals,
    low: Reals, high: Reals, base: Indices, turned: Indices, offset: Reals, chain: Indices, pairs: Indices,
    trunk: Reals, bones: Reals, uv: Reals, uv_weight: Reals, depth: Reals, depth_weight: Reals, ray: Reals,
    up: Reals, up_weight: Reals, up_kernel: float, stay: Reals, kernel: float, steps: int,
    translation: Reals, local: Reals, angle: Reals, G: Reals, T: Reals,
) -> float:  # fmt: skip
    """Fits one person in place, starting from what `translation`, `local` and `angle` hold.

    The last five arrays are (3,), (55, 3, 3), (D,), (55, 3, 3) and (55, 3). Returns the last cost.
    """
    D, N = len(joint), len(joint) + 3
    P, world = np.empty((len(base), 3)), np.empty((D, 3))
    before, before_angle = local.copy(), angle.copy()
    cost, best, damping = 0.0, 1e300, 1e-3
    for _ in range(steps):
        forward(rest, parents, bones, translation, local, G, T)
        world_axes(joint, kind, axis, angle, parents, G, world)
        landmark_positions(base, turned, offset, bones[0], G, T, P)
        H, g = np.zeros((N, N)), np.zeros(N)
        cost = _add_reprojection(H, g, P, T, world, joint, chain, uv, uv_weight, kernel)
        cost += _add_depths(H, g, P, T, world, joint, chain, pairs, depth, depth_weight, ray)
        cost += _add_priors(H, g, joint, kind, mean, sigma, low, high, local, angle, before, before_angle, stay)
        for i in range(len(UPRIGHT)):
            cost += _add_upright(H, g, G, world, joint, UPRIGHT[i], trunk[i], up, up_weight[i], up_kernel)
        damping = max(damping / 3, 1e-4) if cost <= best else min(damping * 10, 1.0)
        best = min(best, cost)
        for i in range(N):
            H[i, i] += damping * H[i, i] + 1e-6
        _solve_in_place(H, g)
        _move(g, joint, kind, axis, translation, local, angle)
    forward(rest, parents, bones, translation, local, G, T)
    return cost


@_jit
def _move(
    change: Reals, joint: Indices, kind: Indices, axis: Reals, translation: Reals, local: Reals, angle: Reals
) -> None:
    """Takes a Gauss-Newton step, no joint by more than 0.6 rad about one axis."""
    vector, step, product = np.empty(3), np.empty((3, 3)), np.empty((3, 3))
    D = len(joint)
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


@_jit
def pose_vectors(local: Reals, out: Reals) -> None:
    """The axis-angle vectors (55, 3) of local rotations (55, 3, 3)."""
    for j in range(len(local)):
        log(local[j], out[j])
