"""Draws each result over its frame, once for all outputs that show pictures."""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Protocol

import numpy as np
from pymafx_live.core.arrays import Image
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent, SourceRemoved

_KEPT = 8
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
    """Feeds videos, picture files or windows: one sink for each source, since each camera is a picture of its own."""

    def __init__(
        self,
        name: str,
        policy: Policy,
        drawing: Drawing,
        sink_of: Callable[[str], PictureSink],
        sources: Sequence[str] = (),
    ) -> None:
        """`sink_of` makes the sink of a source, "" meaning the only one; those of `sources` are made now, so that
        what cannot be opened is told before the run. A recording may hold more sources than were known."""
        self.name, self.policy = name, policy
        self._drawing, self._sink_of = drawing, sink_of
        self._sinks: dict[str, PictureSink] = {}
        self._unnamed: list[PictureSink] = []
        with ExitStack() as failing:
            failing.callback(self.close)
            if len(sources) > 1:
                for source in sources:
                    self._sinks[source] = sink_of(source)
            else:
                self._unnamed.append(sink_of(""))
            failing.pop_all()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Hands the picture to the source's sink; there is none of a final result."""
        if result.final:
            return
        if result.source not in self._sinks:
            self._sinks[result.source] = self._unnamed.pop() if self._unnamed else self._sink_of(result.source)
        self._sinks[result.source].show(self._drawing.picture(result, frame), result)

    def tell(self, event: SourceEvent) -> None:
        """Closes the sink of a source that was removed from the run."""
        if isinstance(event, SourceRemoved) and event.source in self._sinks:
            self._sinks.pop(event.source).close()

    def close(self) -> None:
        """Closes every sink, also after one that fails."""
        with ExitStack() as stack:
            for sink in [*self._sinks.values(), *self._unnamed]:
                stack.callback(sink.close)


def _black(result: FrameResult) -> Image:
    return np.zeros((result.camera.height, result.camera.width, 3), np.uint8)
