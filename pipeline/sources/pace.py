"""When frames that come from a store, or in bursts, are due: at the pace of their times, as from a camera; and which
are left out where there are more than is wished."""

import math

_FASTER = 0.05
"""How much faster than its own pace a stream plays while it makes up for a stall: nobody sees it."""
_SMOOTH = 2.0
"""Seconds of play after a stall, after which another one is not part of it."""
_AGAIN = 120.0
"""Seconds after which it is tried again whether more of the delay can be made up for."""


class Pace:
    """Shows the first frame at once, and each later one as long after it as their times say.

    What comes late is caught up with at once, unless it was waited for: then all that follows is shown as much later,
    as a stall in a stream of pieces is. With `live` that is made up for again, a little faster than time goes, until
    the delay is what it was at first, or until nothing is there to be played faster: such a stream has paused itself.
    """

    def __init__(self, live: bool) -> None:
        self._live = live
        self._offset: float | None = None
        self._first = self._least = self._stamp = 0.0
        self._stalled_at = self._tried_at = -_AGAIN  # of the stream's times

    def due(self, stamp: float, now: float, waited: float) -> float:
        """The instant to show a frame of that time, which is there `now` and whose data was waited for so long."""
        if self._offset is None:
            self._offset = self._first = self._least = now - stamp
        elif self._live:
            self._catch_up(stamp)
        stall = min(max(now - stamp - self._offset, 0.0), waited)
        if stall > 0:
            if self._offset > self._least and stamp - self._stalled_at > _SMOOTH:
                self._least, self._tried_at = self._offset + stall, stamp
            self._offset += stall
            self._stalled_at = stamp
        self._stamp = stamp
        return self._offset + stamp

    def _catch_up(self, stamp: float) -> None:
        assert self._offset is not None
        if stamp - self._tried_at > _AGAIN:
            self._least = self._first
        if stamp - self._stalled_at > _SMOOTH:
            self._offset = max(self._offset - _FASTER * max(stamp - self._stamp, 0.0), min(self._least, self._offset))


class Thinning:
    """Leaves frames out, so that of more than `rate` per second that many remain, as evenly as they come."""

    def __init__(self, rate: float) -> None:
        self._period = 1 / rate
        self._due = -math.inf

    def leaves_out(self, time: float) -> bool:
        """Whether the frame that came at so many seconds is one too many."""
        if time < self._due:
            return True
        # The next ones are not delayed by one that comes up to one and a half periods late, as the first that is not
        # too early may with cameras that jitter; a pause lets two through at once and one half a period later.
        if self._due == -math.inf:
            self._due = time + self._period
        else:
            self._due = max(self._due + self._period, time - self._period / 2)
        return False
