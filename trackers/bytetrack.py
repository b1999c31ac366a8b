"""ByteTrack: detections of low score may keep a track, but never begin one.

Zhang et al., ByteTrack: Multi-Object Tracking by Associating Every Detection Box, ECCV 2022,
arXiv 2110.06864. Here all times are seconds: the motion model steps by the real time between frames, and the
buffer of lost tracks counts it, so that 10 and 60 frames per second, or dropped frames, behave alike.
"""

from typing import ClassVar

import numpy as np
from pymafx_live.core.types import Floats, Track
from pymafx_live.trackers.association import newcomers
from pymafx_live.trackers.lifecycle import LOST, NEW, TRACKED, BoxTracker, Detections


class ByteTrack(BoxTracker):
    """Two stages of association by IoU, of boxes widened by the uncertainty of the prediction.

    Detections of at least `high_score` go to the tracks, lost ones too, where IoU times score is at least
    `similarity`; then those of at least `low_score` to the tracks that are left, lost ones not, where IoU
    is at least `low_iou`. New tracks, seen once so far, choose among the rest of the first kind. What then is
    left, scores `new_score` and is no double of another begins a track. A lost track is kept for `buffer` seconds.
    """

    LIMITS: ClassVar = {
        **BoxTracker.LIMITS,
        **dict.fromkeys(("high_score", "low_score", "new_score", "similarity", "low_iou", "look"), 1),
    }

    def __init__(
        self,
        *,
        buffer: float = 1.0,
        high_score: float = 0.4,
        low_score: float = 0.1,
        new_score: float = 0.5,
        similarity: float = 0.15,
        low_iou: float = 0.5,
        look: float = 0.85,
    ) -> None:
        super().__init__(buffer)
        self._look = look
        self._high_score, self._low_score, self._new_score = high_score, low_score, new_score
        self._similarity, self._low_iou = similarity, low_iou

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """The tracks after detections `boxes` (N, 4) x1, y1, x2, y2 and `scores` (N,) at `time` in seconds.

        `looks` (N, D) decide between tracks that compete for a detection.
        """
        tracks = self._tracks
        tracks.advance(time)
        iou = tracks.overlaps(boxes)
        similarity = iou * scores
        new, tracked = tracks.state == NEW, tracks.state == TRACKED
        high = scores >= self._high_score
        low = (scores >= self._low_score) & ~high
        found = Detections(boxes, scores, looks)
        alike = tracks.resemblance(found)
        weight = None if alike is None else _preference(alike)
        tracks.associate(similarity, self._similarity, ~new, high, found, weight)
        tracks.associate(iou, self._low_iou, tracked, low, found, weight)
        lost = tracks.state == LOST
        if alike is not None and lost.any():  # who comes out again elsewhere than was thought
            tracks.associate(np.where(tracks.reach(boxes), alike, 0), self._look, lost, high, found)
        tracks.associate(similarity, self._similarity, new, high, found)
        tracks.miss()
        given = (scores >= self._low_score) & ~high & ~low
        tracks.begin(newcomers(boxes, scores, high & (scores >= self._new_score), given), found)
        return tracks.listed()


def _preference(alike: Floats) -> Floats:
    """The weight of pairs that look so much `alike` (N, M): e-fold less for each 0.05 below the usual 0.95.

    One person's looks are 0.93 alike on average on rendered people, those of two 0.7; `bench.tracking` chose the slope.
    """
    return np.asarray(np.exp(20 * (np.minimum(alike, 0.95) - 0.95)), np.float32)
