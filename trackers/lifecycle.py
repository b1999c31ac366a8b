"""The tracks of a run and their states: what every tracker shares, whatever way it associates."""

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import LARGEST_OPTION, TrackerSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Floats, Track, TrackState
from pymafx_live.trackers.association import Mask, Rows, alone_in, expanded_iou, match
from pymafx_live.trackers.kalman import BoxFilters, to_centres
from pymafx_live.trackers.looks import SIZE

STATES = (TrackState.NEW, TrackState.TRACKED, TrackState.LOST, TrackState.ENDED)
NEW, TRACKED, LOST, ENDED = range(4)
LEARN = 0.2
"""The share of a look at somebody who stands alone in what is remembered of the looks."""
NEAR, PACE = 0.5, 1.0
"""How far from where they were thought to be people who were hidden come out, in heights, and in heights a second."""
ALIKE = 1.5
"""How much taller or smaller a box may be on coming out."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """What was found in a frame: boxes (M, 4) as x1, y1, x2, y2, scores (M,), and `looks.looks` (M, D) where asked."""

    boxes: Floats
    scores: Floats
    looks: Floats | None = None


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
        self._looks = np.empty((0, SIZE), np.float32)
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

    def resemblance(self, found: Detections) -> Floats | None:
        """How much each track looks like each detection, 0 to 1, shape (N, M); None where nobody looked."""
        if found.looks is None:
            return None
        self._fit(found.looks)
        return np.asarray(self._looks @ found.looks.T, np.float32)

    def _fit(self, looks: Floats) -> None:
        """Forgets what was known in another way of looking, such as nothing."""
        if self._looks.shape[1] != looks.shape[1]:
            self._looks = np.zeros((len(self._looks), looks.shape[1]), np.float32)

    def reach(self, boxes: Floats) -> Mask:
        """Whether a track that was out of sight may be at each of `boxes` (M, 4), shape (N, M).

        People of about that size, not further from where they were thought to be than they can walk meanwhile.
        """
        centres, there = self._filters.position, to_centres(boxes)
        size = np.maximum(centres[:, 3], 1)
        away = np.linalg.norm(centres[:, None, :2] - there[None, :, :2], axis=2) / size[:, None]
        gone = np.zeros(len(size)) if self._time is None else self._time - self._seen_at
        ratio = there[None, :, 3] / size[:, None]
        return np.asarray((away < NEAR + PACE * gone[:, None]) & (ratio > 1 / ALIKE) & (ratio < ALIKE))

    def associate(
        self, similarity: Floats, least: float, rows: Mask, free: Mask, found: Detections, weight: Floats | None = None
    ) -> None:
        """Give the detections that are `free`, (M,), to the tracks `rows`, (N,), that nothing was given to yet.

        `similarity` is (N, M), of which at least `least` is asked, and `weight` as in `match`. What is given away is
        `free` no more.
        """
        chosen, taken = match(similarity, least, np.flatnonzero(rows & ~self._seen), np.flatnonzero(free), weight)
        if len(chosen):
            free[taken] = False
            self._filters.update(chosen, found.boxes[taken])
            self._score[chosen] = found.scores[taken]
            self._seen[chosen] = True
            self._seen_at[chosen] = self._time
            self.state[chosen] = TRACKED
            self._look_at(chosen, taken, found)

    def _look_at(self, chosen: Rows, taken: Rows, found: Detections) -> None:
        """Takes in what the tracks `chosen` look like, unless their boxes show somebody else too."""
        if found.looks is None:
            return
        alone = alone_in(found.boxes)[taken]
        unknown = ~self._looks[chosen].any(1)
        share = np.where(unknown, 1.0, np.where(alone, LEARN, 0.0))[:, None]
        mixed = (1 - share) * self._looks[chosen] + share * found.looks[taken]
        self._looks[chosen] = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)

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
        self._filters.level(missed)
        self.state[missed] = np.where(self.state[missed] == NEW, ENDED, LOST)

    def begin(self, rows: Rows, found: Detections) -> None:
        """Begin a track at each of these detections, (K,)."""
        size = len(rows)
        self._filters.add(found.boxes[rows])
        if found.looks is not None:
            self._fit(found.looks)
        looks = np.zeros((size, self._looks.shape[1]), np.float32) if found.looks is None else found.looks[rows]
        self._looks = np.concatenate((self._looks, looks))
        ids = np.fromiter(self._next_id, np.int64, size)
        self._id = np.concatenate((self._id, ids))
        self._score = np.concatenate((self._score, found.scores[rows]))
        self._seen = np.concatenate((self._seen, np.ones(size, bool)))
        self._seen_at = np.concatenate((self._seen_at, np.full(size, self._time)))
        self.state = np.concatenate((self.state, np.full(size, NEW, np.int8)))

    def renew(self, ids: Collection[int]) -> None:
        """Give the tracks of these ids new ones."""
        rows = np.isin(self._id, list(ids))
        self._id[rows] = np.fromiter(self._next_id, np.int64, rows.sum())

    def end(self) -> None:
        """End every track; the time of the next may be earlier."""
        self._seen[:] = False
        self.state[:] = ENDED
        self._time = None

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
        self._seen, self._seen_at, self._looks = self._seen[rows], self._seen_at[rows], self._looks[rows]


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

    def renew(self, ids: Collection[int]) -> None:
        """Give the tracks of these ids new ones, as they have been said goodbye to."""
        self._tracks.renew(ids)

    def reset(self) -> list[Track]:
        """End all tracks, because the scene was cut, and list them a last time."""
        self._tracks.end()
        return self._tracks.listed()
