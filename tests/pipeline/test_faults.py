"""Runs whose detector, tracker or engine fails on some frames: the real networks, in a wrapper that spoils calls."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import EXIT_FRAMES, FramesError
from pymafx_live.core.types import Frame, FrameResult, Origin, Person, Track, TrackState
from pymafx_live.core.wire import from_map
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.faults import MOST, Faults
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.loop import results, watch
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics
from support.parts import create_tracker

FRAMES = 16
NEVER: Mapping[int, str] = MappingProxyType({})


class Spoiled:
    """A part of the loop of which some calls, by their numbers, go wrong."""

    def __init__(self, part: Any, method: str, calls: Mapping[int, str] | range) -> None:
        self._part, self._calls, self._count = part, calls, 0
        self._method = getattr(part, method)
        setattr(self, method, self._called)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)

    def _called(self, *arguments: Any) -> Any:
        self._count += 1
        if self._count - 1 in self._calls:
            raise RuntimeError("out of memory")
        return self._method(*arguments)


def settings_of(folder: Path, **run_keys: Any) -> Settings:
    return run_settings().model_validate({
        "source": {"uri": "demo"}, "output": {"bind": "", "jsonl": str(folder / "out.jsonl"), "overwrite": True},
        "run": {"max_frames": FRAMES, **run_keys},
    })  # fmt: skip


def play(folder: Path, part: str, calls: Mapping[int, str] | range, **run_keys: Any) -> tuple[list[FrameResult], Any]:
    """The results of a run of the demo, in which some calls of a part fail, and its statistics."""

    def detector(settings: Settings, pictures: Pictures) -> Any:
        made = open_detector(settings, pictures)
        return Spoiled(made, "detect", calls) if part == "detector" else made

    def engine(settings: Settings, pictures: Pictures) -> Any:
        made = open_engine(settings, pictures)
        return Spoiled(made, "estimate", calls) if part == "engine" else made

    def tracker(settings: Any) -> Any:
        made = create_tracker(settings.name)
        return Spoiled(made, "update", calls) if part == "tracker" else made

    statistics = Statistics()
    try:
        run(settings_of(folder, **run_keys), statistics, makers=Makers(detector, tracker, engine))
        error = None
    except FramesError as raised:
        error = raised
    lines = [from_map(json.loads(line)) for line in (folder / "out.jsonl").read_text().splitlines()]
    return [line for line in lines if not line.final], (statistics, error)


def ids(result: FrameResult) -> set[int]:
    return {person.id for person in result.people if person.state is not TrackState.ENDED}


def origin(person: Person, part: str = "transl") -> Origin | str:
    return person.parts[part].origin


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> list[FrameResult]:
    return play(tmp_path_factory.mktemp("sound"), "", NEVER)[0]


@pytest.mark.parametrize(("part", "said", "overlap"), [("detector", "detector", True), ("tracker", "tracker", False)])
def test_a_frame_on_which_nobody_is_detected_is_predicted(tmp_path, sound, caplog, part, said, overlap):
    with caplog.at_level(logging.WARNING, "pymafx_live"):
        made, (statistics, error) = play(tmp_path, part, range(6, 8), overlap=overlap)
    assert [result.sequence for result in made] == list(range(FRAMES))
    assert [ids(result) for result in made] == [ids(result) for result in sound]
    assert [record.getMessage() for record in caplog.records] == [
        f"the {said} failed on a frame of demo (RuntimeError: out of memory): the run goes on, and counts further "
        "errors; -v shows where"
    ]
    assert statistics.summary()["faults"] == {said: 2}
    assert (error.exit_code, str(error)) == (
        EXIT_FRAMES,
        f"the {said} failed on 2 frames, at first with RuntimeError: out of memory: who was there was held, and the "
        "run went on",
    )
    for one, other in zip(made[-1].people, sound[-1].people, strict=True):
        assert origin(one) is Origin.MEASURED
        np.testing.assert_allclose(one.pelvis, other.pelvis, atol=0.2)


def test_a_frame_on_which_the_engine_fails_holds_who_is_there(tmp_path, sound):
    made, (statistics, error) = play(tmp_path, "engine", range(6, 8))
    assert error.exit_code == EXIT_FRAMES
    assert statistics.summary()["faults"] == {"engine landmarks": 2}
    assert [ids(result) for result in made] == [ids(result) for result in sound]
    for held in (6, 7):
        for person, before in zip(made[held].people, made[5].people, strict=True):
            assert {part.origin for part in person.parts.values()} == {Origin.HELD, Origin.DEFAULT}
            np.testing.assert_array_equal(person.full_pose, before.full_pose)
            assert person.extra.keys() == {"bones"}
    for person, true in zip(made[-1].people, sound[-1].people, strict=True):
        assert origin(person) is Origin.MEASURED
        np.testing.assert_allclose(person.pelvis, true.pelvis, atol=0.1)


def test_an_engine_that_fails_on_every_frame_ends_the_run(tmp_path):
    made, (statistics, error) = play(tmp_path, "engine", range(2, 1000), max_frames=0)
    assert statistics.frames == len(made) == 2 + MOST - 1
    assert str(error) == (
        f"the engine landmarks has failed on {MOST} frames of demo in a row, at last with RuntimeError: out of memory: "
        "try another one or another --runtime; -v shows where"
    )
    last = from_map(json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1]))
    assert last.final and {person.state for person in last.people} == {TrackState.ENDED}


class PerSource:
    """An engine that cannot stand the frames of one source."""

    def __init__(self, engine: Any, source: str) -> None:
        self._engine, self._source, self.name = engine, source, engine.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def estimate(self, scenes: Any) -> Any:
        if any(scene.frame.source == self._source for scene in scenes):
            raise ValueError("no such size")
        return self._engine.estimate(scenes)


def test_of_two_sources_only_the_one_to_blame_is_held(clips, green_detector, box_engine):
    uris = [str(clips.write(f"{name}.mp4", count=8)) for name in "ab"]
    settings = run_settings().model_validate({
        "sources": [{"uri": uri} for uri in uris],
        "output": {"bind": "", "jsonl": str(clips.folder / "out.jsonl")},
    })  # fmt: skip
    engine = PerSource(box_engine, "a.mp4")
    with pytest.raises(FramesError, match="the engine box failed on 8 frames, at first with ValueError: no such size"):
        run(settings, Statistics(), makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: engine))
    lines = [from_map(json.loads(line)) for line in (clips.folder / "out.jsonl").read_text().splitlines()]
    assert [len(line.people) for line in lines if line.source == "a.mp4"] == [0] * 8
    assert [len(line.people) for line in lines if line.source == "b.mp4"] == [1] * 9


def test_who_measures_gets_every_error(clips, opened, green_detector, box_engine):
    spoiled = Spoiled(box_engine, "estimate", range(3, 4))
    with pytest.raises(RuntimeError, match="out of memory"):
        list(results(opened(clips.write(count=8)), green_detector, create_tracker(), spoiled))


def test_a_detection_that_was_begun_and_failed_is_counted_and_done_again(clips, opened, green_detector, box_engine):
    """With `auto` the detector works beside the loop, and what it raises comes out later."""

    def people(frame: Frame, tracks: list[Track], plain: Callable[..., list[Person]] = box_engine.people) -> list:
        where = [{"keypoints": np.tile([*t.box[:2], 1], (33, 1)).astype(np.float32)} for t in tracks]
        return [
            replace(p, extra=e, parts={"transl": replace(p.parts["torso"])})
            for p, e in zip(plain(frame, tracks), where, strict=True)
        ]

    box_engine.people = people
    faults, source = Faults(), opened(clips.write(count=60))
    calls = Spoiled(green_detector, "detect", range(8, 9))
    lane = Lane(create_tracker(), "auto")
    frames = [
        item for item in watch(Cameras([source], [lane]), calls, box_engine, faults=faults)
        if isinstance(item, tuple) and item[1] is not None
    ]  # fmt: skip
    assert len(frames) == 60
    assert faults.frames == {"detector": 1}
    assert {person.id for result, _ in frames for person in result.people} == {1}
