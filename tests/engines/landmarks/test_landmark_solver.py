"""The fit against poses that are known because they were made: its Jacobian, its minimum, and what it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.chain import Chain, Pose, axes, by_row, forward, landmark_jacobian, set_hinges
from pymafx_live.engines.landmarks.rig import BODY_JOINTS, LEANS, PAIRS
from pymafx_live.engines.landmarks.solver import Problem, Solver

REST = BodyModel.embedded().rest_joints.astype(np.float64)
BODY, LEAN = rig.build_body(REST, rig.calibrated_offsets())
HAND = rig.build_hand(REST, rig.calibrated_offsets())
FACING = np.diag([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def solver() -> Solver:
    return Solver(BODY, PAIRS, LEAN, 5.0)


@given(st.integers(1, 9), st.sampled_from([(5, 55), (128, 170), (201, 128)]), st.integers(0, 99))
@settings(deadline=None)
def test_a_row_does_not_depend_on_the_others(count: int, shape: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, matrix = rng.normal(size=(count, shape[0])), rng.normal(size=shape)
    product = by_row(rows, matrix)
    np.testing.assert_allclose(product, rows @ matrix, atol=1e-9)
    for k in range(count):
        np.testing.assert_array_equal(by_row(rows[k : k + 1], matrix)[0], product[k])


def truth(chain: Chain, seed: int, spread: float, shape: float = 0.0) -> Pose:
    """A person (or hand) 3.5 m away who faces the camera, posed at random within the chain's freedom."""
    rng = np.random.default_rng(seed)
    step = rng.normal(size=chain.freedoms) * np.minimum(chain.sigma, 0.6) * spread
    pose = Pose(
        np.array([[0.2, -0.1, 3.5]]), np.tile(np.eye(3), (1, len(chain.parents), 1, 1)),
        np.clip(chain.mean + step, chain.low + 0.02, chain.high - 0.02)[None],
        rng.normal(size=(1, chain.stretch.shape[1])) * shape,
    )  # fmt: skip
    pose.local[0, chain.joint[chain.ball[:, 0]]] = to_matrices((chain.mean + step)[chain.ball])
    pose.local[0, 0] = FACING @ to_matrices(np.array([0.1, rng.uniform(-0.8, 0.8), 0.0]))
    set_hinges(chain, pose)
    return pose


def problem(chain: Chain, pose: Pose, pairs: Reals, sharp: float = 50.0) -> Problem:
    """What perfect networks would report of a pose, under the chain's priors."""
    P, M, D, S = forward(chain, pose).landmarks, len(pairs), chain.freedoms, chain.stretch.shape[1]
    lean = np.array([[0.0, -1.0, 0.0]] * 2 + [[0.0, 1.0, 0.0]] * (len(LEANS) - 2))[None]
    return Problem(
        uv=P[..., :2] / P[..., 2:], uv_weight=np.full((1, len(chain.base)), 200.0),
        depth=P[:, pairs[:, 0], 2] - P[:, pairs[:, 1], 2], depth_weight=np.full((1, M), sharp),
        ray=np.tile([0.0, 0.0, 1.0], (1, M, 1)), mean=chain.mean[None].copy(), sure=1 / chain.sigma[None],
        stay=np.full((1, D), 1e-3), lean=lean, lean_weight=np.zeros((1, len(LEANS))), shape=np.zeros((1, S)),
        shape_sure=400.0 * np.eye(S)[None], anchor=np.zeros(1),
    )  # fmt: skip


def nudged(pose: Pose, seed: int, by: float) -> Pose:
    """A pose nearby, as from one frame to the next."""
    rng, chain = np.random.default_rng(seed + 1), BODY
    out = Pose(pose.place + [[0.05, 0.05, 0.2]], pose.local.copy(), pose.angle.copy(), np.zeros_like(pose.shape))
    balls = chain.joint[chain.ball[:, 0]]
    out.local[:, balls] = out.local[:, balls] @ to_matrices(rng.normal(size=(len(balls), 3)) * by)
    out.angle[:, chain.hinge] += rng.normal(size=len(chain.hinge)) * by
    set_hinges(chain, out)
    return out


def off(a: Pose, b: Pose) -> float:
    """The mean distance of the joints of two poses, aligned at the root, in metres."""
    p, q = forward(BODY, a).T[0], forward(BODY, b).T[0]
    return float(np.linalg.norm((p - p[0]) - (q - q[0]), axis=1).mean())


def test_forward_is_the_body_models() -> None:
    pose = truth(BODY, 3, 1.0, 0.05)
    full = np.zeros((1, 55, 3))
    full[0, :BODY_JOINTS] = to_vectors(pose.local[0])
    joints, turns = BodyModel.embedded().joints(full, pose.place - REST[0], None, rig.bones(pose.shape))
    placed = forward(BODY, pose)
    np.testing.assert_allclose(joints[0, :BODY_JOINTS], placed.T[0], atol=2e-5)
    np.testing.assert_allclose(turns[0, :BODY_JOINTS], placed.G[0], atol=2e-5)


