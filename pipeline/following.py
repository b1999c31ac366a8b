"""Follows people from one detection to the next by what the engine sees, and brings late detections up to date."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pymafx_live.core.boxes import iou
from pymafx_live.core.interfaces import Found
from pymafx_live.core.types import Floats, Track
from pymafx_live.trackers.association import match

SEEN = 0.5
"""Visibility from which a keypoint counts."""
LEAST = 4
"""With fewer keypoints that are seen in two frames, nothing is said of how a person has moved."""
SAME = 0.3
"""Overlap (IoU) from which a detection is taken for the track that was there."""


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """Where a track was in a frame: its box (4,), and its keypoints (K, 3) where the engine saw the person."""

    box: Floats
    keypoints: Floats | None


class Following:
    """Moves boxes along with the keypoints of who is in them."""

    def __init__(self) -> None:
        self.whereabouts: dict[int, Whereabouts] = {}
        """The tracks' in the last frame, by id."""
        self._anchors: dict[int, tuple[Floats, Floats]] = {}  # a box by a detection, and the keypoints then
        self._late: dict[int, tuple[Floats, Floats]] = {}

    def __call__(self, tracks: Sequence[Track], seen: Mapping[int, Floats | None]) -> dict[int, Floats]:
        """The boxes (4,), by id, at which a frame's keypoints put those tracks that no detection has just confirmed.

        `seen` is `Seen.people`; keypoints that are no numbers are nobody's.
        """
        keypoints = {key: points for key, points in seen.items() if points is not None and np.isfinite(points).all()}
        alive = {track.id: track for track in tracks}
        self.whereabouts = {key: Whereabouts(track.box, keypoints.get(key)) for key, track in alive.items()}
        self._anchors = {key: anchor for key, anchor in (self._anchors | self._late).items() if key in alive}
        late, self._late = self._late, {}
        boxes = {}
        for key, points in keypoints.items():
            if alive[key].seen and key not in late:
                self._anchors[key] = (alive[key].box, points)
            elif key in self._anchors and (box := moved(*self._anchors[key], points)) is not None:
                boxes[key] = box
        return boxes

    def brought_up(self, found: Found, then: Mapping[int, Whereabouts], tracks: Sequence[Track]) -> Found:
        """Detections of an earlier frame as they would be now, each moved as the track is that was there `then`.

        `tracks` are as predicted for now; who is seen for the first time stays where he was.
        """
        boxes, scores = found[0].copy(), found[1]
        now = {track.id: track.box for track in tracks}
        known = [key for key in then if key in now]
        if not known or not len(boxes):
            return boxes, scores
        overlaps = iou(boxes[:, None], np.stack([then[key].box for key in known]))
        for i, j in zip(*match(overlaps, SAME, np.arange(len(boxes)), np.arange(len(known))), strict=True):
            key, box = known[j], found[0][i]
            before, last = then[key].keypoints, self.whereabouts[key].keypoints
            if before is not None and last is not None and (at := moved(box, before, last)) is not None:
                self._late[key] = (box, before)
                boxes[i] = at
            else:
                boxes[i] = box + now[key] - then[key].box
        return boxes, scores


def moved(box: Floats, before: Floats, now: Floats) -> Floats | None:
    """A box (4,) with each edge as far from the keypoints (K, 3) as before; None where too few are seen in both."""
    seen = now[:, 2] > SEEN
    common = (before[:, 2] > SEEN) & seen
    if common.sum() < LEAST:
        return None
    at, shown = box + _edges(now[common]) - _edges(before[common]), _edges(now[seen])
    return np.concatenate([np.minimum(at[:2], shown[:2]), np.maximum(at[2:], shown[2:])]).astype(np.float32)


def _edges(points: Floats) -> Floats:
    """The tight box (4,) about keypoints (K, 3)."""
    return np.concatenate([points[:, :2].min(0), points[:, :2].max(0)])
