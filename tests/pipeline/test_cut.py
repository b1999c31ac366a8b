"""After a cut all is as if the run began there, to the last bit: the real detector, tracker, engine and filters."""

from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

import av
import numpy as np
import pytest
from pymafx_live.configs.schema import Settings
from pymafx_live.core.types import SHAPES, Frame, FrameResult, TrackState
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.lane import Stride
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from support.parts import create_tracker

SETTINGS = Settings.model_validate({"run": {"runtime": "onnxruntime"}})
BEFORE, AFTER = slice(0, 9), slice(40, 50)


@pytest.fixture(scope="module")
def parts() -> Iterator[tuple]:
    pictures = Pictures()
    detector, engine = open_detector(SETTINGS, pictures), open_engine(SETTINGS, pictures)
    yield detector, engine
    detector.close()
    engine.close()


@pytest.fixture(scope="module")
def film() -> list[Frame]:
    with av.open(str(files("pymafx_live.engines.data") / "demo.mp4")) as clip:
        images = [picture.to_ndarray(format="bgr24") for picture in clip.decode(video=0)][: AFTER.stop]
    camera = Lens().camera(images[0].shape[1], images[0].shape[0])
    return [Frame(image, "cam", k, k / 25, 0.0, camera) for k, image in enumerate(images)]


def play(parts: tuple, frames: list[Frame], stride: Stride, overlap: bool) -> list[FrameResult]:
    detector, engine = parts
    how = {"stride": stride, "overlap": overlap, "select": Selection(8), "smooth": Smoother()}
    return [result for result, _ in results(frames, detector, create_tracker(), engine, **how)]


def present(result: FrameResult) -> list:
    return [person for person in result.people if person.state is not TrackState.ENDED]


@pytest.mark.parametrize(("stride", "overlap"), [("auto", False), pytest.param(3, True, marks=pytest.mark.slow)])
def test_nothing_is_carried_over_a_cut(parts, film, stride, overlap):
    """The scene after the cut begins at an earlier time than that before it ended, as a loop or another clock does."""
    scene = [replace(frame, time=frame.time - film[AFTER.start].time) for frame in film[AFTER]]
    alone = play(parts, scene, stride, overlap)
    cut = play(parts, [*film[BEFORE], replace(scene[0], cut=True), *scene[1:]], stride, overlap)
    before, after = cut[: BEFORE.stop], cut[BEFORE.stop :]
    gone = {person.id for person in present(before[-1])}
    assert gone and {p.id for p in after[0].people if p.state is TrackState.ENDED} == gone
    assert not gone & {person.id for result in after for person in present(result)}
    for one, other in zip(after, alone, strict=True):
        assert ("detect" in one.stages) is ("detect" in other.stages)
        assert len(present(one)) == len(present(other))
        for person, fresh in zip(present(one), present(other), strict=True):
            assert (person.state, person.parts) == (fresh.state, fresh.parts)
            for name in (*SHAPES, "box", "pelvis"):
                np.testing.assert_array_equal(getattr(person, name), getattr(fresh, name), name)
            assert person.extra.keys() == fresh.extra.keys()
            for name in person.extra:
                np.testing.assert_array_equal(person.extra[name], fresh.extra[name], name)
