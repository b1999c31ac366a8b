"""YOLO on any runtime for ONNX files, for any network in Ultralytics' ONNX layout."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.core.interfaces import Found, log_progress
from pymafx_live.core.types import Floats
from pymafx_live.engines.detectors.best_anchors import OUTPUT, in_order, with_best_anchors
from pymafx_live.engines.detectors.demo_weights import demo_weights
from pymafx_live.engines.detectors.letterbox import Letterbox
from pymafx_live.engines.detectors.nms import suppress
from pymafx_live.engines.detectors.yolo_layout import (
    EXPECTED,
    Labels,
    finite,
    from_anchors,
    from_detections,
    is_end_to_end,
    read_input,
    read_labels,
)
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime import Runner, RunnerOptions, as_numpy, for_onnx, may_use_gpu, open_runner
from pymafx_live.engines.runtime.interface import Array
from pymafx_live.engines.runtime.onnx_metadata import read_metadata

ROWS = 8
"""The most rows that a network is expected to be exported with, where it does not say."""
SIZES = 16
"""Picture sizes whose letterboxes are kept: each camera has one, photos have many."""

logger = logging.getLogger(__name__)
_NOBODY: Found = (np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


class YoloOnnx:
    """Finds people with a YOLO network. It owns its buffers, so one thread at a time may use it.

    Pictures that share a canvas are one batch, of as many rows as the network has. A network of dynamic size is run on
    the smallest canvas that holds the image (640 x 384 for 1280 x 720). From a GPU only the best anchors come down, or
    all of them as far as they are about people, where more than those might count: what is found is the same.
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
        batch: int = 1,
    ) -> None:
        """`batch` pictures are given at once, where the network takes any number.

        `size` is the longer side of the network's input in pixels, None the model's own. Boxes that score below
        `confidence` are dropped; of two whose IoU exceeds `iou` the better is kept, and in the end the best
        `max_people`. `threads` are the `runtime`'s, 0 is one per core. `pictures` is shared with whoever else looks
        at the same frames.
        """
        metadata = _metadata(path)
        rows = metadata.get("batch", "")
        options = RunnerOptions(threads, max(int(rows) if rows.isdigit() else ROWS, batch), progress=log_progress)
        self._labels = read_labels(path, metadata)
        self._runner = _open(path, for_onnx(runtime), options, self._labels)
        self._pictures = pictures or Pictures()
        self._lane = self._pictures.lane(self._runner.device)
        self._output = next(iter(self._runner.outputs))
        self._input = read_input(path, self._runner.inputs, metadata, size)
        self._confidence, self._iou, self._max_people = confidence, iou, max_people
        self._rows = self._input.batch or options.max_batch
        self._letterboxes: dict[tuple[int, int], Letterbox] = {}
        self._tensors: dict[tuple[int, int, int], Array] = {}
        self._end_to_end = is_end_to_end(path, self._try(path)[self._output].shape, self._labels)
        self._chooses = OUTPUT in self._runner.outputs and not self._end_to_end

    @classmethod
    def open(cls, settings: Settings, pictures: Pictures) -> Self:
        """Raises `AssetError` where the weights are missing or no YOLO."""
        detector, run = settings.detector, settings.run
        path = demo_weights() if detector.weights == "demo" else Path(detector.weights).expanduser()
        if not path.is_file():
            raise AssetError(f'the detector {path} is missing: check the path, or use the detector "demo".')
        return cls(
            path,
            size=detector.size,
            confidence=detector.confidence,
            iou=detector.iou,
            max_people=settings.most_boxes(),
            threads=run.threads,
            runtime=run.runtime,
            pictures=pictures,
            batch=len(settings.cameras()),
        )

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """See `Detector.detect`: of each picture the boxes (N, 4), best first, and their scores (N,)."""
        with self._lane:  # also what the letterboxes and inputs of new sizes are filled with
            return self._found(images)

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._runner.about

    def close(self) -> None:
        """Gives back what the runtime holds."""
        self._runner.close()

    def _found(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        found: list[Found] = [_NOBODY] * len(images)
        batches: dict[tuple[int, int], list[int]] = {}
        for k, image in enumerate(images):
            fit = self._letterbox(image).fit
            batches.setdefault((fit.height, fit.width), []).append(k)
        for members in batches.values():
            for start in range(0, len(members), self._rows):
                which = members[start : start + self._rows]
                for k, boxes in zip(which, self._detect([images[k] for k in which]), strict=True):
                    found[k] = boxes
        return found

    def _detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """The people in pictures that share a canvas."""
        outputs = self._look(images)
        kept = self._best(outputs, len(images)) if self._chooses else None
        if kept is None:
            rows = as_numpy(self._of_people(outputs[self._output]))
            kept = [self._kept(row) for row in rows[: len(images)]]
        return [self._in_image(found, self._letterbox(image)) for found, image in zip(kept, images, strict=True)]

    def _best(self, outputs: Mapping[str, Array], count: int) -> list[Found] | None:
        """What is kept of the best anchors of each picture; None where more might be kept of all of them."""
        kept: list[Found] = []
        for best in as_numpy(outputs[OUTPUT])[:count]:
            boxes, scores = self._kept(in_order(best))
            enough = len(scores) == self._max_people and scores[-1] > best[:, 4].min()
            if not enough and (best[:, 4] >= self._confidence).all():
                return None
            kept.append((boxes, scores))
        return kept

    def _kept(self, output: Floats) -> Found:
        """The boxes in the network's input and the scores that one row of its output says, best first.

        What is no number is no box, before one of them can suppress its neighbours.
        """
        output = finite(output, 1 if self._end_to_end else 0)
        if self._end_to_end:
            boxes, scores = from_detections(output, self._labels.person, self._confidence)
            kept = np.argsort(-scores, kind="stable")[: self._max_people]
        else:
            boxes, scores = from_anchors(output, self._confidence)
            kept = suppress(boxes, scores, self._iou, self._max_people)
        return boxes[kept], scores[kept]

    def _in_image(self, found: Found, letterbox: Letterbox) -> Found:
        """The same in the picture, without those that lie outside of it."""
        boxes = letterbox.to_image(found[0])
        inside = (boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)
        return boxes[inside], found[1][inside]

    def _letterbox(self, image: NDArray[np.uint8]) -> Letterbox:
        height, width = image.shape[:2]
        if (height, width) not in self._letterboxes:
            if len(self._letterboxes) >= SIZES:
                self._letterboxes.clear()
                self._tensors.clear()
            self._letterboxes[height, width] = self._fit((height, width))
        return self._letterboxes[height, width]

    def _fit(self, image: tuple[int, int]) -> Letterbox:
        device, wanted = self._runner.device, self._input
        if self._pictures.stay_on_host(device):
            return Letterbox(image, wanted.size, wanted.stride)
        from pymafx_live.engines.detectors.letterbox_device import DeviceLetterbox

        return DeviceLetterbox(device, image, wanted.size, wanted.stride)

    def _look(self, images: Sequence[NDArray[np.uint8]]) -> Mapping[str, Array]:
        """The network's outputs where they lie; to be called, and the outputs used, in the lane."""
        tensor = self._tensor(self._letterbox(images[0]), len(images))
        for k, image in enumerate(images):
            self._letterbox(image).fill(tensor, k, self._pictures.on(image, self._runner.device))
        return self._runner.run({self._input.name: tensor})

    def _tensor(self, letterbox: Letterbox, count: int) -> Array:
        """The input for `count` pictures; where the batch is fixed its last rows may hold what they held before."""
        fit, rows = letterbox.fit, self._input.batch or count
        key = rows, fit.height, fit.width
        if key not in self._tensors:
            self._tensors[key] = letterbox.rows(rows, self._input.dtype)
        return self._tensors[key]

    def _of_people(self, outputs: Array) -> Array:
        """Of outputs (B, 4 + classes, anchors) the rows (B, 5, anchors) that count, or those of detections as they
        are."""
        person = 4 + self._labels.person
        if self._end_to_end:
            return outputs
        return outputs[:, :5] if person == 4 else outputs[:, [0, 1, 2, 3, person]]

    def _try(self, path: Path) -> Mapping[str, Array]:
        """The outputs for a black image, of each size that will come: that also warms the network up for those.

        Where none is known it is as broad as most cameras' are.
        """
        height, width = self._input.size
        sizes = sorted(self._pictures.sizes) or [(width, width * 9 // 16)]
        if self._input.stride is None:
            sizes = [(width, height)]
        try:
            with self._lane:
                return [self._look([np.zeros((height, width, 3), np.uint8)]) for width, height in sizes][-1]
        except NetworkError as error:
            raise AssetError(f"{path} does not run as a YOLO ({str(error).rstrip('.')}); {EXPECTED}.") from error


def _open(path: Path, runtime: str, options: RunnerOptions, labels: Labels) -> Runner:
    """The network on a runtime: with the output of its best anchors on a GPU, as it is on the processor."""
    chooses = with_best_anchors(path, labels, options.cache) if may_use_gpu(runtime) else path
    if chooses != path:
        try:
            runner = open_runner(chooses, runtime, options)
        except NetworkError as error:
            logger.warning("%s All its anchors come down from the GPU.", error)
        else:
            if runner.device != "cpu":
                return runner
            runner.close()
    return open_runner(path, runtime, options)


def _metadata(path: Path) -> dict[str, str]:
    try:
        return read_metadata(path)
    except NetworkError as error:
        raise AssetError(f"{str(error).partition(':')[0]}: {EXPECTED}.") from error
