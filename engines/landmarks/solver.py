"""The fit of skeletons to landmarks: a few damped, robust Gauss-Newton steps for all people at once.

Unknowns are the degrees of freedom of a chain, its root's place and its shape. The residuals are reprojection, depth
along the viewing ray from landmark to landmark, directions that bones lean to, the pose prior, joint limits, and
closeness to the frame before. Each is divided by its deviation, so that the sum of squares is a negative log posterior
(a maximum a posteriori fit); weights of the Geman-McClure kernel down-weigh outliers.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.engines.landmarks.chain import Chain, Placed, Pose, axes, forward, landmark_jacobian, set_hinges

HUBER = 2.0
LIMIT = 20.0
"""One over the deviation, in radians, by which a joint may pass its limit: about 3 degrees."""
LONGEST_TURN, LONGEST_GROWTH = 0.6, 0.1
"""The most that one step changes an angle, in radians, and a direction of shape."""
NEAREST = 0.15
"""Metres from the camera within which nothing can be."""


@dataclass(slots=True)
class Problem:
    """What is known of P people; a weight is one over a deviation, 0 where nothing is known.

    `uv` (P, K, 2) are the landmarks in normalised image coordinates x / z, y / z, weights per unit of them; for M pairs
    of landmarks `depth` (P, M) says how much deeper the first is than the second along `ray` (P, M, 3), in metres.
    `mean` (P, D) with weights `sure` (P, D) is the pose prior and `stay` (P, D) ties to the pose that the fit begins
    with. `lean` (P, Q, 3) are unit vectors that the chain's Q leaning axes point to. `shape` (P, S) and `shape_sure`
    (P, S, S), an information matrix, is the prior of the shape; `anchor` (P,) ties the root to its place, per metre.
    """

    uv: Reals
    uv_weight: Reals
    depth: Reals
    depth_weight: Reals
    ray: Reals
    mean: Reals
    sure: Reals
    stay: Reals
    lean: Reals
    lean_weight: Reals
    shape: Reals
    shape_sure: Reals
    anchor: Reals

    def __getitem__(self, rows: NDArray[np.intp] | Mask) -> "Problem":
        return Problem(*(getattr(self, f.name)[rows] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Lean:
    """Q axes that tend to a direction: `axis` (Q, 3) in the frame of `joint` (Q,)."""

    joint: Indices
    axis: Reals


@dataclass(slots=True)
class _Equations:
    """The normal equations `H` (P, N, N) and `g` (P, N) of P people, and the `cost` (P,) that they lower."""

    H: Reals
    g: Reals
    cost: Reals

    def add(self, J: Reals, residual: Reals, weight: Reals, cost: Reals) -> None:
        """Adds rows (P, R, N) with their residuals (P, R) and squared weights (P, R)."""
        weighted = J * weight[..., None]
        self.H += weighted.swapaxes(1, 2) @ J
        self.g += (residual[:, None] @ weighted)[:, 0]
        self.cost += cost

    def add_diagonal(self, columns: slice, residual: Reals, weight: Reals) -> None:
        """Adds one row for each of the unknowns `columns`."""
        d = np.arange(columns.start, columns.stop)
        self.H[:, d, d] += weight
        self.g[:, columns] += weight * residual
        self.cost += (weight * residual**2).sum(1)


@dataclass(frozen=True, slots=True)
class Solution:
    """What the last step of a fit knew of P poses: their `cost` (P,) before it, and the normal equations (P, N, N)."""

    cost: Reals
    _H: Reals
    _anchor: Reals
    _place: slice

    def spread(self) -> Reals:
        """The covariance (P, 3, 3) of the root's place, in m², whatever the pose may be; without the anchor."""
        H, place = self._H.copy(), np.arange(self._place.start, self._place.stop)
        H[:, place, place] -= self._anchor[:, None] ** 2
        H += 1e-6 * np.eye(H.shape[1])
        unit = np.zeros((H.shape[1], 3))
        unit[place, np.arange(3)] = 1
        return np.asarray(np.linalg.solve(H, np.broadcast_to(unit, (len(H), *unit.shape)))[:, place])


