"""The figures of `bench.ground` on results that are the truth, and on some that are off by what is known."""

import numpy as np
import pytest
from pymafx_live.bench.ground import AFTER, FPS, Record, figures
from pymafx_live.bench.mannequin.truth import TruePerson, Truth
from pymafx_live.core.types import FrameResult
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin
from support.standing import FRAME, somebody

TRUE = World.tilted(-0.2, 0.0, 1.5)


def recorded(found: World, slide: float = 0.0, **more) -> dict[str, float]:
    """The figures of somebody who stands still, and as results have it slides by so many metres a frame."""
    record, still = Record(), somebody(TRUE, (0, -3))
    true = TruePerson(
        0, still.full_pose, still.transl, np.zeros(4), np.ones(55), still.joints, still.box, 1.0, np.ones(55, bool)
    )
    for k in range(AFTER + 10):
        seen = somebody(TRUE, (slide * k, -3), contact=np.ones(2, np.float32), **more)
        result = FrameResult("cam", k, "run", k / FPS, 0, 0, FRAME.camera, (seen,), world=found)
        record(result, Truth(k / FPS, FRAME.camera, (true,)), None)
    return figures(record, TRUE)


def test_the_truth_has_no_error():
    told = recorded(TRUE)
    for name in ("up", "floor", "root", "slide", "slide_locked", "told", "hands"):
        assert told[name] == pytest.approx(0, abs=0.01), name
    assert told["contact"] == 1
    assert told["pitch"] == pytest.approx(np.degrees(-0.2), abs=1e-3)
    assert told["level"] == pytest.approx(np.degrees(0.2), abs=1e-3)


def test_errors_are_as_large_as_they_are():
    found = World.tilted(-0.15, 0.0, 1.6, WorldOrigin.ESTIMATED, FloorOrigin.ESTIMATED)
    told = recorded(found, slide=0.001, lean=0.1)
    assert told["up"] == pytest.approx(np.degrees(0.05), abs=1e-3)
    expected = found.points(TRUE.seen(np.array([0, 0, -3.0])))[1]
    assert told["floor"] == pytest.approx(100 * expected, abs=0.1)
    assert told["root"] == pytest.approx(np.degrees(0.1), abs=0.1)
    assert told["slide"] == told["told"] == pytest.approx(1, abs=0.01)
    assert told["slide_locked"] < 1
