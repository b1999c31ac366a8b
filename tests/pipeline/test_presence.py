"""Nobody goes without a goodbye, and no id comes back after it: real trackers and selections, whatever fails."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import Camera, Frame, FrameResult, Origin, Part, Person, Track, TrackState
from pymafx_live.pipeline.faults import Faults
from pymafx_live.pipeline.halves import keypoints_of
from pymafx_live.pipeline.lane import Lane, Step
from pymafx_live.pipeline.lookout import Detection
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from support.parts import create_tracker
from support.same import assert_same_result

CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
IMAGE = np.zeros((480, 640, 3), np.uint8)
PLACES = (60.0, 230.0, 400.0, 570.0)


@dataclass(frozen=True)
class Moment:
    """What happens in a frame: how high somebody is at each place (0: nobody), and what goes wrong."""

    heights: tuple[float, ...]
    cut: bool = False
    detected: bool = True
    estimated: bool = True
    left_out: bool = False
    pause: float = 0.04


def boxes(moment: Moment) -> tuple[np.ndarray, np.ndarray]:
    found = [[x - h / 5, 240 - h / 2, x + h / 5, 240 + h / 2] for x, h in zip(PLACES, moment.heights) if h]  # noqa: B905
    return np.array(found, np.float32).reshape(-1, 4), np.full(len(found), 0.9, np.float32)


def people(tracks: Sequence[Track]) -> list[Person]:
    """Somebody at each box, whose pelvis is where a body of 1.7 m would be."""
    parts = {"torso": Part(0.9, Origin.MEASURED), "transl": Part(0.9, Origin.MEASURED), "jaw": Part(0, Origin.DEFAULT)}
    made = []
    for track in tracks:
        x1, y1, x2, y2 = track.box.tolist()
        depth = 1.7 * CAMERA.fy / (y2 - y1)
        pelvis = np.float32([((x1 + x2) / 2 - CAMERA.cx) * depth / CAMERA.fx, 0, depth])
        extra = {"keypoints": np.ones((33, 3), np.float32), "bones": np.ones(55, np.float32)}
        made.append(
            Person(track.id, track.state, track.box, track.score, "t", parts, transl=pelvis, pelvis=pelvis, extra=extra)
        )
    return made


def play(lane: Lane, moments: Sequence[Moment], ahead: bool = False) -> list[FrameResult]:
    """The results of a film, and the last one, if there is one; the first half may be all frames `ahead`."""
    first = _first_half(lane, moments)
    made = [lane.finish(step, seen, "run", 0.01, {}) for step, seen in (list(first) if ahead else first)]
    lane.restart()
    return made + [last for last in (lane.goodbye(), lane.goodbye()) if last is not None]


def _first_half(lane: Lane, moments: Sequence[Moment]) -> Iterator[tuple[Step, list[Person] | None]]:
    time = 0.0
    for k, moment in enumerate(moments):
        time += moment.pause
        frame = Frame(IMAGE, "cam", k, time, 100.0 + time, CAMERA, cut=moment.cut)
        found = Detection(frame, boxes(moment)) if moment.detected else lane.missed(frame)
        step = lane.begin(found, Faults())
        seen = people(step.scene.tracks[moment.left_out :]) if moment.estimated else None
        lane.follow(step, keypoints_of(seen or []))
        yield step, seen


def alive(result: FrameResult) -> set[int]:
    return {person.id for person in result.people if person.state is not TrackState.ENDED}


def ended(result: FrameResult) -> set[int]:
    return {person.id for person in result.people if person.state is TrackState.ENDED}


LOCKS = [None, "largest", "centre", "first", 2]
MOMENT = st.builds(
    Moment,
    heights=st.tuples(*[st.sampled_from([0.0, 120.0, 200.0, 210.0, 300.0])] * len(PLACES)),
    cut=st.sampled_from([False] * 9 + [True]),
    detected=st.sampled_from([True] * 5 + [False]),
    estimated=st.sampled_from([True] * 5 + [False]),
    left_out=st.sampled_from([False] * 5 + [True]),
    pause=st.sampled_from([0.04, 0.04, 0.04, 0.5, 2.0]),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(MOMENT, max_size=25), st.integers(1, 4), st.sampled_from(LOCKS), st.sampled_from(["bytetrack", "sort"]))
def test_everybody_is_said_goodbye_to_once_and_no_id_comes_back(moments, most, lock, tracker):
    """Also where the first half of the work is ahead, with the same results."""

    def lane() -> Lane:
        return Lane(create_tracker(tracker), select=Selection(most, lock), smooth=Smoother())

    made = play(lane(), moments)
    for one, other in zip(made, play(lane(), moments, ahead=True), strict=True):
        assert_same_result(one, other)
    over: set[int] = set()
    before: set[int] = set()
    for result in made:
        now = alive(result)
        assert len(result.people) == len(now | ended(result)) and len(now) <= most
        assert not now & over
        if not result.final and moments[result.sequence].cut:
            assert not now & before
        assert ended(result) <= before
        over |= ended(result)
        before = (before | now) - over
        for person in result.people:
            assert np.isfinite(person.pelvis).all() and person.pelvis[2] > 0
    assert not before
    assert [result.sequence for result in made if not result.final] == list(range(len(moments)))
    assert all(result.final for result in made[len(moments) :]) and len(made) <= len(moments) + 1


def test_who_loses_the_place_has_ended_and_comes_back_as_another():
    first, second = Moment((300, 200, 0, 0)), Moment((200, 300, 0, 0))
    lane = Lane(create_tracker(), select=Selection(1))
    made = play(lane, [first] * 3 + [second] * 8 + [first] * 8)
    came = [(r.sequence, person.id, person.state) for r in made for person in r.people if person.state != "tracked"]
    (_, one, new), (lost, same, over), *_ = came
    assert (one, new, same, over) == (1, TrackState.NEW, 1, TrackState.ENDED) and 3 <= lost < 11
    assert [id_ for _, id_, state in came if state is TrackState.ENDED] == [1, 2, 3]
    assert [sorted(alive(result)) for result in (made[0], made[10], made[18])] == [[1], [2], [3]]


def test_who_has_ended_is_where_they_were_last_and_nothing_of_them_is_measured():
    lane = Lane(create_tracker())
    *made, last = play(lane, [Moment((200, 0, 0, 300))] * 4)
    assert (last.sequence, last.time, last.captured_at, last.dropped) == (3, made[-1].time, made[-1].captured_at, 0)
    assert last.final and not last.stages and last.published_at >= made[-1].published_at
    for person, before in zip(last.people, made[-1].people, strict=True):
        assert (person.id, person.state) == (before.id, TrackState.ENDED)
        np.testing.assert_array_equal(person.pelvis, before.pelvis)
        assert {name: part.origin for name, part in person.parts.items()} == {
            "torso": Origin.HELD, "transl": Origin.HELD, "jaw": Origin.DEFAULT,
        }  # fmt: skip
        assert person.extra.keys() == {"bones"}  # the keypoints were those of another frame


def test_a_source_that_had_nobody_has_no_last_result():
    assert Lane(create_tracker()).goodbye() is None
    assert not play(Lane(create_tracker()), [Moment((0, 0, 0, 0))] * 3)[-1].final


@pytest.mark.parametrize("name", ["bytetrack", "sort"])
def test_a_cut_may_set_the_time_back(name):
    lane = Lane(create_tracker(name))
    play(lane, [Moment((200, 0, 0, 0), pause=100.0)] * 3)
    made = play(lane, [Moment((200, 0, 0, 0), cut=True), *[Moment((200, 0, 0, 0))] * 30, Moment((0, 0, 0, 0), pause=2)])
    assert [person.state for person in made[30].people] == [TrackState.TRACKED]
    assert ended(made[31]) == alive(made[30])  # nobody has been seen for two seconds
