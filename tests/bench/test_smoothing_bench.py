"""The bench of the smoothing finds the delay and the trembling that were put into a motion."""

import numpy as np
import pytest
from pymafx_live.bench.smoothing import Path3, error, jitter, lag, tremble

FPS = 25.0
TIME = np.arange(100) / FPS


def motion(time: np.ndarray) -> np.ndarray:
    """A hand that swings about a metre, never twice alike."""
    return np.stack([0.5 * np.sin(4 * time), 0.3 * np.cos(7 * time + 1), 0.2 * np.sin(2.5 * time) + 3], 1)


@pytest.mark.parametrize("delay", [-0.03, 0.0, 0.02, 0.1, 0.2])
def test_the_lag_is_the_delay_whatever_the_noise_and_the_bias(delay) -> None:
    rng = np.random.default_rng(0)
    late = motion(TIME - delay) + [0.1, -0.2, 0.05] + rng.normal(0, 0.005, (len(TIME), 3))
    still = Path3(np.tile([0.0, 0, 2], (100, 1)) + rng.normal(0, 0.005, (100, 3)), np.tile([0.0, 0, 2], (100, 1)))
    assert lag([(Path3(late, motion(TIME)), FPS), (still, FPS)]) == pytest.approx(delay, abs=2e-3)


def test_trembling_is_what_is_not_there_in_truth() -> None:
    """A path that is off by a constant does not tremble; one that goes to and fro by a millimetre does."""
    true = motion(TIME)
    constant, shaken = Path3(true + 0.05, true), Path3(true + 1e-3 * np.where(np.arange(100) % 2, 1, -1)[:, None], true)
    assert tremble(constant).max() == pytest.approx(0, abs=1e-9) and jitter(constant, FPS).max() < 1e-9
    assert error(constant) == pytest.approx(np.full(100, 1e3 * np.sqrt(3 * 0.05**2)))
    assert jitter(shaken, FPS) == pytest.approx(np.full(98, 4e-3 * np.sqrt(3) * FPS**2))
    assert tremble(shaken) == pytest.approx(np.full(92, np.sqrt(3)), rel=0.2)
