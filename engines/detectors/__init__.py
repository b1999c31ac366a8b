"""The detectors by their weights. To add one, write a class with the methods of `Detector` and `open`, and its line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pymafx_live.configs.schema import Settings
from pymafx_live.core.interfaces import Detector
from pymafx_live.core.registry import pick

if TYPE_CHECKING:
    from pymafx_live.engines.imaging import Pictures

DETECTORS: Mapping[str, str] = {
    "ultralytics:*": "pymafx_live.engines.detectors.ultralytics:UltralyticsYolo",
    "demo": "pymafx_live.engines.detectors.yolo_onnx:YoloOnnx",
    "*.onnx": "pymafx_live.engines.detectors.yolo_onnx:YoloOnnx",
    "*.pt": "pymafx_live.engines.detectors.ultralytics:UltralyticsYolo",
    "*.engine": "pymafx_live.engines.detectors.ultralytics:UltralyticsYolo",
}


def open_detector(settings: Settings, pictures: Pictures) -> Detector:
    """The detector that is asked for, loaded and warm, by its class's `open(settings, pictures)`.

    It and the engine share `pictures`, so that a frame goes up to a GPU once.

    Raises `AssetError` when weights are missing or no YOLO, `UsageError` for weights of no known kind and for a
    missing extra.
    """
    detector: Detector = pick(DETECTORS, settings.detector.weights, "detector").open(settings, pictures)
    return detector
