"""Both trackers: the lives of tracks, time, and people whose identity is known."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Floats, Track, TrackState
from pymafx_live.trackers.bytetrack import ByteTrack
from pymafx_live.trackers.sort import Sort
from support.parts import create_tracker

Own = ByteTrack | Sort
NOBODY = np.empty((0, 4), np.float32), np.empty(0, np.float32)


@pytest.fixture(params=["bytetrack", "sort"])
def tracker(request: pytest.FixtureRequest) -> Own:
    made = create_tracker(request.param)
    assert isinstance(made, ByteTrack | Sort)
    return made


def box(x: float, y: float = 300, width: float = 80, height: float = 220) -> list[float]:
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def people(*boxes: list[float], score: float = 0.9) -> tuple[Floats, Floats]:
    return np.array(boxes, np.float32).reshape(-1, 4), np.full(len(boxes), score, np.float32)


def states(tracks: list[Track]) -> list[tuple[int, str, bool]]:
    return [(track.id, track.state.value, track.seen) for track in tracks]


def test_the_life_of_a_track(tracker: Own) -> None:
    here = people(box(300))
    assert states(tracker.update(*here, 0.0)) == [(1, "new", True)]
    assert states(tracker.update(*here, 0.1)) == [(1, "tracked", True)]
    assert states(tracker.predict(0.2)) == [(1, "tracked", False)]
    assert states(tracker.update(*NOBODY, 0.3)) == [(1, "lost", False)]
    assert states(tracker.predict(0.6)) == [(1, "lost", False)]
    assert states(tracker.update(*here, 0.9)) == [(1, "tracked", True)]
    assert states(tracker.update(*NOBODY, 1.0)) == [(1, "lost", False)]
    assert states(tracker.update(*NOBODY, 1.89)) == [(1, "lost", False)]
    assert states(tracker.update(*NOBODY, 1.91)) == [(1, "ended", False)]
    assert tracker.update(*NOBODY, 2.0) == []
    assert states(tracker.update(*here, 2.1)) == [(2, "new", True)]


def test_who_goes_behind_something_does_not_rise_while_walking_on(tracker: Own) -> None:
    """From the feet up a walker vanishes: the box shrinks from below, and so its middle rises, until it is lost."""
    for frame in range(20):
        hidden = max(frame - 9, 0) * 12
        x = 300 + 6 * frame
        here = tracker.update(*people([x - 40, 190, x + 40, 410 - hidden]), frame / 25)
    middle = here[0].box[1] + here[0].box[3]
    for frame in range(20, 40):
        (lost,) = tracker.update(*NOBODY, frame / 25)
    assert lost.state is TrackState.LOST
    assert abs(lost.box[1] + lost.box[3] - middle) < 30
    assert lost.box[0] == pytest.approx(300 + 6 * 39 - 40, abs=25)


def test_two_boxes_of_one_person_are_one_track(tracker: Own) -> None:
    whole, narrow = box(300, width=210), box(265, width=140)  # IoU 0.67
    beside = box(400, width=210)  # a neighbour, IoU 0.35
    boxes = np.array([narrow, whole, beside], np.float32)
    for frame in range(6):
        here = tracker.update(boxes, np.array([0.6, 0.9, 0.8], np.float32), frame / 25)
        assert len({track.id for track in here if track.state is not TrackState.ENDED}) == 2
    assert sorted(track.id for track in here) == [1, 2]


def test_a_track_goes_on_under_a_new_id(tracker: Own) -> None:
    for time in (0.0, 0.1):
        tracker.update(*people(box(300), box(600)), time)
    tracker.renew([1, 7])
    here = tracker.update(*people(box(300), box(600), box(900)), 0.2)
    assert sorted(states(here)) == [(2, "tracked", True), (3, "tracked", True), (4, "new", True)]


def test_a_track_goes_where_it_is_seen_without_a_detection(tracker: Own) -> None:
    """What is seen counts as seen, but confirms nothing: new and lost tracks need a detection."""
    tracker.update(*people(box(300)), 0.0)
    tracker.follow({1: np.array(box(400), np.float32)})
    assert tracker.predict(0.0)[0].box[0] == pytest.approx(260)
    tracker.update(*people(box(300)), 0.1)
    for frame in range(2, 12):
        assert states(tracker.predict(frame / 10)) == [(1, "tracked", False)]
        tracker.follow({1: np.array(box(300 + 20 * frame), np.float32), 7: np.array(box(0), np.float32)})
    (track,) = tracker.predict(1.2)
    np.testing.assert_allclose(track.box, box(540), atol=4)
    assert states(tracker.update(*NOBODY, 1.3)) == [(1, "lost", False)]
    before = tracker.predict(1.3)[0].box
    tracker.follow({1: np.array(box(0), np.float32)})
    np.testing.assert_array_equal(tracker.predict(1.3)[0].box, before)
    assert states(tracker.predict(2.05)) == [(1, "lost", False)]
    assert states(tracker.predict(2.15)) == [(1, "ended", False)]


def test_a_new_track_that_is_missed_once_ends(tracker: Own) -> None:
    tracker.update(*people(box(300)), 0.0)
    assert states(tracker.predict(0.05)) == [(1, "new", False)]
    assert states(tracker.update(*NOBODY, 0.1)) == [(1, "ended", False)]
    assert tracker.update(*NOBODY, 0.2) == []


def test_a_lost_track_ends_also_where_nobody_looks(tracker: Own) -> None:
    for time in (0.0, 0.1):
        tracker.update(*people(box(300)), time)
    tracker.update(*NOBODY, 0.2)
    assert states(tracker.predict(1.05)) == [(1, "lost", False)]
    assert states(tracker.predict(1.15)) == [(1, "ended", False)]
    assert tracker.predict(1.25) == []


def test_reset_ends_all_and_no_id_comes_back(tracker: Own) -> None:
    assert tracker.reset() == []
    two = people(box(300), box(700))
    tracker.update(*two, 0.0)
    assert states(tracker.reset()) == [(1, "ended", False), (2, "ended", False)]
    assert tracker.reset() == []
    assert states(tracker.update(*two, 0.0)) == [(3, "new", True), (4, "new", True)]


def test_nobody_is_no_trouble(tracker: Own) -> None:
    assert tracker.predict(0.0) == []
    for time in (0.0, 0.0, 5.0):
        assert tracker.update(*NOBODY, time) == []


def test_prediction_moves_with_the_person_and_does_not_grow(tracker: Own) -> None:
    for frame in range(20):
        tracker.update(*people(box(300 + 12 * frame)), frame / 20)  # 240 pixels per second
    (seen,) = tracker.predict(19 / 20)
    (ahead,) = tracker.predict(19 / 20 + 0.2)
    np.testing.assert_allclose(ahead.box[[0, 2]] - seen.box[[0, 2]], 48, atol=5)
    np.testing.assert_allclose(ahead.box[[1, 3]], seen.box[[1, 3]], atol=2)
    tracker.update(*NOBODY, 19 / 20 + 0.2)
    (lost,) = tracker.predict(19 / 20 + 0.6)
    np.testing.assert_allclose(lost.box[2:] - lost.box[:2], (80, 220), atol=5)


def test_a_box_is_close_to_its_detection(tracker: Own) -> None:
    detected = people(box(300), box(700, 350, 300, 500))
    tracker.update(*detected, 0.0)
    moved = detected[0] + np.float32(6)
    tracks = tracker.update(moved, detected[1], 1 / 30)
    assert {track.box.dtype.name for track in tracks} == {"float32"}
    np.testing.assert_allclose([track.box for track in tracks], moved, atol=2)
    assert [track.score for track in tracks] == pytest.approx([0.9, 0.9])


def test_time_may_stand_still_run_back_or_jump(tracker: Own) -> None:
    here = people(box(300))
    tracker.update(*here, 10.0)
    assert states(tracker.update(*here, 10.0)) == [(1, "tracked", True)]
    assert states(tracker.update(*here, 9.0)) == [(1, "tracked", True)]
    # A camera that hung for an hour: who stands where he stood is taken for the same, others are not.
    assert states(tracker.update(*here, 3610.0)) == [(1, "tracked", True)]
    after = tracker.update(*people(box(1100)), 7210.0)
    assert states(after) == [(1, "ended", False), (2, "new", True)]
    assert all(np.isfinite(track.box).all() for track in after)


def test_low_scores_keep_a_track_and_begin_none() -> None:
    tracker = create_tracker("bytetrack")
    doubtful = people(box(300), score=0.2)
    assert tracker.update(*doubtful, 0.0) == []
    tracker.update(*people(box(300)), 0.1)
    assert states(tracker.update(*doubtful, 0.2)) == [(1, "ended", False)], "a new track wants a good score"
    for time in (0.3, 0.4):
        tracker.update(*people(box(300)), time)
    (kept,) = tracker.update(*doubtful, 0.5)
    assert (kept.id, kept.state, kept.seen) == (2, TrackState.TRACKED, True)
    assert kept.score == pytest.approx(0.2)
    tracker.update(*NOBODY, 0.6)
    assert states(tracker.update(*doubtful, 0.7)) == [(2, "lost", False)], "a lost track wants a good score"
    assert states(tracker.update(*people(box(300), score=0.05), 0.8)) == [(2, "lost", False)]


def test_sort_has_no_second_stage() -> None:
    tracker = create_tracker("sort")
    for time in (0.0, 0.1):
        tracker.update(*people(box(300)), time)
    assert states(tracker.update(*people(box(300), score=0.2), 0.2)) == [(1, "lost", False)]


@dataclass(frozen=True)
class Walker:
    """A person that walks along a line, `speed` in pixels per second, nearer people hiding farther ones."""

    start: float
    speed: float
    y: float = 300

    def at(self, time: float) -> list[float]:
        return box(self.start + self.speed * time, self.y)


def overlap(a: list[float], b: list[float]) -> float:
    """The share of `a` that `b` covers."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0) / ((a[2] - a[0]) * (a[3] - a[1]))


