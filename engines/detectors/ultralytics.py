"""YOLO through the `ultralytics` package (AGPL-3.0): `.pt`, official names it downloads, and `.engine`."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymafx_live.pipeline.errors import AssetError, UsageError
from pymafx_live.pipeline.types import Floats


class UltralyticsYolo:
    """Finds people with whatever `ultralytics.YOLO` can load."""

    def __init__(self, weights: str, *, size: int | None, confidence: float, iou: float, max_people: int) -> None:
        try:
            from ultralytics import YOLO
        except ImportError as error:
            raise UsageError(
                f"the detector {weights} needs the package ultralytics (AGPL-3.0), which is not installed: "
                "pip install 'pymafx-live[ultralytics]', or give an .onnx file."
            ) from error
        try:
            self._model = YOLO(weights, task=None if Path(weights).suffix == ".pt" else "detect")
            names: dict[int, str] = self._model.names
        except Exception as error:  # whatever ultralytics, torch and TensorRT raise
            raise AssetError(f"ultralytics cannot load {weights} ({error}): check the file.") from error
        person = next((index for index, name in names.items() if name == "person"), 0)
        self._options = {"classes": [person], "conf": confidence, "iou": iou, "max_det": max_people}
        if size is not None:
            self._options["imgsz"] = size

    def detect(self, image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Boxes (N, 4) x1, y1, x2, y2 in pixels of the (H, W, 3) BGR `image`, and scores (N,), best first."""
        boxes = self._model.predict(image, verbose=False, **self._options)[0].boxes
        return boxes.xyxy.cpu().numpy().astype(np.float32), boxes.conf.cpu().numpy().astype(np.float32)

    def close(self) -> None:
        """Nothing to do: the network's memory goes with the object."""
