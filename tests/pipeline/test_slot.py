from threading import Thread

import numpy as np
import pytest
from pymafx_live.pipeline.sources.reader import Shot
from pymafx_live.pipeline.sources.slot import Slot


def shot(time: float, *, cut: bool = False) -> Shot:
    return Shot(np.zeros((1, 1, 3), np.uint8), time, cut=cut)


def test_the_newest_wins_and_the_drops_are_counted():
    slot = Slot(newest_wins=True)
    for time in range(5):
        assert slot.put(shot(time))
    newest = slot.take(0)
    assert (newest.time, newest.lost, slot.dropped) == (4, 4, 4)
    assert slot.take(0) is None
    slot.put(shot(5))
    assert slot.take(0).lost == 4


def test_a_cut_outlives_the_shot_that_carried_it():
    slot = Slot(newest_wins=True)
    slot.put(shot(0, cut=True))
    slot.put(shot(1))
    assert slot.take(0).cut


def test_without_newest_wins_nothing_is_lost():
    slot = Slot(newest_wins=False)
    feeder = Thread(target=lambda: [slot.put(shot(time)) for time in range(50)] and slot.end())
    feeder.start()
    times = []
    while (taken := slot.take(5)) is not None:
        times.append(taken.time)
    feeder.join()
    assert times == list(range(50))
    assert slot.dropped == 0


@pytest.mark.parametrize("newest_wins", [True, False])
def test_closing_frees_a_reader_that_waits(newest_wins):
    slot = Slot(newest_wins=newest_wins)
    feeder = Thread(target=lambda: all(slot.put(shot(time)) for time in range(10**9)), daemon=True)
    feeder.start()
    slot.close()
    feeder.join(timeout=120)
    assert not feeder.is_alive()