@dataclass(frozen=True, slots=True)
class Solver:
    """Fits one chain; `pairs` (M, 2) are the landmarks whose depths are compared, `kernel` is in deviations."""

    chain: Chain
    pairs: Indices
    lean: Lean
    kernel: float

    def solve(self, problem: Problem, pose: Pose, steps: int) -> "Solution":
        """Improves `pose` in place by so many steps."""
        before, places = pose.local.copy(), pose.place.copy()
        angles = pose.angle.copy()
        P, D, S = len(pose), self.chain.freedoms, pose.shape.shape[1]
        damping, best = np.full(P, 1e-3), np.full(P, np.inf)
        diagonal = np.arange(D + 3 + S)
        for _ in range(steps):
            equations = self._equations(problem, pose, before, angles, places)
            cost = equations.cost
            damping = np.where(cost <= best, np.maximum(damping / 3, 1e-4), np.minimum(damping * 10, 1.0))
            best = np.minimum(best, cost)
            H = equations.H.copy()
            H[:, diagonal, diagonal] += damping[:, None] * H[:, diagonal, diagonal] + 1e-6
            self._move(pose, np.linalg.solve(H, equations.g[..., None])[..., 0])
        return Solution(cost, equations.H, problem.anchor, slice(D, D + 3))

    def information(self, problem: Problem, pose: Pose) -> Reals:
        """What the evidence says of the shape, whatever the pose may be, as an information matrix (P, S, S)."""
        D = self.chain.freedoms
        H = self._equations(problem, pose, pose.local, pose.angle, pose.place).H
        across = H[:, : D + 3, D + 3 :]
        H[:, np.arange(D + 3), np.arange(D + 3)] += 1e-6
        known = across.swapaxes(1, 2) @ np.linalg.solve(H[:, : D + 3, : D + 3], across)
        return np.asarray(H[:, D + 3 :, D + 3 :] - problem.shape_sure - known)

    def _equations(self, problem: Problem, pose: Pose, before: Reals, angles: Reals, places: Reals) -> _Equations:
        chain = self.chain
        P, D, S = len(pose), chain.freedoms, pose.shape.shape[1]
        placed = forward(chain, pose)
        turning = axes(chain, placed.G)
        N = D + 3 + S
        equations = _Equations(np.zeros((P, N, N)), np.zeros((P, N)), np.zeros(P))
        J = landmark_jacobian(chain, placed, turning)
        self._add_reprojection(equations, problem, placed, J)
        self._add_depths(equations, problem, placed, J)
        self._add_leans(equations, problem, placed, turning)
        self._add_priors(equations, problem, pose, before, angles)
        equations.add_diagonal(slice(D, D + 3), pose.place - places, np.repeat(problem.anchor[:, None] ** 2, 3, 1))
        if S:
            error = pose.shape - problem.shape
            equations.H[:, D + 3 :, D + 3 :] += problem.shape_sure
            pull = (problem.shape_sure @ error[..., None])[..., 0]
            equations.g[:, D + 3 :] += pull
            equations.cost += (pull * error).sum(1)
        return equations

    def _add_reprojection(self, equations: _Equations, problem: Problem, placed: Placed, J: Reals) -> None:
        """Landmarks against normalised image coordinates."""
        z = np.maximum(placed.landmarks[..., 2], NEAREST)
        uv = placed.landmarks[..., :2] / z[..., None]
        error = uv - problem.uv
        square = (error * error).sum(-1) * problem.uv_weight**2
        trust = robust(square, self.kernel)
        weight = trust * (problem.uv_weight / z) ** 2
        rows = np.concatenate([J[:, 0] - uv[..., :1] * J[:, 2], J[:, 1] - uv[..., 1:] * J[:, 2]], 1)
        residual = np.concatenate([error[..., 0] * z, error[..., 1] * z], 1)
        equations.add(rows, residual, np.concatenate([weight, weight], 1), (square * trust).sum(1))

    def _add_depths(self, equations: _Equations, problem: Problem, placed: Placed, J: Reals) -> None:
        """How much deeper along its ray the first landmark of each pair is than the second.

        Huber's kernel: a limb on the wrong side of its joint must feel that it is wrong, however far.
        """
        a, b = self.pairs.T
        apart = placed.landmarks[:, a] - placed.landmarks[:, b]
        error = (problem.ray * apart).sum(-1) - problem.depth
        rows = sum(problem.ray[..., i, None] * (J[:, i, a] - J[:, i, b]) for i in range(3))
        size = np.abs(error * problem.depth_weight)
        trust = np.minimum(1.0, HUBER / np.maximum(size, 1e-9))
        cost = (trust * size * size).sum(1)
        equations.add(np.asarray(rows), error, trust * problem.depth_weight**2, cost)

    def _add_leans(self, equations: _Equations, problem: Problem, placed: Placed, turning: Reals) -> None:
        """Axes against the directions that they tend to: who stands is upright, what hangs hangs down.

        Robustly: who bows is let.
        """
        joints = self.lean.joint
        if not len(joints):
            return
        axis = (placed.G[:, joints] @ self.lean.axis[:, :, None])[..., 0]  # (P, Q, 3)
        error = axis - problem.lean
        square = (error * error).sum(-1) * problem.lean_weight**2
        trust = robust(square, LEAN_KERNEL)
        weight = np.repeat(trust * problem.lean_weight**2, 3, 1)
        P, D = turning.shape[:2]
        rows = np.zeros((P, len(joints), 3, equations.g.shape[1]))
        for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
            turned = turning[:, None, :, j] * axis[..., k, None] - turning[:, None, :, k] * axis[..., j, None]
            np.multiply(turned, self.chain.turns[joints], out=rows[:, :, i, :D])
        equations.add(rows.reshape(P, -1, rows.shape[-1]), error.reshape(P, -1), weight, (square * trust).sum(1))

    def _add_priors(self, equations: _Equations, problem: Problem, pose: Pose, before: Reals, angles: Reals) -> None:
        """The pose prior, the limits and closeness to the pose that the fit began with."""
        chain = self.chain
        joints, balls, hinges = chain.joint[chain.ball[:, 0]], chain.ball, chain.hinge
        local = pose.local[:, joints]
        strayed, moved, value = (np.empty_like(pose.angle) for _ in range(3))
        centre = to_matrices(problem.mean[:, balls])
        strayed[:, balls] = to_vectors(centre.swapaxes(2, 3) @ local)
        moved[:, balls] = to_vectors(before[:, joints].swapaxes(2, 3) @ local)
        value[:, balls] = to_vectors(local)
        strayed[:, hinges] = pose.angle[:, hinges] - problem.mean[:, hinges]
        moved[:, hinges] = pose.angle[:, hinges] - angles[:, hinges]
        value[:, hinges] = pose.angle[:, hinges]
        beyond = np.minimum(value - chain.low, 0) + np.maximum(value - chain.high, 0)
        columns = slice(0, chain.freedoms)
        equations.add_diagonal(columns, strayed, problem.sure**2)
        equations.add_diagonal(columns, moved, problem.stay**2)
        equations.add_diagonal(columns, beyond, np.where(beyond != 0, LIMIT**2, 0.0))

    def _move(self, pose: Pose, step: Reals) -> None:
        """Takes a Gauss-Newton step (P, N), no angle by more than `LONGEST_TURN`."""
        chain, D = self.chain, self.chain.freedoms
        turn = np.clip(-step[:, :D], -LONGEST_TURN, LONGEST_TURN)
        joints = chain.joint[chain.ball[:, 0]]
        pose.local[:, joints] = pose.local[:, joints] @ to_matrices(turn[:, chain.ball])
        pose.angle[:, chain.hinge] += turn[:, chain.hinge]
        set_hinges(chain, pose)
        pose.place -= step[:, D : D + 3]
        pose.place[:, 2] = np.maximum(pose.place[:, 2], NEAREST)
        pose.shape -= np.clip(step[:, D + 3 :], -LONGEST_GROWTH, LONGEST_GROWTH)


LEAN_KERNEL = 3.0


def robust(square: Reals, scale: float) -> Reals:
    """The Geman-McClure weights of squared residuals in units of their deviations."""
    q = scale * scale / (scale * scale + square)
    return q * q
