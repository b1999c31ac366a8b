"""The tracks of a run and their states: what every tracker shares, whatever way it associates."""

import inspect
from collections.abc import Mapping
from itertools import count
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import LARGEST_OPTION, TrackerSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Floats, Track, TrackState
from pymafx_live.trackers.association import Mask, expanded_iou, match
from pymafx_live.trackers.kalman import BoxFilters

STATES = (TrackState.NEW, TrackState.TRACKED, TrackState.LOST, TrackState.ENDED)
NEW, TRACKED, LOST, ENDED = range(4)


class Tracks:
    """All live tracks as arrays with one row per track.

    NEW becomes TRACKED at its second detection and ENDED when it is missed; TRACKED becomes LOST when it is
    missed and comes back when it is found; LOST becomes ENDED once nobody has seen it for `buffer` seconds.
    An ENDED track is listed once and forgotten. Ids count from 1 and are never used again.
    """

    def __init__(self, buffer: float) -> None:
        self._buffer = buffer
        self._next_id = count(1)
        self._time: float | None = None
        self._filters = BoxFilters()
        self._id: NDArray[np.int64] = np.empty(0, np.int64)
        self._score: Floats = np.empty(0, np.float32)
        self._seen: Mask = np.empty(0, bool)
        self._seen_at: NDArray[np.float64] = np.empty(0)
        self.state: NDArray[np.int8] = np.empty(0, np.int8)

    def advance(self, time: float) -> None:
        """Predict every track at `time` in seconds; beyond the buffer a gap says nothing of motion."""
        now = time if self._time is None else max(time, self._time)
        dt = 0.0 if self._time is None else now - self._time
        self._time = now
        self._seen[:] = False
        if dt > 0:
            self._filters.predict(min(dt, self._buffer))

    def overlaps(self, boxes: Floats) -> Floats:
        """IoU of the tracks with `boxes` (M, 4), each track as wide as it is uncertain, shape (N, M)."""
        known, filters = self._filters.boxes, self._filters
        margins = np.minimum(filters.deviations, known[:, 2:] - known[:, :2])
        return expanded_iou(known, margins, boxes)

    def associate(
        self, similarity: Floats, least: float, rows: Mask, free: Mask, boxes: Floats, scores: Floats
    ) -> None:
        """Give the detections that are `free`, (M,), to the tracks `rows`, (N,), that nothing was given to yet.

        `similarity` is (N, M), of which at least `least` is asked; `boxes` is (M, 4) and `scores` (M,). What
        is given away is `free` no more.
        """
        found, taken = match(similarity, least, np.flatnonzero(rows & ~self._seen), np.flatnonzero(free))
        if len(found):
            free[taken] = False
            self._filters.update(found, boxes[taken])
            self._score[found] = scores[taken]
            self._seen[found] = True
            self._seen_at[found] = self._time
            self.state[found] = TRACKED

    def follow(self, boxes: Mapping[int, Floats]) -> None:
        """Move those of these ids that are TRACKED to boxes (4,), where they are seen without a detection."""
        tracked = np.flatnonzero(self.state == TRACKED).tolist()
        rows = np.array([row for row in tracked if self._id[row] in boxes], np.intp)
        if len(rows):
            self._filters.update(rows, np.stack([boxes[key] for key in self._id[rows].tolist()]))
            self._seen_at[rows] = self._time

    def miss(self) -> None:
        """Take every track that no detection was given to as missed."""
        missed = np.flatnonzero(~self._seen)
        self._filters.hold_size(missed)
        self.state[missed] = np.where(self.state[missed] == NEW, ENDED, LOST)

    def begin(self, boxes: Floats, scores: Floats) -> None:
        """Begin a track at each of `boxes`, (M, 4)."""
        size = len(boxes)
        self._filters.add(boxes)
        ids = np.fromiter(self._next_id, np.int64, size)
        self._id = np.concatenate((self._id, ids))
        self._score = np.concatenate((self._score, scores))
        self._seen = np.concatenate((self._seen, np.ones(size, bool)))
        self._seen_at = np.concatenate((self._seen_at, np.full(size, self._time)))
        self.state = np.concatenate((self.state, np.full(size, NEW, np.int8)))

    def end(self) -> None:
        """End every track."""
        self._seen[:] = False
        self.state[:] = ENDED

    def listed(self) -> list[Track]:
        """Every track as it stands, then forget those that have ended."""
        if self._time is not None:
            self.state[(self.state == LOST) & (self._time - self._seen_at > self._buffer)] = ENDED
        columns = (self._id, self.state, self._score, self._seen)
        rows = zip(self._filters.boxes, *(column.tolist() for column in columns), strict=True)
        tracks = [Track(track_id, STATES[state], box, score, seen) for box, track_id, state, score, seen in rows]
        live = self.state != ENDED
        if not live.all():
            self._keep(live)
        return tracks

    def _keep(self, rows: Mask) -> None:
        self._filters.keep(rows)
        self._id, self._score, self.state = self._id[rows], self._score[rows], self.state[rows]
        self._seen, self._seen_at = self._seen[rows], self._seen_at[rows]


class BoxTracker:
    """A tracker on `Tracks`: all but how it associates, its `update`."""

    LIMITS: ClassVar[Mapping[str, float]] = {"buffer": 600}
    """The largest values of options: seconds that somebody may be lost, as all who are lost are kept."""

    def __init__(self, buffer: float) -> None:
        self._tracks = Tracks(buffer)

    @classmethod
    def open(cls, settings: TrackerSettings) -> Self:
        """Gives `settings.options` to the class; raises `UsageError` for others than it has, or than numbers >= 0."""
        known = inspect.signature(cls).parameters
        options: dict[str, Any] = settings.options
        for option, value in options.items():
            if option not in known:
                raise UsageError(f'the tracker {settings.name} has no option "{option}": it has {", ".join(known)}.')
            most = cls.LIMITS.get(option, LARGEST_OPTION)
            if isinstance(value, bool | str) or not 0 <= value <= most:
                raise UsageError(f"the tracker's {option} is {value!r}, but must be a number of 0 to {most}.")
        return cls(**options)

    def predict(self, time: float) -> list[Track]:
        """The tracks at `time` in seconds, on a frame without detection."""
        self._tracks.advance(time)
        return self._tracks.listed()

    def follow(self, boxes: Mapping[int, Floats]) -> None:
        """Move the tracks of these ids to `boxes` (4,), where they are seen, unless they are new or lost."""
        self._tracks.follow(boxes)

    def reset(self) -> list[Track]:
        """End all tracks, because the scene was cut, and list them a last time."""
        self._tracks.end()
        return self._tracks.listed()
