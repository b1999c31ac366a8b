"""The trackers of ultralytics, as bench.tracking sees them."""

import numpy as np
import pytest
from pymafx_live.bench.tracking import opened
from pymafx_live.bench.ultralytics_tracker import installed
from pymafx_live.core.errors import UsageError

INSTALLED = installed()


@pytest.mark.skipif(not INSTALLED, reason="the extra `ultralytics` is not installed")
@pytest.mark.parametrize("name", ["botsort", "bytetrack"])
def test_two_who_walk_keep_their_ids(name):
    tracker = opened(f"ultralytics:{name}")
    ids = []
    for k in range(20):
        boxes = np.float32([[10 + k, 10, 40 + k, 100], [300 - k, 20, 330 - k, 110]])
        tracks = tracker.update(boxes, np.float32([0.9, 0.8]), k / 25)
        ids.append([track.id for track in sorted(tracks, key=lambda track: track.box[0])])
        if k:
            np.testing.assert_allclose(np.sort([t.box[0] for t in tracks]), [10 + k, 300 - k], atol=2)
    assert len(set(map(tuple, ids))) == 1 and len(set(ids[0])) == 2
    assert not tracker.update(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 1.0)


@pytest.mark.skipif(not INSTALLED, reason="the extra `ultralytics` is not installed")
def test_a_tracker_that_it_has_not():
    with pytest.raises(UsageError, match='has no tracker "sort": choose botsort'):
        opened("ultralytics:sort")


@pytest.mark.skipif(INSTALLED, reason="the extra `ultralytics` is installed")
def test_without_the_package_it_is_named():
    with pytest.raises(UsageError, match=r"needs the package ultralytics: pip install 'pymafx-live\[ultralytics\]'"):
        opened("ultralytics:botsort")
