"""Rotations by the batch against scipy's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymafx_live.core.rotations import to_matrices, to_vectors
from scipy.spatial.transform import Rotation

vectors = arrays(np.float64, (2, 3, 3), elements=st.floats(-4, 4))


@given(vectors)
@settings(deadline=None)
def test_matrices_are_scipys(batch: np.ndarray) -> None:
    expected = Rotation.from_rotvec(batch.reshape(-1, 3)).as_matrix().reshape(2, 3, 3, 3)
    np.testing.assert_allclose(to_matrices(batch), expected, atol=1e-7)


@given(vectors)
@settings(deadline=None)
def test_vectors_invert_them_at_every_angle(batch: np.ndarray) -> None:
    matrices = to_matrices(batch)
    back = to_vectors(matrices)
    assert np.linalg.norm(back, axis=-1).max() <= np.pi + 1e-6
    np.testing.assert_allclose(to_matrices(back), matrices, atol=1e-6)


@given(st.floats(-1e-7, 1e-7), arrays(np.float64, 3, elements=st.floats(-4, 4)))
@settings(deadline=None)
def test_vectors_near_half_a_turn(excess: float, axis: np.ndarray) -> None:
    if np.linalg.norm(axis) < 1e-3:
        return
    matrix = to_matrices(axis / np.linalg.norm(axis) * (np.pi + excess))
    np.testing.assert_allclose(to_matrices(to_vectors(matrix)), matrix, atol=1e-5)
