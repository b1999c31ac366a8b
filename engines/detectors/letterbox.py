"""Fit an image into a network's input: scaled with its aspect kept, centred, the rest grey."""

from dataclasses import dataclass

import cv2
import numpy as np
from pymafx_live.core.types import Floats
from pymafx_live.engines.imaging import Picture
from pymafx_live.engines.runtime.interface import Array

GREY = 114
"""The padding that Ultralytics trains with."""
UNIT = np.float32(1 / 255)


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image lies in the canvas: canvas pixel = image pixel * scale + (left, top)."""

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int
    scale: float


def fit(image: tuple[int, int], size: tuple[int, int], stride: int | None) -> Fit:
    """Place an image of (height, width) in a canvas of at most `size` (height, width), as Ultralytics does.

    With a `stride` the padding is cut to the least that keeps both sides multiples of it (rectangular
    inference, for networks that take any size); with None the canvas is all of `size`.
    """
    height, width = image
    scale = min(size[0] / height, size[1] / width)
    inner_h, inner_w = max(round(height * scale), 1), max(round(width * scale), 1)
    pad_h, pad_w = size[0] - inner_h, size[1] - inner_w
    if stride is not None:
        pad_h, pad_w = pad_h % stride, pad_w % stride
    # Half a pixel of odd padding goes to the right and the bottom.
    top, left = round(pad_h / 2 - 0.1), round(pad_w / 2 - 0.1)
    return Fit(inner_h + pad_h, inner_w + pad_w, inner_h, inner_w, top, left, scale)


class Letterbox:
    """Turns pictures of one size into a network's input, in buffers that are made once; these lie on the processor."""

    def __init__(
        self,
        image: tuple[int, int],
        size: tuple[int, int],
        stride: int | None,
        batch: int = 1,
        dtype: type[np.float16] | type[np.float32] = np.float32,
    ) -> None:
        self.fit = f = fit(image, size, stride)
        self._canvas, self._tensor = self._buffers((f.height, f.width, 3), (batch, 3, f.height, f.width), dtype)
        self._inner = self._canvas[f.top : f.top + f.inner_height, f.left : f.left + f.inner_width]
        self._offset = np.array([f.left, f.top] * 2, np.float32)
        self._limit = np.array([image[1], image[0]] * 2, np.float32)

    def __call__(self, picture: Picture) -> Array:
        """`picture` as row 0 of (batch, 3, h, w) RGB in 0..1, valid until the next call."""
        picture.scale_into(self._inner)
        self._fill()
        return self._tensor

    def to_image(self, boxes: Floats) -> Floats:
        """Boxes (N, 4), x1, y1, x2, y2 in pixels of the canvas, in pixels of the image and clipped to it."""
        inside: Floats = np.clip((boxes - self._offset) / np.float32(self.fit.scale), 0, self._limit)
        return inside

    def _buffers(
        self, canvas: tuple[int, ...], tensor: tuple[int, ...], dtype: type[np.floating]
    ) -> tuple[Array, Array]:
        """A grey canvas of bytes, and the network's input."""
        self._planes = [np.empty(canvas[:2], np.uint8) for _ in range(3)]
        return np.full(canvas, GREY, np.uint8), np.zeros(tensor, dtype)

    def _fill(self) -> None:
        """Brings the canvas into the network's input."""
        cv2.split(self._canvas, self._planes)
        for plane, channel in zip(self._planes, (2, 1, 0), strict=True):
            np.multiply(plane, UNIT, out=self._tensor[0, channel], casting="same_kind")
