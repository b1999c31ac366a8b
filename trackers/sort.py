"""SORT: one association by IoU, the simplest tracker that works.

Bewley et al., Simple Online and Realtime Tracking, ICIP 2016, arXiv 1602.00763. The motion model and the life
of a track are ByteTrack's here, in seconds.
"""

from typing import ClassVar

import numpy as np
from pymafx_live.core.types import Floats, Track
from pymafx_live.trackers.association import newcomers
from pymafx_live.trackers.lifecycle import BoxTracker, Detections


class Sort(BoxTracker):
    """Detections of at least `score` go to the tracks where IoU is at least `iou`; the rest begin tracks."""

    LIMITS: ClassVar = {**BoxTracker.LIMITS, **dict.fromkeys(("score", "iou"), 1)}

    def __init__(self, *, buffer: float = 1.0, score: float = 0.4, iou: float = 0.3) -> None:
        super().__init__(buffer)
        self._score, self._iou = score, iou

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """The tracks after detections `boxes` (N, 4) x1, y1, x2, y2 and `scores` (N,) at `time` in seconds."""
        tracks = self._tracks
        tracks.advance(time)
        everyone = np.ones(len(tracks.state), bool)
        found = Detections(boxes, scores)
        free = scores >= self._score
        tracks.associate(tracks.overlaps(boxes), self._iou, everyone, free, found)
        tracks.miss()
        tracks.begin(newcomers(boxes, scores, free, (scores >= self._score) & ~free), found)
        return tracks.listed()
