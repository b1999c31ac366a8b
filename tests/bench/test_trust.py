"""The figures of `bench.trust` on people whose errors are known."""

import numpy as np
import pytest
from pymafx_live.bench.accuracy import Outcome, Pairs
from pymafx_live.bench.mannequin.truth import TruePerson
from pymafx_live.bench.matching import Matcher
from pymafx_live.bench.trust import figures
from pymafx_live.core.types import Camera, Origin, Part, Person, TrackState

CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
DEVIATION = (0.01, 0.02, 0.2)
"""Told: to the side, up and down, in depth, of somebody on the camera's axis."""


def outcome(errors: np.ndarray, origin: Origin = Origin.MEASURED, speed: float = 1.0, told: float = 0.75) -> Outcome:
    """Somebody who comes at `speed` m/s, told to come at `told`, and is off by `errors` (N, 3) in N frames."""
    pairs = Pairs()
    for k, error in enumerate(errors):
        joints = np.zeros((55, 3))
        joints[:, 2] = 4 - speed * k / 25
        pairs.frame.append(k)
        pairs.track.append(0)
        pairs.estimated.append(Person(
            1, TrackState.TRACKED, np.zeros(4, np.float32), 0.9, "t", {"transl": Part(1.0, origin)},
            pelvis=joints[0] + error, velocity=np.array([0, 0.5, -told]),
            pelvis_covariance=np.diag(np.square(DEVIATION)),
        ))  # fmt: skip
        nothing = np.zeros(10)
        pairs.true.append(TruePerson(0, joints, joints[0], nothing, nothing, joints, nothing[:4], 1.0, nothing > 0))
    return Outcome(25.0, CAMERA, pairs, Matcher())


def test_errors_are_counted_in_the_deviations_that_are_told():
    errors = np.zeros((8, 3))
    errors[:, 2] = np.array([0.5, 0.5, 1.5, 1.5, 1.5, 2.5, 2.5, 3.5]) * DEVIATION[2]
    told = figures([outcome(errors)])
    assert told["frames"] == 8
    assert [told[f"depth_{n}"] for n in (1, 2, 3)] == [2 / 8, 5 / 8, 7 / 8]
    assert [told[f"{way}_1"] for way in ("side", "up")] == [1, 1]
    sideways = np.zeros((8, 3))
    sideways[:, 0] = 1.5 * DEVIATION[0]
    told = figures([outcome(sideways)])
    assert (told["side_1"], told["side_2"]) == (0, 1)


def test_who_is_not_measured_does_not_count():
    assert figures([outcome(np.zeros((8, 3)), Origin.HELD)])["frames"] == 0


def test_velocities_are_compared_with_the_true_ones():
    told = figures([outcome(np.zeros((30, 3)))])
    assert told["speed_depth"] == pytest.approx(0.25) and told["speed_across"] == pytest.approx(0.5)
    assert told["step_depth"] == pytest.approx(0, abs=1e-9)
    assert told["fastest_true"] == pytest.approx(1.0)
    assert told["fastest"] == pytest.approx(np.hypot(0.75, 0.5))
