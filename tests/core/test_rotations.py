"""The compiled rotations against scipy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymafx_live.core import rotations
from scipy.spatial.transform import Rotation

vectors = arrays(np.float64, 3, elements=st.floats(-4, 4))


@given(vectors)
@settings(deadline=None)
def test_exp_is_scipys(vector: np.ndarray) -> None:
    out = np.empty((3, 3))
    rotations.exp(vector, out)
    np.testing.assert_allclose(out, Rotation.from_rotvec(vector).as_matrix(), atol=1e-9)


@given(vectors)
@settings(deadline=None)
def test_log_inverts_exp_at_every_angle(vector: np.ndarray) -> None:
    matrix, back = np.empty((3, 3)), np.empty(3)
    rotations.exp(vector, matrix)
    rotations.log(matrix, back)
    assert np.linalg.norm(back) <= np.pi + 1e-6
    np.testing.assert_allclose(Rotation.from_rotvec(back).as_matrix(), matrix, atol=1e-6)


@given(st.floats(-1e-7, 1e-7), vectors)
@settings(deadline=None)
def test_log_near_half_a_turn(excess: float, axis: np.ndarray) -> None:
    if np.linalg.norm(axis) < 1e-3:
        return
    vector = axis / np.linalg.norm(axis) * (np.pi + excess)
    matrix, back = np.empty((3, 3)), np.empty(3)
    rotations.exp(vector, matrix)
    rotations.log(matrix, back)
    np.testing.assert_allclose(Rotation.from_rotvec(back).as_matrix(), matrix, atol=1e-5)
