"""What has to hold of a live program once a fault is over, whatever the fault was."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from pymafx_live.bench.soak_watch import HELD, Watched

PATIENCE = 90.0
BACK = 5.0
"""Seconds after the end of a fault, and of one key-frame interval, in which frames flow again."""


def frames(program: Watched, source: str, count: int, after: float = 0.0) -> list:
    """The ages of `count` more results of pictures that were taken after an instant."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        assert program.process.poll() is None, program.said
        program.sample()
        found = [age for age in program.ages if age.source == source and age.at - age.heard > after]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{len(found)} of {count} frames of {source} came in {PATIENCE:g} s: {program.said}")


_ROOM = 48.0
"""MB that the threads of a new connection may take for their heaps: whether that adds up is for `bench.soak`."""


@contextmanager
def survived(program: Watched, source: str, key_frames: float) -> Iterator[None]:
    """The fault happens within; it is over at the end of the block. `key_frames` are seconds from one to the next.

    Then: pictures taken since flow within five seconds and a key-frame interval (and what this machine is late by in
    any case), their ages are true, and no memory, handle, thread, child or file is left behind.
    """
    before = frames(program, source, 40)  # by then all that works beside the loop has begun
    late = max(later.at - one.at for one, later in pairwise(before))
    held = program.held()
    yield
    over = time.monotonic()
    first = frames(program, source, 1, over)[0]
    assert first.at - over < BACK + key_frames + 5 * late
    for age in frames(program, source, 15, over)[1:]:
        assert age.told > age.true - 0.1, age
    assert abs(np.median([age.told - age.true for age in frames(program, source, 15, over)])) < 0.1
    _nothing_left(program, held)


def _nothing_left(program: Watched, before: dict[str, float]) -> None:
    """Readers that hung end by their own limits of time, so that is waited for."""
    end = time.monotonic() + PATIENCE
    while True:
        now = program.held()
        more = [key for key, quantity in HELD.items() if now[key] > before[key] + (_ROOM if key == "memory" else 0)]
        if not more:
            return
        assert time.monotonic() < end, {key: (before[key], now[key], HELD[key].unit) for key in more}
        time.sleep(0.2)
