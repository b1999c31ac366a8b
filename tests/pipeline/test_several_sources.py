"""Two sources at once give what each gives alone, to the last bit: the real detector, tracker and engine."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings
from pymafx_live.core.types import FrameResult, Person, Raw, SourceEvent, SourceState
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane, Stride
from pymafx_live.pipeline.loop import watch
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.sources import open_sources
from pymafx_live.pipeline.stop import Stop
from pymafx_live.trackers import open_tracker
from support.clips import write

Results = dict[str, list[FrameResult]]


class Player:
    """Runs clips through one detector and one engine, which forget every source that is over."""

    def __init__(self) -> None:
        self.settings = Settings.model_validate({"run": {"runtime": "onnxruntime"}, "sources": [{"uri": "x"}] * 2})
        pictures = Pictures(2)
        self.detector = open_detector(self.settings, pictures)
        self.engine = open_engine(self.settings, pictures)

    def __call__(self, clips: Sequence[Path], stride: Stride, overlap: bool = False) -> Results:
        """The results of a run, by source."""
        out = Results()
        cameras = [(SourceSettings(uri=str(clip)), lens(CameraSettings())) for clip in clips]
        sources = list(open_sources(cameras, Stop()))
        lanes = [Lane(open_tracker(self.settings.tracker), stride, smooth=Smoother()) for _ in sources]
        for item in watch(Cameras(sources, lanes), self.detector, self.engine, overlap=overlap):
            if isinstance(item, SourceEvent):
                assert item.state is SourceState.ENDED
            else:
                out.setdefault(item[0].source, []).append(item[0])
        for source in sources:
            source.close()
        return out


@pytest.fixture(scope="module")
def play() -> Iterator[Player]:
    player = Player()
    yield player
    player.detector.close()
    player.engine.close()


def assert_same(one: Person | Raw, other: Person | Raw) -> None:
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "raw" and a is not None:
            assert_same(a, b)
        elif field.name == "extra":
            assert a.keys() == b.keys()
            for name in a:
                np.testing.assert_array_equal(a[name], b[name], name)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, field.name)
        else:
            assert a == b


@pytest.mark.parametrize(("stride", "overlap"), [(2, True), ("auto", False)])
def test_each_of_two_files_gives_what_it_gives_alone(
    tmp_path: Path, play: Player, stride: Stride, overlap: bool
) -> None:
    clips = [write(tmp_path / "hall.mp4", 0, 12, (960, 540)), write(tmp_path / "door.mp4", 20, 7, (640, 480))]
    together = play(clips, stride, overlap)
    for clip, count in zip(clips, (12, 7), strict=True):
        alone = play([clip], stride, overlap)[clip.name]
        assert len(alone) == len(together[clip.name]) == count + 1
        assert alone[-1].final and {person.state for person in alone[-1].people} == {"ended"}
        assert any(result.people for result in alone)
        for one, other in zip(alone, together[clip.name], strict=True):
            assert (one.sequence, one.time, one.camera) == (other.sequence, other.time, other.camera)
            assert len(one.people) == len(other.people)
            for a, b in zip(one.people, other.people, strict=True):
                assert_same(a, b)


def test_the_same_file_twice_is_two_sources_of_the_same_people(tmp_path: Path, play: Player) -> None:
    clip = write(tmp_path / "hall.mp4", 0, 6, (960, 540))
    first, second = play([clip, clip], 1).values()
    assert (first[0].source, second[0].source) == ("hall.mp4", "hall.mp4-2")
    for one, other in zip(first, second, strict=True):
        assert one.people
        for a, b in zip(one.people, other.people, strict=True):
            assert_same(a, b)
