"""The loop with a real source and the real tracker; boxes come from colour and people from boxes."""

import itertools
import time
from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.types import SourceEvent, SourceGone, SourceState
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.loop import results, watch
from support.parts import create_tracker


def run(source, detector, engine, **how):
    return list(results(source, detector, create_tracker("bytetrack"), engine, **how))


def test_one_result_per_frame_with_its_identity_times_and_stages(clips, opened, green_detector, box_engine):
    made = run(opened(clips.write(count=10)), green_detector, box_engine)
    assert len({result.run_id for result, _ in made}) == 1
    for number, (result, frame) in enumerate(made):
        assert clips.number(frame.image) == result.sequence == number
        assert (result.source, result.time, result.camera) == (frame.source, frame.time, frame.camera)
        assert result.captured_at == frame.captured_at <= result.published_at
        assert set(result.stages) == {"detect", "track", "estimate", "estimate/look"}
        (person,) = result.people
        assert person.id == made[0][0].people[0].id
        assert person.transl[0] == pytest.approx(20 + 2 * number, abs=3)


def test_the_age_does_not_follow_a_clock_that_is_set(clips, opened, green_detector, box_engine, monkeypatch):
    days = itertools.count(0, -86400)
    monkeypatch.setattr(time, "time", lambda: 1.7e9 + next(days))
    began = time.monotonic()
    made = run(opened(clips.write(count=5)), green_detector, box_engine)
    assert made[-1][0].captured_at < made[0][0].captured_at
    assert all(0 < result.age < time.monotonic() - began for result, _ in made)


def test_an_empty_frame_has_a_result_too(clips, opened, box_engine):
    class Blind:
        def detect(self, images):
            return [(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))]

    made = run(opened(clips.write(count=3)), Blind(), box_engine)
    assert [result.people for result, _ in made] == [[], [], []]


def test_between_detections_the_tracker_predicts(clips, opened, green_detector, box_engine):
    made = run(opened(clips.write(count=12)), green_detector, box_engine, stride=3)
    assert green_detector.calls == 4
    assert ["detect" in result.stages for result, _ in made] == [True, False, False] * 4
    assert len({person.id for result, _ in made for person in result.people}) == 1
    for number, (result, _) in enumerate(made[4:], 4):  # by now the Kalman filter knows the speed
        assert result.people[0].transl[0] == pytest.approx(20 + 2 * number, abs=5)


def test_a_cut_ends_the_tracks_before_it_and_is_detected_at_once(clips, opened, green_detector, box_engine):
    frames = [replace(frame, cut=n == 4) for n, frame in enumerate(opened(clips.write(count=8)))]
    made = [result.people for result, _ in run(frames, green_detector, box_engine, stride=3)]
    assert green_detector.calls == 4  # frames 0, 3, 4 (the cut) and 7
    before = {person.id for people in made[:4] for person in people}
    assert {person.id for person in made[4] if person.state == "ended"} == before
    after = {person.id for people in made[5:] for person in people}
    assert after
    assert not after & before


@pytest.mark.parametrize("stride", [1, 3])
def test_overlapping_the_stages_changes_nothing(clips, opened, green_detector, box_engine, stride):
    file = clips.write(count=25)
    apart = run(opened(file), green_detector, box_engine, stride=stride)
    overlapped = run(opened(file), green_detector, box_engine, stride=stride, overlap=True)
    assert len(apart) == len(overlapped) == 25
    for (one, _), (other, _) in zip(apart, overlapped, strict=True):
        assert (one.sequence, one.time) == (other.sequence, other.time)
        assert [(p.id, p.state) for p in one.people] == [(p.id, p.state) for p in other.people]
        for a, b in zip(one.people, other.people, strict=True):
            np.testing.assert_array_equal(a.box, b.box)
            np.testing.assert_array_equal(a.transl, b.transl)


@pytest.mark.parametrize("overlap", [False, True])
def test_an_error_of_a_stage_reaches_the_caller(clips, opened, box_engine, overlap):
    class Broken:
        def detect(self, images):
            raise RuntimeError("no network")

    with pytest.raises(RuntimeError, match="no network"):
        run(opened(clips.write(count=3)), Broken(), box_engine, overlap=overlap)


def test_the_cameras_share_one_call_of_the_engine_and_each_has_ids_of_its_own(
    clips, opened, green_detector, box_engine
):
    sources = [opened(clips.write(f"{name}.mp4", count=count)) for name, count in (("a", 6), ("b", 3))]
    lanes = [Lane(create_tracker("bytetrack")) for _ in sources]
    made = list(watch(Cameras(sources, lanes), green_detector, box_engine))
    results = [item[0] for item in made if not isinstance(item, SourceEvent)]
    assert {(r.source, p.id) for r in results for p in r.people} == {("a.mp4", 1), ("b.mp4", 1)}
    assert [r.sequence for r in results if r.source == "a.mp4"] == [*range(6), 5]
    assert [r.final for r in results if r.source == "a.mp4"] == [*[False] * 6, True]
    assert len({r.run_id for r in results}) == 1
    assert box_engine.batches[:3] == [["a.mp4", "b.mp4"]] * 3 and box_engine.batches[3:] == [["a.mp4"]] * 3
    assert box_engine.forgotten == [("b.mp4", None), ("a.mp4", None)]


def test_what_has_ended_is_forgotten_and_only_of_its_source(clips, opened, green_detector, box_engine):
    still = opened(clips.write("still.mp4", count=8))
    frames = [replace(frame, source="cut", cut=n == 4) for n, frame in enumerate(opened(clips.write(count=8)))]
    lanes = [Lane(create_tracker("bytetrack")) for _ in range(2)]
    list(watch(Cameras([frames, still], lanes), green_detector, box_engine))
    assert ("cut", [1]) in box_engine.forgotten
    assert [ids for source, ids in box_engine.forgotten if source == "still.mp4"] == [None]


def test_who_is_there_when_a_source_is_gone_has_ended_and_comes_back_as_another(
    clips, opened, green_detector, box_engine
):
    frames = list(opened(clips.write(count=8)))
    lost, live = (SourceEvent("clip.mp4", state, 1.0) for state in (SourceState.RECONNECTING, SourceState.LIVE))
    gone = SourceGone("clip.mp4", SourceState.RECONNECTING, 1.0)
    source = [*frames[:2], lost, live, *frames[2:4], gone, live, *frames[4:]]
    made = list(watch(Cameras([source], [Lane(create_tracker("bytetrack"))]), green_detector, box_engine))
    said = [item.state if isinstance(item, SourceEvent) else item[0].final for item in made]
    away, over = [SourceState.RECONNECTING, SourceState.LIVE], [True, SourceState.ENDED]
    assert said == [False, False, *away, False, False, True, *away, *[False] * 4, *over]
    people = [
        [(p.id, p.state == "ended") for p in item[0].people] for item in made if not isinstance(item, SourceEvent)
    ]
    assert people == [*[[(1, False)]] * 4, [(1, True)], *[[(2, False)]] * 4, [(2, True)]]
    assert box_engine.forgotten == [("clip.mp4", None)] * 2
