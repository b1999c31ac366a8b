"""Draws each result over its frame, once for all outputs that show pictures."""

from collections import deque
from threading import Lock
from typing import Protocol

import numpy as np
from pymafx_live.core.arrays import Image
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult

_KEPT = 4
"""Pictures that are kept for the output that comes for them later; who comes too late has them drawn anew."""


class Overlay(Protocol):
    """Draws people."""

    def draw(self, result: FrameResult, image: Image) -> Image:
        """A new (H, W, 3) BGR image: `image` with the people of `result` on it."""


class PictureSink(Protocol):
    """Takes drawn pictures, in order."""

    def show(self, image: Image, result: FrameResult) -> None:
        """Takes an (H, W, 3) BGR image, not to be written to; sizes may differ from call to call."""

    def close(self) -> None:
        """Finishes what was written."""


class Drawing:
    """The picture of a result, for the threads of several outputs."""

    def __init__(self, overlay: Overlay, floor: bool = False) -> None:
        """With `floor` people stand on a grid."""
        self._overlay, self._floor = overlay, floor
        self._drawn: deque[tuple[FrameResult, Image]] = deque(maxlen=_KEPT)
        self._lock = Lock()

    def picture(self, result: FrameResult, frame: Frame | None) -> Image:
        """The people over their frame, or over black where there is none, as in a replay."""
        with self._lock:
            for drawn, image in self._drawn:
                if drawn is result:
                    return image
            below = _black(result) if frame is None else frame.image
            if self._floor:
                from pymafx_live.pipeline.outputs.floor import draw_floor

                below = draw_floor(result, below)
            image = self._overlay.draw(result, below)
            self._drawn.append((result, image))
            return image


class DrawnOutput(Output):
    """Feeds a video, picture files or a window."""

    def __init__(self, name: str, policy: Policy, drawing: Drawing, sink: PictureSink) -> None:
        self.name, self.policy = name, policy
        self._drawing, self._sink = drawing, sink

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Hands the picture to the sink; there is none of a final result."""
        if result.final:
            return
        self._sink.show(self._drawing.picture(result, frame), result)

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()


def _black(result: FrameResult) -> Image:
    return np.zeros((result.camera.height, result.camera.width, 3), np.uint8)
