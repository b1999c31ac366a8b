"""YOLO through the `ultralytics` package (AGPL-3.0): `.pt`, official names it downloads, and `.engine`."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import AssetError, UsageError, first_line
from pymafx_live.core.interfaces import Found
from pymafx_live.core.types import Floats
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime import telemetry


class UltralyticsYolo:
    """Finds people with whatever `ultralytics.YOLO` can load."""

    def __init__(self, weights: str, *, size: int | None, confidence: float, iou: float, max_people: int) -> None:
        self._options: dict[str, Any] = {"conf": confidence, "iou": iou, "max_det": max_people}
        if size is not None:
            self._options["imgsz"] = size
        self._any_batch = Path(weights).suffix not in (".onnx", ".engine")
        # The package logs to standard output, which is for results here.
        with redirect_stdout(sys.stderr):
            self._model, names = _load(weights, self._options)
        self._options["classes"] = [next((index for index, name in names.items() if name == "person"), 0)]

    @classmethod
    def open(cls, settings: Settings, pictures: Pictures) -> Self:
        """Raises `UsageError` without the package, `AssetError` for weights that it cannot load.

        The package has its own runtime and threads, and brings `pictures` up itself.
        """
        detector = settings.detector
        return cls(
            detector.weights.removeprefix("ultralytics:"),
            size=detector.size,
            confidence=detector.confidence,
            iou=detector.iou,
            max_people=settings.most_boxes(),
        )

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """See `Detector.detect`: of each picture the boxes (N, 4), best first, and their scores (N,).

        Pictures of one size are one batch, unless the network takes one at a time; the package would pad others to
        the largest.
        """
        found: dict[int, Found] = {}
        for members in self._batches([image.shape for image in images]):
            results = self._model.predict([images[k] for k in members], verbose=False, **self._options)
            for k, boxes in zip(members, (result.boxes for result in results), strict=True):
                found[k] = _numpy(boxes.xyxy), _numpy(boxes.conf)
        return [found[k] for k in range(len(images))]

    def _batches(self, shapes: Sequence[tuple[int, ...]]) -> list[list[int]]:
        """The indices of the pictures that are run at once: compiled networks have a batch of their own."""
        if not self._any_batch:
            return [[k] for k in range(len(shapes))]
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for k, shape in enumerate(shapes):
            by_shape.setdefault(shape, []).append(k)
        return list(by_shape.values())

    def close(self) -> None:
        """Nothing to do: the network's memory goes with the object."""


def _numpy(tensor: Any) -> Floats:
    return np.asarray(tensor.cpu().numpy(), np.float32)


def _load(weights: str, options: dict[str, Any]) -> tuple[Any, dict[int, str]]:
    """An `ultralytics.YOLO` that has run once, and the names of its classes; raises UsageError and AssetError."""
    try:
        telemetry.switch_off()
        from ultralytics import YOLO
    except ImportError as error:
        raise UsageError(
            f"the detector {weights} needs the package ultralytics (AGPL-3.0), which is not installed: "
            "pip install 'pymafx-live[ultralytics]', or give an .onnx file."
        ) from error
    try:
        model = YOLO(weights, task=None if Path(weights).suffix == ".pt" else "detect", verbose=False)
        black = np.zeros((480, 640, 3), np.uint8)
        return model, model.predict(black, verbose=False, **options)[0].names
    except Exception as error:  # whatever ultralytics, torch and TensorRT raise
        raise AssetError(
            f"ultralytics cannot load {weights} ({first_line(error)}): check the path, or give an official name."
        ) from error
