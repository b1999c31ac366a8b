"""PyMAF-X with overlap: the real networks look at the next frame while small graphs are at this one."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from pymafx_live.configs.schema import EngineSettings, Settings
from pymafx_live.core.interfaces import LookingEngine
from pymafx_live.core.types import Frame, Scene, SourceEvent, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.pymafx.engine import PymafxOptions, _views
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane, Stride
from pymafx_live.pipeline.loop import watch
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from support.gpu_pipeline import GpuPipeline, open_pipeline
from support.late import Late, film
from support.parts import create_tracker
from support.same import assert_same


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GpuPipeline]:
    with pytest.MonkeyPatch.context() as patch:
        made = open_pipeline(tmp_path_factory.mktemp("graphs"), None, patch)
        made.engine.options = PymafxOptions(hands_every=2, face_every=3, freeze_shape=4)
        yield made
        made.close()


def play(pipeline: GpuPipeline, engine: Any, films: Sequence[list[Frame]], stride: Stride, overlap: bool) -> list[Any]:
    lanes = [Lane(create_tracker(), stride, select=Selection(3), smooth=Smoother()) for _ in films]
    return list(watch(Cameras(films, lanes), pipeline.detector, engine, overlap=overlap))


@pytest.mark.parametrize("stride", [2, pytest.param("auto", marks=pytest.mark.slow)])
def test_two_cameras_have_the_same_results_with_overlap(pipeline: GpuPipeline, stride: Stride) -> None:
    """With hands and faces that rest, a shape that freezes, a cut, and more people than are estimated."""
    films = [film("one", 1, 10, cut=6), film("four", 4, 7)]
    late = Late(pipeline.engine, 10)
    apart = play(pipeline, pipeline.engine, films, stride, False)
    together = play(pipeline, late, films, stride, True)
    assert late.met == [True] * 9
    assert_same(apart, together)
    people = [person for item in apart if not isinstance(item, SourceEvent) for person in item[0].people]
    assert sum(person.state is not TrackState.ENDED for person in people) > 20
    assert any(person.state is TrackState.ENDED for person in people)
    assert {part.origin for person in people for part in person.parts.values()} == {"measured", "held", "default"}


def test_what_was_seen_stays_as_it_is_when_the_next_frame_is_looked_at(pipeline: GpuPipeline) -> None:
    films, engine = film("four", 4, 5), pipeline.engine
    tracks = {track.id: track for track in pipeline.detect(films[0].image)}
    kept: list[tuple[Any, Any]] = []
    for frame in films:
        (seen,) = engine.look([Scene(frame, list(tracks.values()))])
        kept.append((seen.views, deepcopy(seen.views)))
        engine.estimate_seen([seen])
    for views, copies in kept:
        for one, other in zip(views, copies, strict=True):
            for name in ("body", "hands", "face", "confidence", "extra"):
                np.testing.assert_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("parts", ["landmarks", "mesh"])
def test_the_settings_know_whether_the_engine_looks_ahead(pipeline: GpuPipeline, parts: str) -> None:
    engine = pipeline.engine
    section = EngineSettings.model_validate({"name": "pymafx", "assets": ".", "parts": parts})
    engine._views, views = _views(section, BodyModel.embedded(), lambda: None), engine._views
    try:
        assert isinstance(engine, LookingEngine)
        settings = Settings.model_validate({"engine": section, "run": {"overlap": True}})
        assert engine.looks_ahead is not settings.detects_ahead()
    finally:
        engine._views = views