def watch(walkers: list[Walker], times: list[float], rng: np.random.Generator) -> Iterator[tuple[float, Floats]]:
    """What a detector sees of them: noisy boxes, and nothing of a person three quarters hidden by one nearer."""
    for time in times:
        boxes = [walker.at(time) for walker in walkers]
        seen = [b for k, b in enumerate(boxes) if all(overlap(b, nearer) < 0.75 for nearer in boxes[k + 1 :])]
        yield time, np.array(seen, np.float32) + rng.normal(0, 2, (len(seen), 4)).astype(np.float32)


def identities(tracker: Own, walkers: list[Walker], times: list[float], seed: int) -> list[set[int]]:
    """The ids that each walker had, in the frames in which a track clearly lies on him and on nobody else."""
    rng = np.random.default_rng(seed)
    had: list[set[int]] = [set() for _ in walkers]
    for time, boxes in watch(walkers, times, rng):
        for track in tracker.update(boxes, np.full(len(boxes), 0.8, np.float32), time):
            shares = [overlap(walker.at(time), track.box.tolist()) for walker in walkers]
            if track.seen and max(shares) > 0.8 and sorted(shares)[-2] < 0.4:
                had[int(np.argmax(shares))].add(track.id)
    return had


@given(fps=st.integers(5, 60), seed=st.integers(0, 1000), dropped=st.floats(0, 0.3))
@settings(max_examples=40, deadline=None)
def test_crossing_people_keep_their_ids_at_any_frame_rate(fps: int, seed: int, dropped: float) -> None:
    """Three people at walking pace, two crossing, one hidden for half a second; frames are dropped at random."""
    walkers = [Walker(150, 150), Walker(850, -170, 310), Walker(1100, 20, 420)]
    rng = np.random.default_rng(seed)
    times = [k / fps for k in range(5 * fps) if k < 3 or rng.random() >= dropped]
    assume(np.diff(times).max() < 0.7)  # who is hidden too must not be gone for as long as a lost track is kept
    for name in ("bytetrack", "sort"):
        tracker = create_tracker(name)
        assert isinstance(tracker, ByteTrack | Sort)
        assert identities(tracker, walkers, times, seed) == [{1}, {2}, {3}], name


