"""YOLO on any runtime for ONNX files, for any network in Ultralytics' ONNX layout."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.core.types import Floats
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
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime import RunnerOptions, as_numpy, for_onnx, open_runner
from pymafx_live.engines.runtime.interface import Array
from pymafx_live.engines.runtime.onnx_metadata import read_metadata

ROWS = 8
"""The most rows that a network is expected to be exported with, where it does not say; one image is run at a time."""


class YoloOnnx:
    """Finds people with a YOLO network. It owns its buffers, so one thread at a time may use it.

    A network of dynamic size is run on the smallest canvas that holds the image (640 x 384 for 1280 x 720). From a
    GPU only boxes and their scores as people come down.
    """

    def __init__(
        self,
        path: Path,
        *,
        size: int | None,
        confidence: float,
        iou: float,
        max_people: int,
        threads: int,
        runtime: str = "auto",
        pictures: Pictures | None = None,
    ) -> None:
        metadata = _metadata(path)
        rows = metadata.get("batch", "")
        options = RunnerOptions(threads=threads, max_batch=int(rows) if rows.isdigit() else ROWS)
        self._runner = open_runner(path, for_onnx(runtime), options)
        self._pictures = pictures or Pictures()
        self._lane = self._pictures.lane(self._runner.device)
        self._output = next(iter(self._runner.outputs))
        self._input = read_input(path, self._runner.inputs, metadata, size)
        self._labels = read_labels(path, metadata)
        self._confidence, self._iou, self._max_people = confidence, iou, max_people
        self._image = self._input.size
        self._letterbox = self._fit(self._image)
        self._end_to_end = is_end_to_end(path, self._try(path).shape, self._labels)

    def detect(self, image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Boxes (N, 4) x1, y1, x2, y2 in pixels of the (H, W, 3) BGR `image`, and scores (N,), best first."""
        shape = image.shape[:2]
        if shape != self._image:
            self._image, self._letterbox = shape, self._fit(shape)
        with self._lane:
            output = as_numpy(self._of_people(self._look(image)[0]))
        if self._end_to_end:
            boxes, scores = from_detections(output, self._labels.person, self._confidence)
            kept = np.argsort(-scores, kind="stable")[: self._max_people]
        else:
            boxes, scores = from_anchors(output, self._confidence)
            kept = suppress(boxes, scores, self._iou, self._max_people)
        boxes = self._letterbox.to_image(boxes[kept])
        inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return boxes[inside], scores[kept][inside]

    def close(self) -> None:
        """Gives back what the runtime holds."""
        self._runner.close()

    def _fit(self, image: tuple[int, int]) -> Letterbox:
        device, wanted = self._runner.device, self._input
        if self._pictures.stay_on_host(device):
            return Letterbox(image, wanted.size, wanted.stride, wanted.batch, wanted.dtype)
        from pymafx_live.engines.detectors.letterbox_device import DeviceLetterbox

        return DeviceLetterbox(device, image, wanted.size, wanted.stride, wanted.batch, wanted.dtype)

    def _look(self, image: NDArray[np.uint8]) -> Array:
        """The network's output where it lies; to be called, and the output used, in the lane."""
        tensor = self._letterbox(self._pictures.on(image, self._runner.device))
        return self._runner.run({self._input.name: tensor})[self._output]

    def _of_people(self, output: Array) -> Array:
        """Of an output (4 + classes, anchors) the rows (5, anchors) that count, or one of detections as it is."""
        return output if self._end_to_end else output[[0, 1, 2, 3, 4 + self._labels.person]]

    def _try(self, path: Path) -> Array:
        """The output for a black image, which also warms the network up."""
        try:
            with self._lane:
                return self._look(np.zeros((*self._image, 3), np.uint8))
        except NetworkError as error:
            raise AssetError(f"{path} does not run as a YOLO ({str(error).rstrip('.')}); {EXPECTED}.") from error


def _metadata(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except NetworkError as error:
        raise AssetError(f"{str(error).partition(':')[0]}: {EXPECTED}.") from error
