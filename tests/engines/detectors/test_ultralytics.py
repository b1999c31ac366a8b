"""The `ultralytics` package as detector, where it is installed, and as a judge of our own."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.detectors.demo_weights import demo_weights
from support.parts import create_detector

PEOPLE = Path(__file__).resolve().parents[2] / "data"
INSTALLED = find_spec("ultralytics") is not None
needs_package = pytest.mark.skipif(not INSTALLED, reason="the extra `ultralytics` is not installed")


@pytest.mark.skipif(INSTALLED, reason="the extra `ultralytics` is installed")
@pytest.mark.parametrize("weights", ["yolo11n.pt", "yolo11n.engine", "ultralytics:yolo11n.onnx"])
def test_a_missing_extra_is_named_with_its_licence(weights: str) -> None:
    with pytest.raises(UsageError, match=r"AGPL-3\.0.*pymafx-live\[ultralytics\]"):
        create_detector(weights)


@needs_package
@pytest.mark.parametrize("picture", ["astronaut", "hopper"])
@pytest.mark.parametrize("size", [640, 320])
def test_ours_finds_what_ultralytics_finds(picture: str, size: int) -> None:
    image = cv2.imread(str(PEOPLE / f"{picture}.jpg"))
    ours, our_scores = create_detector(size=size).detect([image])[0]
    theirs, their_scores = create_detector(f"ultralytics:{demo_weights()}", size=size).detect([image])[0]
    np.testing.assert_allclose(our_scores, their_scores, atol=1e-4)
    np.testing.assert_allclose(ours, theirs, atol=0.02)


@needs_package
def test_a_checkpoint_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With random weights, which find nothing that makes sense; the shapes and the limits hold."""
    from ultralytics import YOLO

    path = tmp_path / "random.pt"
    YOLO("yolo11n.yaml").save(path)
    capfd.readouterr()
    detector = create_detector(str(path), size=320, confidence=1e-6)
    boxes, scores = detector.detect([np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)])[0]
    assert boxes.shape == (len(scores), 4)
    assert len(scores) <= 20
    assert boxes.dtype == scores.dtype == np.float32
    assert capfd.readouterr().out == "", "standard output is for results"


@needs_package
def test_a_checkpoint_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    path.write_bytes(b"garbage")
    with pytest.raises(AssetError, match=r"cannot load .*broken\.pt") as told:
        create_detector(str(path))
    assert "\n" not in str(told.value)
