"""YOLO through ONNX Runtime, for any network in Ultralytics' ONNX layout."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pymafx_live.engines.detectors.letterbox import Letterbox
from pymafx_live.engines.detectors.nms import suppress
from pymafx_live.engines.detectors.yolo_layout import (
    EXPECTED,
    from_anchors,
    from_detections,
    is_end_to_end,
    read_input,
    read_labels,
)
from pymafx_live.pipeline.errors import AssetError
from pymafx_live.pipeline.types import Floats

ERROR = 3
"""ONNX Runtime's level for messages, so that its warnings about a file do not reach the terminal."""


class YoloOnnx:
    """Finds people with a YOLO network. It owns its buffers, so one thread at a time may use it.

    A network of dynamic size is run on the smallest canvas that holds the image (640 x 384 for 1280 x 720).
    """

    def __init__(
        self, path: Path, *, size: int | None, confidence: float, iou: float, max_people: int, threads: int
    ) -> None:
        self._session = _open(path, threads)
        self._output = self._session.get_outputs()[0].name
        self._input = read_input(path, self._session, size)
        self._labels = read_labels(path, self._session)
        self._confidence, self._iou, self._max_people = confidence, iou, max_people
        self._image = self._input.size
        self._letterbox = self._fit(self._image)
        self._end_to_end = is_end_to_end(path, self._try(path).shape, self._labels)

    def detect(self, image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Boxes (N, 4) x1, y1, x2, y2 in pixels of the (H, W, 3) BGR `image`, and scores (N,), best first."""
        shape = image.shape[:2]
        if shape != self._image:
            self._image, self._letterbox = shape, self._fit(shape)
        output = self._run(self._letterbox(image))[0]
        if self._end_to_end:
            boxes, scores = from_detections(output, self._labels.person, self._confidence)
            kept = np.argsort(-scores, kind="stable")[: self._max_people]
        else:
            boxes, scores = from_anchors(output, self._labels.person, self._confidence)
            kept = suppress(boxes, scores, self._iou, self._max_people)
        boxes = self._letterbox.to_image(boxes[kept])
        inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return boxes[inside], scores[kept][inside]

    def close(self) -> None:
        """Nothing to do: the network's memory goes with the object."""

    def _fit(self, image: tuple[int, int]) -> Letterbox:
        return Letterbox(image, self._input.size, self._input.stride, self._input.batch, self._input.dtype)

    def _run(self, tensor: NDArray[np.floating]) -> NDArray[np.floating]:
        output: NDArray[np.floating] = self._session.run([self._output], {self._input.name: tensor})[0]
        return output

    def _try(self, path: Path) -> NDArray[np.floating]:
        """The output for a black image, which also warms the network up."""
        try:
            return self._run(self._letterbox(np.zeros((*self._image, 3), np.uint8)))
        except Exception as error:  # ONNX Runtime's own classes share no other base
            raise AssetError(f"{path} does not run as a YOLO ({_first_line(error)}); {EXPECTED}.") from error


def _open(path: Path, threads: int) -> Any:
    """A session of `path` on the CPU; raises `AssetError` when ONNX Runtime cannot load it."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = ERROR
    # Threads that spin while they wait would take the cores from the stages that run meanwhile.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own classes share no other base
        raise AssetError(f"{path} cannot be loaded as ONNX ({_first_line(error)}); {EXPECTED}.") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
