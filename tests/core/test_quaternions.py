"""Quaternions against scipy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core import quaternions
from scipy.spatial.transform import Rotation, Slerp

seeds = st.integers(0, 2**31)


def same(a, b):
    """Whether two quaternions are the same rotation, whatever their signs."""
    return np.allclose(np.abs((a * b).sum(-1)), 1, atol=1e-9)


@given(seeds, st.floats(0, 2 * np.pi))
def test_vectors_and_matrices_are_the_same_rotations(seed, angle):
    axes = np.random.default_rng(seed).normal(size=(7, 3))
    vectors = axes / np.linalg.norm(axes, axis=1, keepdims=True) * angle
    theirs = Rotation.from_rotvec(vectors)
    ours = quaternions.from_vectors(vectors)
    assert same(ours, theirs.as_quat())
    assert (ours[:, 3] >= 0).all()
    assert np.allclose(quaternions.to_matrices(ours), theirs.as_matrix(), atol=1e-9)
    assert same(quaternions.from_matrices(theirs.as_matrix()), theirs.as_quat())


@given(seeds)
def test_products_and_inverses(seed):
    a, b = (Rotation.random(5, random_state=seed + k) for k in (0, 1))
    assert same(quaternions.multiply(a.as_quat(), b.as_quat()), (a * b).as_quat())
    assert same(quaternions.multiply(a.as_quat(), quaternions.inverse(a.as_quat())), quaternions.IDENTITY)


@given(seeds, st.floats(0, 1), st.floats(0, 1))
def test_slerp_goes_the_shorter_way_at_an_even_pace(seed, share, far):
    a = Rotation.random(random_state=seed)
    b = a * Rotation.from_rotvec(Rotation.random(random_state=seed + 1).as_rotvec() * far)
    theirs = Slerp([0, 1], Rotation.concatenate([a, b]))(share).as_quat()
    ours = quaternions.slerp(a.as_quat()[None], -b.as_quat()[None], share)[0]
    assert np.allclose(np.abs((ours * theirs).sum()), 1, atol=1e-6)
