"""Every line of every registry, and how a name finds its own."""

import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.registry import load_class, pick
from pymafx_live.engines import ENGINES
from pymafx_live.engines.detectors import DETECTORS
from pymafx_live.pipeline.outputs import OUTPUTS
from pymafx_live.pipeline.sources import SOURCES
from pymafx_live.trackers import TRACKERS


@pytest.mark.parametrize("target", [t for r in (DETECTORS, ENGINES, OUTPUTS, TRACKERS) for t in r.values()])
def test_every_line_names_a_class_that_opens_itself(target: str) -> None:
    assert callable(load_class(target).open)


@pytest.mark.parametrize("target", SOURCES.values())
def test_every_line_names_a_reader(target: str) -> None:
    assert callable(load_class(target).of)


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        ("demo", "YoloOnnx"),
        ("a/b.ONNX", "YoloOnnx"),
        ("yolo11n.pt", "UltralyticsYolo"),
        ("ultralytics:b.onnx", "UltralyticsYolo"),
    ],
)
def test_a_name_finds_its_class(weights: str, kind: str) -> None:
    assert pick(DETECTORS, weights, "detector").__name__ == kind


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError, match='there is no engine "nobody": choose one of landmarks, pymafx'):
        pick(ENGINES, "nobody", "engine")
