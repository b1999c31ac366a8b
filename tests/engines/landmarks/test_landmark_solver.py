"""The fit against poses that are known because they were made: its Jacobian, its minimum, and what it keeps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import fit, rig, solver
from pymafx_live.engines.landmarks.rig import BALL, BASE, PAIRS
from pymafx_live.engines.skeleton import JOINT
from pymafx_live.pipeline.types import Camera
from scipy.spatial.transform import Rotation

CAMERA = Camera(1280, 720, 1100.0, 1100.0, 639.5, 359.5)


@pytest.fixture(scope="module")
def fitter() -> fit.Fitter:
    return fit.Fitter(rig.build(BodyModel.embedded().rest_joints, rig.calibrated_offsets()))


def truth(fitter: fit.Fitter, seed: int, spread: float) -> fit.State:
    """A person 3.5 m away who faces the camera, posed at random within the rig's freedom."""
    r, rng = fitter.rig, np.random.default_rng(seed)
    step = rng.normal(size=len(r.joint)) * np.minimum(r.sigma, 0.6) * spread
    angle = np.where(r.kind == BALL, 0.0, np.clip(r.mean + step, r.low + 0.02, r.high - 0.02))
    local = np.tile(np.eye(3), (55, 1, 1))
    balls = np.nonzero(r.kind == BALL)[0].reshape(-1, 3)
    local[r.joint[balls[:, 0]]] = Rotation.from_rotvec(r.mean[balls] + step[balls]).as_matrix()
    turn = Rotation.from_euler("YX", [rng.uniform(-0.8, 0.8), 0.1])
    local[0] = np.diag([1.0, -1.0, -1.0]) @ turn.as_matrix()
    solver.locals_from_angles(r.joint, r.kind, r.axis, angle, local)
    state = fit.State(np.array([0.2, -0.1, 3.5]), local, angle, np.ones(55))
    solver.forward(r.rest, r.parents, state.bones, state.translation, local, state.G, state.T)
    return state


def evidence(fitter: fit.Fitter, state: fit.State) -> fit.Evidence:
    """What perfect networks would report of a state."""
    P, M = fitter.landmarks(state), len(PAIRS)
    ray = np.tile([0.0, 0.0, 1.0], (M, 1))
    depth = P[PAIRS[:, 0], 2] - P[PAIRS[:, 1], 2]
    return fit.Evidence(P[:, :2] / P[:, 2:], np.full(len(P), 200.0), depth, np.full(M, 50.0), ray)


def test_forward_is_the_body_models(fitter: fit.Fitter) -> None:
    state = truth(fitter, 3, 1.0)
    body = BodyModel.embedded()
    transl = state.translation - body.rest_joints[0]
    joints, rotations = body.joints(fitter.pose(state)[None], transl[None])
    np.testing.assert_allclose(joints[0], state.T, atol=2e-5)
    np.testing.assert_allclose(rotations[0], state.G, atol=2e-5)


@given(st.integers(0, 10_000), st.integers(0, 103))
@settings(deadline=None, max_examples=40)
def test_axes_are_the_derivative_of_the_landmarks(fitter: fit.Fitter, seed: int, d: int) -> None:
    r, state, step = fitter.rig, truth(fitter, seed, 1.0), 1e-5
    world = np.empty((len(r.joint), 3))
    solver.world_axes(r.joint, r.kind, r.axis, state.angle, r.parents, state.G, world)
    before = fitter.landmarks(state)
    moved = np.array([d in row for row in r.chain])
    expected = np.cross(world[d], before - state.T[r.joint[d]]) * moved[:, None]
    if r.kind[d] == BALL:
        local = state.local[r.joint[d]] @ Rotation.from_rotvec(r.axis[d] * step).as_matrix()
        state.local[r.joint[d]] = local
    else:
        state.angle[d] += step
        solver.locals_from_angles(r.joint, r.kind, r.axis, state.angle, state.local)
    solver.forward(r.rest, r.parents, state.bones, state.translation, state.local, state.G, state.T)
    np.testing.assert_allclose((fitter.landmarks(state) - before) / step, expected, atol=1e-4)


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_perfect_evidence_is_fitted(fitter: fit.Fitter, seed: int) -> None:
    """From a pose nearby, as from frame to frame, the joints come back within what the priors pull."""
    goal = truth(fitter, seed, 0.7)
    start = truth(fitter, seed, 0.6)
    start.translation += [0.05, 0.05, 0.2]
    seen = evidence(fitter, goal)
    fitter.update(start, seen, np.full(len(fitter.rig.joint), 1e-3), 15)
    error = np.linalg.norm((start.T - start.T[0]) - (goal.T - goal.T[0]), axis=1)
    assert error[:22].mean() < 0.02
    assert error[25:].mean() < 0.025


def test_limits_hold_against_the_evidence(fitter: fit.Fitter) -> None:
    state = truth(fitter, 5, 0.5)
    knee = int(np.nonzero(fitter.rig.joint == JOINT["left_knee"])[0][0])
    state.angle[knee] = np.radians(-40)
    solver.locals_from_angles(fitter.rig.joint, fitter.rig.kind, fitter.rig.axis, state.angle, state.local)
    r = fitter.rig
    solver.forward(r.rest, r.parents, state.bones, state.translation, state.local, state.G, state.T)
    seen = evidence(fitter, state)
    fitter.update(state, seen, np.full(len(r.joint), 1e-3), 15)
    assert state.angle[knee] > np.radians(-15)


def test_without_evidence_the_pose_stays_or_relaxes(fitter: fit.Fitter) -> None:
    state = truth(fitter, 7, 1.0)
    before = fitter.pose(state)
    K, M = len(BASE), len(PAIRS)
    nothing = fit.Evidence(np.zeros((K, 2)), np.zeros(K), np.zeros(M), np.zeros(M), np.zeros((M, 3)))
    fitter.update(state, nothing, np.full(len(fitter.rig.joint), 50.0), 3)
    assert np.abs(fitter.pose(state) - before)[1:].max() < 0.1
    fitter.update(state, nothing, np.full(len(fitter.rig.joint), 1e-3), 15)
    flexion = np.nonzero(fitter.rig.kind != BALL)[0]
    np.testing.assert_allclose(state.angle[flexion], fitter.rig.mean[flexion], atol=0.02)
