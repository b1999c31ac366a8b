"""What the overload policy does to a run, and how it says so: real lanes, tracker and run; the clock is the test's."""

import json
from dataclasses import replace

import pytest
from pymafx_live.configs.schema import RunSettings, SourceSettings
from pymafx_live.core.types import SourceEvent, SourceState
from pymafx_live.core.wire import decode_event, encode_event
from pymafx_live.pipeline import halves
from pymafx_live.pipeline import relief as relief_module
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.events import SourceStates
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.loop import watch
from pymafx_live.pipeline.outputs.metrics import MetricsOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.overload import Overload
from pymafx_live.pipeline.relief import Relief, busy
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Reductions, Statistics
from pymafx_live.pipeline.stop import Stop
from pymafx_live.pipeline.terminal import lost
from support.parts import create_tracker


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(relief_module.time, "monotonic", lambda: now[0])
    return now


def test_steps_reach_lanes_engine_events_statistics_and_the_log(
    clips, opened, green_detector, box_engine, clock, caplog
):
    scenes = []
    estimate = box_engine.estimate
    box_engine.estimate = lambda given: scenes.extend(given) or estimate(given)
    select = Selection(8)
    lane = Lane(create_tracker("bytetrack"), 1, select=select)
    told: list[SourceEvent] = []
    states, done = SourceStates(told.append), Reductions()
    relief = Relief(Overload(max_age=0.1), lambda: {"clip.mp4": lane}, states, done)
    slow = [0.3]
    with states:
        for item in watch(Cameras([opened(clips.write(count=200))], [lane]), green_detector, box_engine):
            if isinstance(item, SourceEvent) or item[1] is None:
                continue
            clock[0] += slow[0]
            states.result_of("clip.mp4")
            relief.note(replace(item[0], published_at=item[0].captured_at + slow[0]))
            if scenes[-1].hands_every == 4:
                slow[0] = 0.01
    reduced = [event.reduced for event in told if event.state is SourceState.LIVE]
    assert reduced[:7] == [
        {}, {"detect_every": 2}, {"detect_every": 2, "face_every": 2},
        {"detect_every": 2, "face_every": 2, "hands_every": 2}, {"detect_every": 4, "face_every": 2, "hands_every": 2},
        {"detect_every": 4, "face_every": 4, "hands_every": 2}, {"detect_every": 4, "face_every": 4, "hands_every": 4},
    ]  # fmt: skip
    assert {(scene.hands_every, scene.face_every) for scene in scenes} == {(1, 1), (1, 2), (2, 2), (2, 4), (4, 4)}
    assert green_detector.calls < 150
    assert done.less == 6
    assert told[1].reason == "overload: detector in every 2nd frame"
    assert "overload: clip.mp4 is 300 ms old; detector in every 2nd frame" in caplog.text
    assert told[-1].state is SourceState.ENDED and not told[-1].reduced
    assert decode_event(encode_event(told[2])) == told[2]


def test_a_source_that_was_away_is_still_reduced_when_it_is_back_and_others_are_not() -> None:
    told: list[SourceEvent] = []
    states = SourceStates(told.append)
    for source in ("door", "desk", "clip"):
        states.tell(SourceEvent(source, SourceState.LIVE, 1.0))
    states.tell(SourceEvent("desk", SourceState.STALLED, 2.0, "no frame for 2 s"))
    states.reduce(["door", "desk"], {"max_people": 3}, "overload: 3 people at most")
    states.tell(SourceEvent("desk", SourceState.LIVE, 3.0))
    states.reduce(["door", "desk"], {}, "")
    assert [(e.source, str(e.state), e.reduced, e.reason) for e in told[3:]] == [
        ("desk", "stalled", {}, "no frame for 2 s"),
        ("door", "live", {"max_people": 3}, "overload: 3 people at most"),
        ("desk", "live", {"max_people": 3}, "overload: 3 people at most"),
        ("door", "live", {}, ""), ("desk", "live", {}, ""),
    ]  # fmt: skip


def test_what_is_reduced_is_a_metric_and_the_source_stays_ready() -> None:
    output = MetricsOutput("127.0.0.1:0", Run(Stop()))
    try:
        output.tell(SourceEvent("door", SourceState.LIVE, 1.0, "", {"detect_every": 4, "max_people": 3}))
        output.tell(SourceEvent("door", SourceState.LIVE, 2.0, "", {"detect_every": 2}))
        text = output.answer("/metrics")[2].decode()
    finally:
        output.close()
    assert 'pymafx_live_reduced{source="door",what="detect_every"} 2.0' in text
    assert 'pymafx_live_reduced{source="door",what="max_people"} 0.0' in text
    assert 'pymafx_live_source_state{pymafx_live_source_state="live",source="door"} 1.0' in text


def test_the_time_that_anything_was_reduced_is_counted() -> None:
    done = Reductions()
    assert done.summary(5.0)["seconds_reduced"] == 0
    done.note({"detect_every": 2}, True, 10.0)
    done.note({"detect_every": 2, "face_every": 2}, True, 12.0)
    done.note({"detect_every": 2}, False, 20.0)
    done.note({}, False, 25.0)
    done.note({"detect_every": 2}, True, 40.0)
    assert done.summary(43.0) == {
        "steps_less": 3, "steps_more": 2, "seconds_reduced": 18.0, "now": {"detect_every": 2}, "exhausted": False,
    }  # fmt: skip


def test_the_loop_is_busy_with_both_halves_unless_they_overlap() -> None:
    stages = {"detect": 0.04, "track": 0.001, "estimate": 0.05, "estimate/look": 0.02}
    assert busy(stages, ()) == pytest.approx(0.091)
    assert busy(stages, halves.DETECTING) == pytest.approx(0.051)
    assert busy(stages, halves.LOOKING) == pytest.approx(0.061)


@pytest.mark.parametrize("realtime", [True, False])
def test_a_live_run_that_cannot_hold_what_is_asked_reduces_and_a_file_does_not(
    clips, green_detector, box_engine, realtime, tmp_path
):
    statistics = Statistics()
    settings = run_settings()(
        source=SourceSettings(uri=str(clips.write(count=100)), realtime=realtime),
        output={"bind": "", "stats": str(tmp_path / "stats.json")},
        run=RunSettings(max_age_ms=0.001),
    )
    makers = Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine)
    run(settings, statistics, makers=makers)
    figures = json.loads((tmp_path / "stats.json").read_text())
    if realtime:
        assert figures["overload"]["steps_less"] >= 2
        assert figures["overload"]["now"]["detect_every"] >= 2
        assert green_detector.calls < 100
        (line,) = lost(statistics)
        assert line.startswith("overload: ") and "detect_every" in line
    else:
        assert "overload" not in figures and green_detector.calls == 100
