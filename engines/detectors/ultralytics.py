"""YOLO through the `ultralytics` package (AGPL-3.0): `.pt`, official names it downloads, and `.engine`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError, UsageError, first_line
from pymafx_live.core.types import Floats
from pymafx_live.engines.runtime import telemetry


class UltralyticsYolo:
    """Finds people with whatever `ultralytics.YOLO` can load."""

    def __init__(self, weights: str, *, size: int | None, confidence: float, iou: float, max_people: int) -> None:
        self._options: dict[str, Any] = {"conf": confidence, "iou": iou, "max_det": max_people}
        if size is not None:
            self._options["imgsz"] = size
        # The package logs to standard output, which is for results here.
        with redirect_stdout(sys.stderr):
            self._model, names = _load(weights, self._options)
        self._options["classes"] = [next((index for index, name in names.items() if name == "person"), 0)]

    def detect(self, image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Boxes (N, 4) x1, y1, x2, y2 in pixels of the (H, W, 3) BGR `image`, and scores (N,), best first."""
        boxes = self._model.predict(image, verbose=False, **self._options)[0].boxes
        return boxes.xyxy.cpu().numpy().astype(np.float32), boxes.conf.cpu().numpy().astype(np.float32)

    def close(self) -> None:
        """Nothing to do: the network's memory goes with the object."""


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
