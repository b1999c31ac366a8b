"""The evaluation of identities on tracks whose figures are known."""

import numpy as np
import pytest
from pymafx_live.bench.mannequin.truth import TruePerson, Truth
from pymafx_live.bench.tracking import Scored, Seen, dropped, figures, second, track
from pymafx_live.core.types import Camera, Track, TrackState

pytest.importorskip("supervision", reason="the extra `trackers` is not installed")
BOXES = np.array([[0, 0, 10, 20], [30, 0, 40, 20], [60, 0, 70, 20]], np.float32)


def person(k: int, visible: float = 1.0) -> TruePerson:
    none = np.zeros(0, np.float32)
    return TruePerson(k, none, none, none, none, none, BOXES[k], visible, none.astype(bool))


def clip(hidden: float = 1.0) -> list[Seen]:
    """Ten frames with three people; the third is visible as far as `hidden` says."""
    camera = Camera(100, 50, 1, 1, 1, 1)
    people = (person(0), person(1), person(2, hidden))
    nothing = np.zeros((0, 1), np.float32)
    return [Seen(i / 10, (BOXES, np.ones(3, np.float32)), nothing, Truth(i / 10, camera, people)) for i in range(10)]


class Scripted:
    """Lists the detections with these ids, from `swap_at` on with the first two exchanged."""

    def __init__(self, swap_at: int = 99, without: int = 99) -> None:
        self._left, self._without = swap_at, without

    def update(self, boxes, scores, time, looks=None):
        self._left -= 1
        ids = [1, 2, 3] if self._left >= 0 else [2, 1, 3]
        tracks = [Track(key, TrackState.TRACKED, box, 1.0) for key, box in zip(ids, boxes, strict=True)]
        return [one for k, one in enumerate(tracks) if k != self._without]


def score(tracker: Scripted, seen: list[Seen]) -> dict[str, float]:
    scored: Scored = track(tracker, seen)
    return figures([scored])


def test_perfect_tracks_have_all():
    assert score(Scripted(), clip()) == pytest.approx({"HOTA": 100, "IDF1": 100, "MOTA": 100, "AssA": 100, "IDSW": 0})


def test_two_who_are_exchanged_half_way_cost_identities_and_no_detections():
    found = score(Scripted(swap_at=5), clip())
    assert found["IDSW"] == 2
    assert found["IDF1"] == pytest.approx(100 * 20 / 30)
    assert found["MOTA"] == pytest.approx(100 * (1 - 2 / 30))
    assert found["HOTA"] < 80


@pytest.mark.parametrize(("visible", "mota"), [(1.0, 100 * 2 / 3), (0.1, 100)])
def test_who_is_missed_counts_only_if_to_be_seen(visible, mota):
    assert score(Scripted(without=2), clip(visible))["MOTA"] == pytest.approx(mota)


def test_a_track_of_somebody_hardly_to_be_seen_is_no_mistake():
    assert score(Scripted(), clip(0.1))["MOTA"] == pytest.approx(100)


def test_frames_are_left_out_the_same_way_each_time():
    seen = clip()
    assert [one.time for one in second(seen)] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert dropped(seen) == dropped(seen) and 3 < len(dropped(seen)) < 10
