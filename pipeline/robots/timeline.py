"""Poses by the time of their capture, asked at any time: what comes at a camera's uneven pace leaves at a robot's."""

from collections import deque

from pymafx_live.pipeline.robots.pose import Pose, between

_KEPT = 30
"""Poses that say how late they come."""
_PACE = 0.1
"""How much faster or slower than time playing may go to be less or more behind."""


class Timeline:
    """Plays poses a little later than they were taken, so that there is always a next one to move towards.

    How much later is how old the newest pose was when the next one came, the worst of the last `_KEPT`. All times are
    seconds of one monotonic clock.
    """

    def __init__(self, most: float) -> None:
        """Playing is at most so many seconds behind."""
        self._most = most
        self._poses: deque[tuple[float, Pose]] = deque(maxlen=_KEPT)
        self._ages: deque[float] = deque(maxlen=_KEPT)
        self._lag, self._asked = 0.0, 0.0

    @property
    def newest(self) -> tuple[float, Pose] | None:
        """The newest pose and when it was taken."""
        return self._poses[-1] if self._poses else None

    def add(self, captured: float, pose: Pose, now: float) -> None:
        """Takes a pose that was taken at `captured` and came `now`; one that is older than another is left out."""
        if self._poses and captured <= self._poses[-1][0]:
            return
        first = not self._poses
        self._ages.append(now - (captured if first else self._poses[-1][0]))
        if len(self._ages) <= 2:  # the second one is the first that says how far apart they are
            self._lag, self._asked = min(max(self._ages), self._most), now
        self._poses.append((captured, pose))

    def at(self, now: float) -> Pose:
        """The pose to show `now`; there must be one. What is before the oldest or after the newest is that one."""
        behind = min(max(self._ages), self._most) - self._lag
        most = _PACE * max(now - self._asked, 0)
        self._lag += min(max(behind, -most), most)
        self._asked = max(now, self._asked)
        played = now - self._lag
        later = None
        for time, pose in reversed(self._poses):
            if time <= played:
                return pose if later is None else between(pose, later[1], (played - time) / (later[0] - time))
            later = time, pose
        return self._poses[0][1]
