"""The pace of a stream in pieces, played against a server whose pieces appear when the test says."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pymafx_live.pipeline.sources.pace import Pace, Thinning

RATE, PIECE, AHEAD = 25, 2.0, 3
"""Frames a second; seconds of a piece; pieces that are there at first."""


def played(there: np.ndarray, live: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Of frames that are there at those instants: how long after their times each is shown, and was waited for."""
    pace, now = Pace(live), 0.0
    delays, waits = [], []
    for k, at in enumerate(there):
        waited = max(at - now, 0.0)
        now = max(now, at)
        now = max(now, pace.due(k / RATE, now, waited))
        delays.append(now - k / RATE)
        waits.append(waited)
    return np.array(delays), np.array(waits)


def pieces(seconds: float) -> np.ndarray:
    """When each frame is there: with the end of its piece, the first ones at once."""
    index = np.arange(int(seconds * RATE))
    return np.maximum((index // int(PIECE * RATE) + 1 - AHEAD) * PIECE, 0.0)


def test_pieces_are_played_evenly():
    delays, _ = played(pieces(60))
    assert np.ptp(delays) < 1e-9


@pytest.mark.parametrize("stall", [3.0, 12.0])
def test_what_a_stall_of_the_network_has_cost_is_made_up_for(stall):
    """All that the server has made meanwhile comes at once, as its pieces are still there."""
    there = pieces(400)
    held = (there > 40) & (there < 46 + stall)
    there[held] = 46 + stall
    delays, _ = played(there)
    assert delays.max() == pytest.approx(stall, abs=2)  # some pieces were ahead
    assert delays[-1] == pytest.approx(delays[0], abs=1e-6)
    assert np.diff(delays[np.argmax(delays) :]).min() >= -0.051 / RATE
    stays, _ = played(there, live=False)
    assert stays[-1] == pytest.approx(stays.max())


def test_a_stream_that_has_paused_itself_is_not_run_into_stall_after_stall():
    there = pieces(1200)
    there[40 * RATE :] += 5.0
    delays, waits = played(there)
    assert delays.max() < 5 + PIECE
    assert (waits[50 * RATE :] > 0.1).sum() <= 1200 / 120 + 1


def test_what_is_late_and_was_there_is_shown_at_once_and_costs_nothing():
    pace = Pace(live=True)
    assert pace.due(0.0, 10.0, 0.0) == 10.0
    assert pace.due(0.04, 11.0, 0.0) == pytest.approx(10.04)  # the loop was slow
    assert pace.due(0.08, 11.0, 0.0) == pytest.approx(10.08)


@given(
    st.floats(1, 60), st.floats(1, 4), st.floats(0, 0.4), st.lists(st.floats(0.5, 30), max_size=2), st.integers(0, 99)
)
@example(1.0, 1.0625, 0.375, [], 0)
@example(1.0, 1.0, 0.4, [0.5, 30.0], 1)
def test_of_more_frames_than_are_wished_that_many_remain_evenly(rate, times_more, jitter, pauses, seed):
    """Whatever the camera's rate, and however its frames jitter or pause."""
    thinning, kept, now, random = Thinning(rate), [], 1000.0, np.random.default_rng(seed)
    for k in range(600):
        if k % 200 == 199 and pauses:
            now += pauses.pop()
            kept.append(None)
        came = now + random.uniform(0, jitter) / (times_more * rate)
        if not thinning.leaves_out(came):
            kept.append(came)
        now += 1 / (times_more * rate)
    runs = [[]]
    for at in kept:
        runs.append([]) if at is None else runs[-1].append(at)
    for run in (np.array(run) for run in runs if len(run) > 20):
        assert len(run) == pytest.approx((run[-1] - run[0]) * rate + 1, abs=1.51)
        later = np.arange(len(run)) / rate
        assert np.ptp(run - later) < 1.51 / rate, "nowhere a burst"


def test_all_remain_where_there_are_fewer():
    thinning = Thinning(30)
    assert not any(thinning.leaves_out(k / 29) for k in range(1000))
