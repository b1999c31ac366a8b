"""When a frame was taken: two clocks have to be brought together, the stream's and that of this process."""

import time
from collections import deque

from pymafx_live.core.types import CaptureOrigin

WINDOW = 120.0
"""Seconds over which the shortest way is sought. A quartz is wrong by 100 ppm at most: 12 ms in that time."""
_BUCKET = 2.0
_AGREES = 2.0
"""Seconds by which a camera's clock may tell its frames to be older than they seem, and still be believed."""
_STEP = 0.5
"""A clock that jumps by more, in seconds, was set; pictures out of order jump by less."""
_ROUNDING = 0.02
_SET = 0.1
"""Seconds by which the clock of the day differs from its anchor once it was set."""


class WallClock:
    """Unix seconds of instants of `time.monotonic`, from one anchor, so that nothing runs backwards.

    It is anchored anew only where the clock of the day was set, or the machine slept.
    """

    def __init__(self) -> None:
        self._anchor = time.time() - time.monotonic()

    def unix(self, instant: float) -> float:
        """The Unix seconds of an instant."""
        anchor = time.time() - time.monotonic()
        if abs(anchor - self._anchor) > _SET:
            self._anchor = anchor
        return instant + self._anchor

    def instant(self, unix: float) -> float:
        """The instant of some Unix seconds."""
        return unix - self.unix(0.0)


WALL = WallClock()


class CaptureClock:
    """Estimates when the frames of one connection were taken, from when its packets arrive.

    A frame was taken no later than it arrived, so the stream's zero is no later than the least of arrival minus stream
    time: that of the packet with the shortest way. It is sought in the last `WINDOW` seconds, so that a clock that
    runs fast or slow does not add up. Whatever is held up longer than that one is as much older. Where the sender tells
    what time it has and that agrees, its clock is taken; it also knows of a way that is never short.
    """

    def __init__(self, wall: WallClock = WALL) -> None:
        self._wall = wall
        self._last: float | None = None  # stream time
        self._least: deque[tuple[float, float]] = deque()  # of each bucket: its beginning, and its least lag
        self._sender: float | None = None  # the stream's zero by the sender's clock, as an instant
        self._believed: bool | None = None

    def note(self, stamp: float, now: float, sent: float | None = None) -> None:
        """A packet of that stream time came `now`, `sent` at so many Unix seconds by the sender's clock."""
        if self._last is not None and stamp < self._last - _STEP:  # the stream's clock was set back
            self._least.clear()
        self._last, lag = stamp, now - stamp
        if not self._least or now >= self._least[-1][0] + _BUCKET:
            self._least.append((now, lag))
        elif lag < self._least[-1][1]:
            self._least[-1] = self._least[-1][0], lag
        while self._least[0][0] < now - WINDOW:
            self._least.popleft()
        if sent is not None:
            self._hear(self._wall.instant(sent) - stamp)

    def captured(self, stamp: float) -> tuple[float, CaptureOrigin]:
        """When the frame of that stream time was taken, in seconds of `time.monotonic`."""
        if not self._least:
            return time.monotonic(), CaptureOrigin.ARRIVAL
        zero = min(lag for _, lag in self._least)
        if self._sender is not None and self._believed and self._sender <= zero + _ROUNDING:
            return self._sender + stamp, CaptureOrigin.SENDER
        return zero + stamp, CaptureOrigin.ESTIMATED

    def _hear(self, zero: float) -> None:
        if self._sender is None or abs(zero - self._sender) > _STEP:  # heard first, or set meanwhile
            least = min(lag for _, lag in self._least)
            self._believed = -_ROUNDING <= least - zero <= _AGREES
        self._sender = zero


class SteadyTime:
    """Times of frames on the clock of this process, evenly spaced as the stream's own are.

    The estimate of a capture jumps where a quicker frame comes; speeds are made of time steps, and would jump too.
    """

    _GAIN, _MOST = 0.01, 0.004
    """Of what is between a time and the capture, what is made up for in a frame, and at most so many seconds."""
    _LOST = 5.0
    """Seconds of difference after which it begins anew."""

    def __init__(self) -> None:
        self._zero: float | None = None

    def at(self, stamp: float, captured: float) -> float:
        """The time of a frame of that stream time, which was taken then."""
        if self._zero is None or abs(captured - stamp - self._zero) > self._LOST:
            self._zero = captured - stamp
        behind = captured - stamp - self._zero
        self._zero += min(max(self._GAIN * behind, -self._MOST), self._MOST)
        return self._zero + stamp


class Backlog:
    """Says which frames of a live stream to leave out: what has piled up is skipped, not played.

    Frames that come late while the ages shrink are followed by newer ones, and left out. Where they do not shrink, on a
    link that is too slow, there is nothing newer: they are shown, and said to be as old as they are.
    """

    BOUND = 1.0
    """Seconds: younger frames are never left out."""
    _PERIOD = 0.5
    """Seconds after which it is decided anew whether the ages shrink."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._age, self._shrinks = 0.0, True

    def skips(self, age: float, now: float) -> bool:
        """Whether to leave out a frame that was so old at an instant."""
        if age <= self.BOUND:
            self._since = None
            return False
        if self._since is None:
            self._since, self._age, self._shrinks = now, age, True
        elif (elapsed := now - self._since) >= self._PERIOD:
            self._shrinks = self._age - age >= elapsed / 2
            self._since, self._age = now, age
        return self._shrinks
