"""What a worker's state says of its load."""

import pytest
from pymafx_live.pipeline.fleet.load import measure
from pymafx_live.pipeline.fleet.placement import WorkerLoad


def camera(fps: float, people: int = 0, dropped: float = 0.0, p50: float | None = 80.0) -> dict:
    ages = {} if p50 is None else {"p50": p50, "p95": 2 * p50}
    return {
        "state": "live",
        "fps": fps,
        "age_ms": ages,
        "dropped": dropped,
        "people": people,
        "run": "r",
        "sequence": 9,
    }


def test_the_load_is_divided_by_frames_and_people():
    measured = measure({"busy": 0.6, "cameras": {"hall": camera(10), "shop": camera(10, people=3, p50=120.0)}})
    assert measured.costs == pytest.approx({"hall": 0.15, "shop": 0.45})
    assert measured.age == 0.12
    assert measured.dropped == 0


def test_frames_that_nobody_looked_at_count_as_wanted():
    """Of 40 frames a second 10 are looked at by a worker that is always busy: four of it are needed."""
    measured = measure({"busy": 1.0, "cameras": {"a": camera(5, dropped=0.5), "b": camera(5, dropped=5 / 6)}})
    assert measured.dropped == pytest.approx(0.75)
    assert measured.costs == pytest.approx({"a": 1.0, "b": 3.0})
    load = WorkerLoad("w", busy=measured.busy, dropped=measured.dropped, age=measured.age).load
    assert load == pytest.approx(sum(measured.costs.values()))


def test_who_gave_no_result_yet_has_no_cost():
    measured = measure({"busy": 0.2, "cameras": {"new": camera(0, p50=None), "old": camera(25)}})
    assert measured.costs == pytest.approx({"old": 0.2})
    assert measure({"busy": 0.0, "cameras": {}}).age is None
