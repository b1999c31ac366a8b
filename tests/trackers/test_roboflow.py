"""The adapter to Roboflow's package, where that is installed."""

from importlib.util import find_spec

import numpy as np
import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import TrackState
from support.parts import create_tracker

needs_package = pytest.mark.skipif(find_spec("supervision") is None, reason="the extra `trackers` is not installed")
WALKER = np.array([100, 100, 160, 260], np.float32)
STANDER = np.array([400, 100, 460, 260], np.float32)


@needs_package
@pytest.mark.parametrize("name", ["bytetrack", "sort", "ocsort", "botsort"])
def test_it_follows_two_people_through_a_gap(name: str) -> None:
    tracker = create_tracker(f"trackers:{name}", buffer=0.5)
    walker, stander = set(), set()
    for frame in range(60):
        boxes = np.stack((WALKER + np.float32([3 * frame, 0, 3 * frame, 0]), STANDER))
        shown = boxes[1:] if 20 <= frame < 25 else boxes
        tracks = tracker.update(shown, np.full(len(shown), 0.9, np.float32), frame / 30)
        for track in tracks:
            near = np.abs(boxes - track.box).sum(axis=1)
            (walker, stander)[int(near.argmin())].add(track.id)
            hidden = near.argmin() == 0 and 20 <= frame < 25
            if not 25 <= frame < 28:  # OC-SORT takes three frames to trust who is found again
                assert track.state is (TrackState.LOST if hidden else TrackState.TRACKED)
                assert track.seen is not hidden
            assert near.min() < 40
            assert track.box.dtype == np.float32
    assert len(walker) == len(stander) == 1
    assert [track.seen for track in tracker.predict(2.0)] == [False, False]

    nobody = np.empty((0, 4), np.float32), np.empty(0, np.float32)
    assert {t.state for t in tracker.update(*nobody, 2.1)} <= {TrackState.LOST, TrackState.ENDED}
    assert tracker.update(*nobody, 4.0) == [] or tracker.update(*nobody, 4.1) == []
    for time in (5.0, 5.03, 5.06, 5.09):
        again = tracker.update(STANDER[None], np.array([0.9], np.float32), time)
    assert [track.id for track in again] == [3]
    tracker.renew([3])
    assert [track.id for track in tracker.update(STANDER[None], np.array([0.9], np.float32), 5.12)] == [4]
    assert [track.state for track in tracker.reset()] == [TrackState.ENDED]
    for time in (6.0, 6.03, 6.06, 6.09):
        again = tracker.update(STANDER[None], np.array([0.9], np.float32), time)
    assert [track.id for track in again] == [5], "ids go on after a reset"


@needs_package
def test_a_track_is_listed_where_it_is_seen_until_the_next_detection() -> None:
    tracker = create_tracker("trackers:bytetrack", buffer=0.5)
    for frame in range(5):
        tracks = tracker.update(STANDER[None], np.array([0.9], np.float32), frame / 30)
    tracker.follow({tracks[0].id: WALKER, 99: STANDER})
    np.testing.assert_array_equal(tracker.predict(5 / 30)[0].box, WALKER)
    np.testing.assert_allclose(
        tracker.update(STANDER[None], np.array([0.9], np.float32), 6 / 30)[0].box, STANDER, atol=5
    )


@needs_package
def test_wrong_names_and_options_are_told() -> None:
    with pytest.raises(UsageError, match="bytetrack"):
        create_tracker("trackers:deep")
    with pytest.raises(UsageError, match='no option "buffers"'):
        create_tracker("trackers:sort", buffers=2)
    with pytest.raises(UsageError, match="does not accept"):
        create_tracker("trackers:sort", buffer=-1)


@pytest.mark.skipif(find_spec("supervision") is not None, reason="the extra `trackers` is installed")
def test_a_missing_extra_is_named() -> None:
    with pytest.raises(UsageError, match=r"pymafx-live\[trackers\]"):
        create_tracker("trackers:bytetrack")
