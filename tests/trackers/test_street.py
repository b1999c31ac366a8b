"""The demo detector and the default tracker on seven seconds of a real street, of the Debian package opencv-doc."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from pymafx_live.core.types import Track, TrackState
from pymafx_live.trackers.looks import looks
from support.parts import create_detector, create_tracker

CLIP = Path("/usr/share/doc/opencv-doc/examples/data/vtest.avi")
FPS = 10
FIRST, EARLY, LATE = 180, 200, 250
# Who is who was told by eye: the middles of five people in frames EARLY and LATE. Two stand and talk, one walks
# behind a lamp post, one turns round. Two more leave the picture in between and two come into it.
SAME = [
    ((234, 227), (48, 210)),
    ((633, 317), (399, 286)),
    ((502, 183), (208, 187)),
    ((712, 131), (663, 161)),
    ((687, 125), (643, 154)),
]


@pytest.mark.slow
@pytest.mark.skipif(not CLIP.is_file(), reason="the Debian package opencv-doc is not installed")
@pytest.mark.parametrize("step", [2, 5])
def test_people_keep_their_ids(step: int) -> None:
    detector, tracker = create_detector(), create_tracker()
    clip = cv2.VideoCapture(str(CLIP))
    clip.set(cv2.CAP_PROP_POS_FRAMES, FIRST)
    at: dict[int, list[Track]] = {}
    ids: set[int] = set()
    for frame in range(FIRST, LATE + 1):
        assert clip.grab()
        if frame % step == 0:
            image = np.asarray(clip.retrieve()[1], np.uint8)
            boxes, scores = detector.detect([image])[0]
            at[frame] = tracker.update(boxes, scores, frame / FPS, looks(image, boxes))
            ids |= {track.id for track in at[frame] if track.state is TrackState.TRACKED}
    before = [nearest(at[EARLY], early) for early, _ in SAME]
    after = [nearest(at[LATE], late) for _, late in SAME]
    assert before == after
    assert len(set(before)) == len(SAME)
    assert len(ids) <= 10


def nearest(tracks: list[Track], point: tuple[int, int]) -> int:
    """The id of the track whose middle is nearest, and not farther than half a person's width."""
    distances = [float(np.hypot(*(track.box.reshape(2, 2).mean(axis=0) - point))) for track in tracks]
    assert min(distances) < 20
    return tracks[int(np.argmin(distances))].id
