"""Fit an image into a network's input: scaled with its aspect kept, centred, the rest grey."""

from dataclasses import dataclass

import cv2
import numpy as np
from pymafx_live.core.types import Floats
from pymafx_live.engines.imaging import HostPicture, Picture
from pymafx_live.engines.runtime.interface import Array

GREY = 114
"""The padding that Ultralytics trains with."""
UNIT = np.float32(1 / 255)


@dataclass(frozen=True, slots=True)
class Fit:
    """How an image lies in the canvas: scaled to inner_height and inner_width, each rounded, at (left, top)."""

    height: int
    width: int
    inner_height: int
    inner_width: int
    top: int
    left: int


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
    return Fit(inner_h + pad_h, inner_w + pad_w, inner_h, inner_w, top, left)


class Letterbox:
    """Brings pictures of one size into rows of a network's input; the canvas is made once, on the processor."""

    def __init__(self, image: tuple[int, int], size: tuple[int, int], stride: int | None) -> None:
        """For pictures of `image` (height, width); see `fit`."""
        self.fit = f = fit(image, size, stride)
        self._canvas = self._grey((f.height, f.width, 3))
        self._inner = self._canvas[f.top : f.top + f.inner_height, f.left : f.left + f.inner_width]
        self._offset = np.array([f.left, f.top] * 2, np.float32)
        self._scale = np.array([f.inner_width / image[1], f.inner_height / image[0]] * 2, np.float32)
        self._limit = np.array([image[1], image[0]] * 2, np.float32)

    def rows(self, count: int, dtype: type[np.floating]) -> Array:
        """An empty input for so many pictures, (`count`, 3, h, w)."""
        return np.zeros((count, 3, self.fit.height, self.fit.width), dtype)

    def fill(self, rows: Array, k: int, picture: Picture) -> None:
        """Writes `picture` into a row (3, h, w) of what `rows` gave as RGB in 0..1."""
        assert isinstance(picture, HostPicture)
        picture.scale_into(self._inner)
        self._write(rows[k])

    def to_image(self, boxes: Floats) -> Floats:
        """Boxes (N, 4), x1, y1, x2, y2 in pixels of the canvas, in pixels of the image and clipped to it."""
        inside: Floats = np.clip((boxes - self._offset) / self._scale, 0, self._limit)
        return inside

    def _grey(self, canvas: tuple[int, int, int]) -> Array:
        self._planes = [np.empty(canvas[:2], np.uint8) for _ in range(3)]
        return np.full(canvas, GREY, np.uint8)

    def _write(self, row: Array) -> None:
        """Brings the canvas into a row of the network's input."""
        cv2.split(self._canvas, self._planes)
        for plane, channel in zip(self._planes, (2, 1, 0), strict=True):
            np.multiply(plane, UNIT, out=row[channel], casting="same_kind")