def held(thing: object) -> int:
    """Roughly how many bytes of state `thing` holds, through its attributes and containers."""
    if isinstance(thing, np.ndarray):
        return thing.nbytes
    if isinstance(thing, dict):
        return sum(held(value) for value in thing.values())
    if isinstance(thing, list | tuple | set):
        return sum(8 + held(value) for value in thing)
    return held(vars(thing)) if hasattr(thing, "__dict__") else 8


def test_memory_is_bounded_and_ids_are_never_used_twice(tracker: Own) -> None:
    rng = np.random.default_rng(0)
    before: set[int] = set()
    highest = 0
    sizes = []
    for frame in range(2_000):
        # One who stays, and up to five who are seen once and never again.
        boxes, scores = people(box(9000), *(box(x) for x in rng.uniform(0, 5000, rng.integers(0, 6))))
        tracks = tracker.update(boxes, scores, frame / 30)
        ids = {track.id for track in tracks if track.state is not TrackState.ENDED}
        assert len({track.id for track in tracks}) == len(tracks)
        assert all(fresh > highest for fresh in ids - before)
        before, highest = ids, max(highest, *ids)
        sizes.append(held(tracker))
    assert highest > 2_000
    assert max(sizes[1_000:]) <= 2 * max(sizes[:500])


def test_wrong_names_and_options_are_told() -> None:
    with pytest.raises(UsageError, match=r'no tracker "deep".*bytetrack'):
        create_tracker("deep")
    with pytest.raises(UsageError, match=r'no option "buffers".*buffer'):
        create_tracker("bytetrack", buffers=2)
    for nonsense in ("long", True, -1.0, 601):
        with pytest.raises(UsageError, match="buffer is"):
            create_tracker("bytetrack", buffer=nonsense)
    with pytest.raises(UsageError, match=r"score is 1.5, but must be a number of 0 to 1"):
        create_tracker("sort", score=1.5)
    for endless in (float("nan"), float("inf")):
        with pytest.raises(ValidationError, match="a number up to 1000000"):
            create_tracker("bytetrack", buffer=endless)
    tracker = create_tracker("sort", buffer=0.1)
    for time in (0.0, 0.1):
        tracker.update(*people(box(300)), time)
    assert states(tracker.update(*NOBODY, 0.25)) == [(1, "ended", False)]
