"""The detector and the landmark networks on pictures in PyTorch's memory find what they find on the host's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.sight import Sight
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from support.parts import create_detector

pytest.importorskip("torch", reason="the extra `torch` is not installed")
pytest.importorskip("onnx")

from pymafx_live.engines.detectors.letterbox_device import Canvases
from pymafx_live.engines.imaging.device import Squares


@pytest.fixture(scope="module")
def clip() -> list[tuple[np.ndarray, Truth]]:
    return list(render_clip("front", 103, 2))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """The arrays that networks are really given."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    seen: list[Any] = []
    run = OnnxRuntimeRunner.run

    def noted(self: OnnxRuntimeRunner, inputs: Any) -> Any:
        seen.extend(inputs.values())
        return run(self, inputs)

    monkeypatch.setattr(OnnxRuntimeRunner, "run", noted)
    yield seen


def look(pictures: Pictures, clip: list[tuple[np.ndarray, Truth]]) -> list[Sight]:
    """What is believed of the same person in each frame."""
    perception, gaze = Perception(1, "onnxruntime", pictures), Gaze()
    sights = [
        perception.look(ImageBatch.single(image, 1), truth.people[0].box[None], [gaze])[0][0] for image, truth in clip
    ]
    perception.close()
    assert all(sight is not None for sight in sights)
    return [sight for sight in sights if sight is not None]


def test_landmarks_are_the_hosts(clip: list[tuple[np.ndarray, Truth]], given: list[Any]) -> None:
    expected = look(Pictures(), clip)
    assert all(isinstance(array, np.ndarray) for array in given)
    given.clear()
    found = look(Pictures(torch_on_cpu=True), clip)
    images = [array for array in given if len(array.shape) == 4]
    assert len(images) >= 8 and all(isinstance(array, Squares) for array in images)
    for a, b in zip(found, expected, strict=True):
        tolerance = 2e-3 * b.side  # pixels
        np.testing.assert_allclose(a.xy, b.xy, atol=tolerance)
        np.testing.assert_allclose(a.world, b.world, atol=0.01)
        np.testing.assert_allclose(a.visibility, b.visibility, atol=0.01)
        assert set(a.hands) == set(b.hands) == {"left", "right"} and a.face is not None and b.face is not None
        for side, hand in b.hands.items():
            np.testing.assert_allclose(a.hands[side].xy, hand.xy, atol=tolerance)
        np.testing.assert_allclose(a.face.xyz, b.face.xyz, atol=tolerance)
        np.testing.assert_allclose(a.face.blendshapes, b.face.blendshapes, atol=0.02)


def test_boxes_are_the_hosts(clip: list[tuple[np.ndarray, Truth]], given: list[Any]) -> None:
    image = clip[0][0]
    expected = create_detector(runtime="onnxruntime", threads=1).detect([image])[0]
    given.clear()
    pictures = Pictures(torch_on_cpu=True)
    detector = create_detector(runtime="onnxruntime", threads=1, pictures=pictures)
    found = detector.detect([image])[0]
    assert given and all(isinstance(array, Canvases) for array in given)
    sure = expected[1] > 0.3
    assert sure.sum() == 1 == (found[1] > 0.3).sum()
    np.testing.assert_allclose(found[0][0], expected[0][0], atol=1.0)
    np.testing.assert_allclose(found[1][0], expected[1][0], atol=0.01)
    detector.detect([image[:, ::2]])  # another size: another canvas
    assert given[-1].shape != given[0].shape


def test_engines_take_the_pictures_of_the_run() -> None:
    """What makes the parts hands them on, so that each frame goes up once."""
    from pymafx_live.configs.schema import Settings
    from pymafx_live.engines import open_engine
    from pymafx_live.engines.detectors import open_detector

    pictures, settings = Pictures(), Settings()
    detector, engine = open_detector(settings, pictures), open_engine(settings, pictures)
    networks = [n for f in ("body", "hand", "face") for n in getattr(engine._perception, f).networks]
    assert len(networks) == 5 and all(network._cutter.pictures is pictures for network in networks)
    assert detector._pictures is pictures
    detector.close()
    engine.close()
