"""Draws each result over its frame, once for all outputs that show pictures."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Frame, FrameResult

Image = NDArray[np.uint8]


class Overlay(Protocol):
    """Draws people."""

    def draw(self, result: FrameResult, image: Image) -> Image:
        """A new (H, W, 3) BGR image: `image` with the people of `result` on it."""


class PictureSink(Protocol):
    """Takes drawn pictures, in order."""

    def show(self, image: Image, frame: Frame) -> None:
        """Takes an (H, W, 3) BGR image; sizes may differ from call to call."""

    def close(self) -> None:
        """Finishes what was written."""


class DrawnOutput:
    """The output that feeds videos, picture files and windows."""

    def __init__(self, overlay: Overlay, sinks: Sequence[PictureSink]) -> None:
        self._overlay = overlay
        self._sinks = sinks

    def write(self, result: FrameResult, frame: Frame) -> None:
        """Draws once and hands the picture to every sink."""
        image = self._overlay.draw(result, frame.image)
        for sink in self._sinks:
            sink.show(image, frame)

    def close(self) -> None:
        """Closes every sink."""
        for sink in self._sinks:
            sink.close()
