"""Rotations and the wrists' integration against SciPy and against their definition."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.transform import Rotation

torch = pytest.importorskip("torch")

from pymafx_live.engines.pymafx.network.rotations import axis_angles, matrices_from_6d, mirrored, quaternions
from pymafx_live.engines.pymafx.network.wrists import ARMS, TWIST_LIMIT, excess_twist, integrate_hands

VECTORS = arrays(np.float64, (4, 3), elements=st.floats(-1, 1)).filter(
    lambda v: (np.linalg.norm(v, axis=1) > 1e-3).all()
)
ANGLES = arrays(np.float64, 4, elements=st.floats(-np.pi, np.pi))


def rotations(axes: Any, angles: Any) -> Rotation:
    return Rotation.from_rotvec(axes / np.linalg.norm(axes, axis=1, keepdims=True) * angles[:, None])


def tensor(rotation: Rotation) -> Any:
    return torch.from_numpy(rotation.as_matrix())


@given(VECTORS, ANGLES)
def test_quaternions_and_axis_angles_are_scipys(axes: Any, angles: Any) -> None:
    """Half a turn included, where the sign is free: what they rotate to is compared."""
    R = rotations(axes, angles)
    q = quaternions(tensor(R)).numpy()
    assert (q[:, 0] >= 0).all()
    np.testing.assert_allclose(Rotation.from_quat(q, scalar_first=True).as_matrix(), R.as_matrix(), atol=1e-7)
    vectors = axis_angles(tensor(R)).numpy()
    assert (np.linalg.norm(vectors, axis=1) <= np.pi + 1e-6).all()
    np.testing.assert_allclose(Rotation.from_rotvec(vectors).as_matrix(), R.as_matrix(), atol=1e-6)


@given(VECTORS, ANGLES, arrays(np.float64, (4, 3), elements=st.floats(0.1, 3)))
def test_six_numbers_are_gram_schmidt(axes: Any, angles: Any, mix: Any) -> None:
    """Scaling the columns and adding the first to the second changes nothing."""
    R = rotations(axes, angles).as_matrix()
    x, y = R[:, :, 0] * mix[:, :1], R[:, :, 1] * mix[:, 1:2] + R[:, :, 0] * mix[:, 2:]
    six = np.stack([x, y], -1).reshape(1, -1)
    np.testing.assert_allclose(matrices_from_6d(torch.from_numpy(six))[0].numpy(), R, atol=1e-9)


@given(VECTORS, ANGLES, arrays(np.float64, 3, elements=st.floats(-1, 1)))
def test_a_mirror_turns_the_other_way(axes: Any, angles: Any, point: Any) -> None:
    R = tensor(rotations(axes, angles))
    flip = np.diag([-1.0, 1, 1])
    np.testing.assert_allclose(mirrored(R).numpy() @ point, (flip @ R.numpy() @ flip) @ point, atol=1e-12)


@given(VECTORS, st.floats(-3.1, 3.1), st.floats(-1.4, 1.4))
def test_a_wrist_keeps_twist_up_to_its_limit(axes: Any, twist: float, swing: float) -> None:
    """A twist about the axis and a swing across it: the excess of the first is found, whatever the second."""
    axis = axes[0] / np.linalg.norm(axes[0])
    across = np.cross(axis, np.eye(3)[np.abs(axis).argmin()])
    across /= np.linalg.norm(across)
    R = Rotation.from_rotvec(across * swing) * Rotation.from_rotvec(axis * twist)
    got = excess_twist(tensor(R)[None], torch.from_numpy(axis)[None])[0].numpy()
    excess = np.sign(twist) * max(abs(twist) - TWIST_LIMIT, 0)
    np.testing.assert_allclose(got, Rotation.from_rotvec(axis * excess).as_matrix(), atol=1e-6)


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_visible_hands_reach_their_orientation(seed: int) -> None:
    """The rotations along a visible arm multiply to the hand's own orientation, and no other joint moves."""
    rng = np.random.default_rng(seed)
    R = torch.from_numpy(Rotation.random(48, rng).as_matrix().reshape(2, 24, 3, 3))
    hands = torch.from_numpy(Rotation.random(4, rng).as_matrix().reshape(2, 2, 3, 3))
    forearms = torch.from_numpy(rng.normal(size=(2, 2, 3)))
    visible = torch.tensor([[True, True], [True, False]])
    out = integrate_hands(R, hands, forearms, visible)
    for person in range(2):
        for side, arm in enumerate(ARMS):
            world = np.eye(3)
            for joint in (*arm, 20 + side):
                world = world @ out[person, joint].numpy()
            if visible[person, side]:
                np.testing.assert_allclose(world, hands[person, side], atol=1e-9)
    changed = (out != R).any(-1).any(-1)
    assert not changed[:, :18].any() and not changed[:, 22:].any()
    assert not changed[1, [19, 21]].any() and changed[0, 20:22].all()
