"""ByteTrack: detections of low score may keep a track, but never begin one.

Zhang et al., ByteTrack: Multi-Object Tracking by Associating Every Detection Box, ECCV 2022,
arXiv 2110.06864. Here all times are seconds: the motion model steps by the real time between frames, and the
buffer of lost tracks counts it, so that 10 and 60 frames per second, or dropped frames, behave alike.
"""

from typing import ClassVar

from pymafx_live.core.types import Floats, Track
from pymafx_live.trackers.lifecycle import NEW, TRACKED, BoxTracker


class ByteTrack(BoxTracker):
    """Two stages of association by IoU, of boxes widened by the uncertainty of the prediction.

    Detections of at least `high_score` go to the tracks, lost ones too, where IoU times score is at least
    `similarity`; then those of at least `low_score` to the tracks that are left, lost ones not, where IoU
    is at least `low_iou`. New tracks, seen once so far, choose among the rest of the first kind. What then is
    left and scores `new_score` begins a track. A lost track is kept for `buffer` seconds.
    """

    LIMITS: ClassVar = {
        **BoxTracker.LIMITS,
        **dict.fromkeys(("high_score", "low_score", "new_score", "similarity", "low_iou"), 1),
    }

    def __init__(
        self,
        *,
        buffer: float = 1.0,
        high_score: float = 0.4,
        low_score: float = 0.1,
        new_score: float = 0.5,
        similarity: float = 0.2,
        low_iou: float = 0.5,
    ) -> None:
        super().__init__(buffer)
        self._high_score, self._low_score, self._new_score = high_score, low_score, new_score
        self._similarity, self._low_iou = similarity, low_iou

    def update(self, boxes: Floats, scores: Floats, time: float) -> list[Track]:
        """The tracks after detections `boxes` (N, 4) x1, y1, x2, y2 and `scores` (N,) at `time` in seconds."""
        tracks = self._tracks
        tracks.advance(time)
        iou = tracks.overlaps(boxes)
        similarity = iou * scores
        new, tracked = tracks.state == NEW, tracks.state == TRACKED
        high = scores >= self._high_score
        low = (scores >= self._low_score) & ~high
        tracks.associate(similarity, self._similarity, ~new, high, boxes, scores)
        tracks.associate(iou, self._low_iou, tracked, low, boxes, scores)
        tracks.associate(similarity, self._similarity, new, high, boxes, scores)
        tracks.miss()
        begins = high & (scores >= self._new_score)
        tracks.begin(boxes[begins], scores[begins])
        return tracks.listed()