@given(st.integers(0, 10_000), st.integers(0, 200))
@settings(deadline=None, max_examples=60)
def test_the_jacobian_is_the_derivative_of_the_landmarks(seed: int, column: int) -> None:
    chain = BODY if seed % 2 else HAND
    pose, step, D = truth(chain, seed, 1.0, 0.05), 1e-6, chain.freedoms
    column %= D + 3 + chain.stretch.shape[1]
    placed = forward(chain, pose)
    expected = landmark_jacobian(chain, placed, axes(chain, placed.G))[0, :, :, column].T
    if column >= D + 3:
        pose.shape[0, column - D - 3] += step
    elif column >= D:
        pose.place[0, column - D] += step
    elif column in chain.ball:
        vector = np.zeros(3)
        vector[int(np.nonzero(chain.ball == column)[1][0])] = step
        pose.local[0, chain.joint[column]] = pose.local[0, chain.joint[column]] @ to_matrices(vector)
    else:
        pose.angle[0, column] += step
        set_hinges(chain, pose)
    change = (forward(chain, pose).landmarks - placed.landmarks)[0] / step
    np.testing.assert_allclose(change, expected, atol=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_perfect_evidence_is_fitted(solver: Solver, seed: int) -> None:
    """From a pose nearby, as from frame to frame, the joints come back within what the priors pull."""
    goal = truth(BODY, seed, 0.7)
    pose = nudged(goal, seed, 0.15)
    solver.solve(problem(BODY, goal, PAIRS), pose, 15)
    assert off(pose, goal) < 0.03
    np.testing.assert_allclose(pose.place, goal.place, atol=0.08)


def test_people_of_a_batch_do_not_disturb_each_other(solver: Solver) -> None:
    goals = [truth(BODY, seed, 0.7) for seed in (1, 2)]
    alone = [nudged(goal, 9, 0.1) for goal in goals]
    problems = [problem(BODY, goal, PAIRS) for goal in goals]
    both = Pose(*(np.concatenate([getattr(p, n) for p in alone]) for n in ("place", "local", "angle", "shape")))
    names = list(Problem.__slots__)
    solver.solve(Problem(*(np.concatenate([getattr(p, n) for p in problems]) for n in names)), both, 4)
    for k, pose in enumerate(alone):
        solver.solve(problems[k], pose, 4)
        np.testing.assert_allclose(both.local[k], pose.local[0], atol=1e-9)
        np.testing.assert_allclose(both.place[k], pose.place[0], atol=1e-9)


def test_broad_shoulders_are_learnt(solver: Solver) -> None:
    """Who is a tenth broader than the rest skeleton is so after the evidence of some frames was gathered.

    In proportion: how large a person is and how far away look alike.
    """
    goal = truth(BODY, 4, 0.2)
    goal.shape[0, list(rig.SHAPES).index("shoulders")] = 0.1
    task, pose = problem(BODY, goal, PAIRS), nudged(goal, 4, 0.05)
    task.uv_weight *= 5
    gathered = np.zeros_like(task.shape_sure)
    for _ in range(6):
        solver.solve(task, pose, 4)
        gathered += solver.information(task, pose)
        task.shape_sure = 400.0 * np.eye(len(rig.SHAPES))[None] + gathered
        task.shape = np.linalg.solve(task.shape_sure, gathered @ pose.shape[..., None])[..., 0]
    shoulders, others = pose.shape[0, 0], pose.shape[0, 1:].mean()
    assert shoulders - others == pytest.approx(0.1, abs=0.03)


def test_what_hangs_hangs_down(solver: Solver) -> None:
    """A forearm that is not seen ends below its elbow, whichever way the upper arm points."""
    goal = truth(BODY, 5, 0.3)
    task, pose = problem(BODY, goal, PAIRS), truth(BODY, 5, 0.3)
    unseen = [15, 17, 19, 21, *range(rig.LEFT.start, rig.LEFT.stop)]
    task.uv_weight[:, unseen] = 0
    task.depth_weight[:, np.isin(PAIRS, unseen).any(1)] = 0
    task.lean_weight[0, LEANS.index("left_elbow")] = 1 / 0.2
    solver.solve(task, pose, 15)
    T = forward(BODY, pose).T[0]
    forearm = T[JOINT["left_wrist"]] - T[JOINT["left_elbow"]]
    assert forearm[1] / np.linalg.norm(forearm) > 0.8


def test_an_outlier_is_left_alone(solver: Solver) -> None:
    goal = truth(BODY, 6, 0.4)
    task, pose = problem(BODY, goal, PAIRS), nudged(goal, 6, 0.05)
    task.uv[0, 15] += 0.3
    solver.solve(task, pose, 12)
    assert off(pose, goal) < 0.03


def test_limits_hold(solver: Solver) -> None:
    """A knee that bends forwards in the evidence is not followed there."""
    goal = truth(BODY, 7, 0.1)
    knee = int(np.nonzero(BODY.joint == JOINT["left_knee"])[0][0])
    goal.angle[0, knee] = -0.6
    set_hinges(BODY, goal)
    pose = truth(BODY, 7, 0.1)
    solver.solve(problem(BODY, goal, PAIRS, sharp=20.0), pose, 15)
    assert pose.angle[0, knee] > -0.25


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.floats(0, np.pi))
@settings(deadline=None)
def test_vectors_and_matrices_are_each_others_inverse(direction: list[float], angle: float) -> None:
    length = np.linalg.norm(direction)
    vector = np.array(direction) / length * angle if length > 1e-3 else np.zeros(3)
    matrix = to_matrices(vector)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(to_matrices(to_vectors(matrix)), matrix, atol=1e-7)
    if angle < 3.14:
        np.testing.assert_allclose(to_vectors(matrix), vector, atol=1e-6)
