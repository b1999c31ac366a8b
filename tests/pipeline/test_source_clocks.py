"""Clocks that drift, jump and lie, and queues that grow: the true times are made here."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.types import CaptureOrigin
from pymafx_live.pipeline.sources.clocks import Backlog, CaptureClock, SteadyTime, WallClock


def ways(rng: np.random.Generator, count: int) -> np.ndarray:
    """Seconds that packets are on their way, most of them little more than 20 ms."""
    return 0.02 + rng.exponential(0.01, count)


@pytest.mark.parametrize("drift", [-1e-4, 0.0, 1e-4])
def test_a_clock_that_drifts_does_not_add_up(drift):
    """An hour; the camera's quartz is wrong by 100 ppm, which makes 0.36 s."""
    clock = CaptureClock()
    taken = np.arange(0, 3600, 0.1)
    errors = []
    for at, way in zip(taken, ways(np.random.default_rng(0), len(taken)), strict=True):
        stamp = 77.0 + at * (1 + drift)
        clock.note(stamp, at + way)
        captured, origin = clock.captured(stamp)
        errors.append(captured - at)
    assert origin is CaptureOrigin.ESTIMATED
    assert min(errors) + 0.012 >= -1e-9 and max(errors[50:]) < 0.04


@given(held_up=st.floats(0.1, 60), began=st.floats(5, 20))
def test_what_is_held_up_is_as_much_older(held_up, began):
    clock = CaptureClock()
    for at in np.arange(0, began, 0.04):
        clock.note(at, at + 0.03)
    clock.note(began, began + held_up)
    assert clock.captured(began)[0] == pytest.approx(began + 0.03)


def test_a_stream_whose_times_begin_anew():
    clock = CaptureClock()
    for at in np.arange(0, 10, 0.04):
        clock.note(1000 + at, at)
    clock.note(3.0, 10.0)
    assert clock.captured(3.0)[0] == pytest.approx(10.0)
    clock.note(9000.0, 10.04)
    assert clock.captured(9000.0)[0] == pytest.approx(10.04)


@given(skew=st.floats(-1e5, 1e5))
def test_a_camera_whose_clock_is_wrong_is_not_believed(skew):
    clock, wall = CaptureClock(), time.time() - time.monotonic()
    for at in np.arange(0, 3, 0.04):
        clock.note(at, at + 0.15, at + wall + skew)
        captured, origin = clock.captured(at)
    believed = -0.02 < 0.15 - skew < 2.0
    assert (
        origin is (CaptureOrigin.SENDER if believed else CaptureOrigin.ESTIMATED)
        or min(abs(0.15 - skew), abs(1.85 + skew)) < 0.1
    )
    assert captured == pytest.approx(at + skew if origin is CaptureOrigin.SENDER else at + 0.15, abs=0.03)


def test_a_camera_whose_clock_is_set_while_it_runs():
    clock, wall = CaptureClock(), time.time() - time.monotonic()
    for at in np.arange(0, 20, 0.04):
        clock.note(at, at + 0.1, at + wall + (3600 if at > 10 else 0))
        assert clock.captured(at)[0] == pytest.approx(at, abs=0.11)
    assert clock.captured(at)[1] is CaptureOrigin.ESTIMATED


def test_the_wall_clock_follows_a_clock_that_is_set(monkeypatch):
    wall, now = WallClock(), 500.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + now)
    assert wall.unix(400.0) == 1.7e9 + 400.0
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + now + 0.01)  # a little aside: nothing runs backwards for that
    assert wall.unix(400.0) == 1.7e9 + 400.0
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + now - 3600)
    assert wall.unix(400.0) == 1.7e9 + 400.0 - 3600
    assert wall.instant(wall.unix(123.0)) == 123.0


def test_a_backlog_is_skipped_until_it_is_drained():
    """Twenty seconds have piled up and are read at ten times the pace."""
    backlog, shown, now, stamp = Backlog(), [], 20.0, 0.0
    while stamp < 30:
        now = max(now + 0.004, stamp)
        if not backlog.skips(now - stamp, now):
            shown.append(now - stamp)
        stamp += 0.04
    assert max(shown) <= Backlog.BOUND and len(shown) > 150


def test_where_nothing_newer_comes_old_frames_are_shown():
    """A link with a queue of three seconds that it never works off, and no more than a second without a frame."""
    backlog = Backlog()
    shown = [at for at in np.arange(0, 60, 0.04) if not backlog.skips(min(at / 4, 3.0), at)]
    assert np.diff(shown).max() < 1.0
    assert len(shown) > 1450


def test_times_are_even_where_the_estimate_jumps_and_follow_a_clock_that_drifts():
    steady, taken = SteadyTime(), np.arange(0, 600, 0.04)
    times = [steady.at(9 + at * 1.0001, at + 1000 + (0.4 if at < 5 else 0)) for at in taken]
    steps = np.diff(times)
    assert (steps > 0.03).all() and (steps < 0.05).all()
    assert np.abs(np.array(times)[1000:] - taken[1000:] - 1000).max() < 0.01
    assert steady.at(-5000, 2000.0) == pytest.approx(2000.0)
