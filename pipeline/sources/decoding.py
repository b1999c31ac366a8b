"""Decodes the video of a file or a stream with PyAV, and survives damaged frames in it."""

import logging
from collections.abc import Iterator

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ERRORS_IN_A_ROW = 100
"""So many unreadable packets without one good between them are taken for the end of the video."""


class Decoder:
    """The images of a container's best video stream.

    `lost` counts the frames that were damaged and left out.
    """

    def __init__(self, container: InputContainer, name: str) -> None:
        self.lost = 0
        self._now = 0.0
        self._container = container
        self._name = name
        self._stream: VideoStream = container.streams.video[0]
        # Threads that decode several frames at once give them out late, and lose the good neighbours of a
        # damaged one.
        self._stream.thread_type = "SLICE"
        self._reformatter = VideoReformatter()

    @property
    def count(self) -> int:
        """How many frames the container says it holds, 0 where it does not say."""
        return self._stream.frames

    def images(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        """(H, W, 3) uint8 BGR images, upright, and their presentation times in seconds from the first.

        Times always advance: where the container's do not (joined or badly cut recordings), they go on one frame later.
        """
        offset: float | None = None
        for frame, length in self._frames():
            stamp = frame.time
            if offset is None:
                offset = -(stamp or 0.0)
            elif stamp is None or stamp + offset <= self._now:
                offset = self._now + length - (stamp or 0.0)
            self._now = (stamp or 0.0) + offset
            yield self._upright(frame), self._now

    def _upright(self, frame: VideoFrame) -> NDArray[np.uint8]:
        image = np.asarray(self._reformatter.reformat(frame, format="bgr24").to_ndarray(), np.uint8)
        quarters = round(frame.rotation / 90) % 4
        return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image

    def _frames(self) -> Iterator[tuple[VideoFrame, float]]:
        """The frames, and for how many seconds each is shown."""
        length = 1 / float(self._stream.average_rate or 25)
        for packet in self._packets():
            if packet.duration and packet.time_base:
                length = float(packet.duration * packet.time_base)
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._lose()
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self._lose()
                else:
                    yield frame, length

    def _packets(self) -> "Iterator[Packet[VideoStream]]":
        errors = 0
        while errors < _ERRORS_IN_A_ROW:
            try:
                for packet in self._container.demux(self._stream):
                    errors = 0
                    yield packet
            except av.error.InvalidDataError:
                errors += 1
            else:
                return

    def _lose(self) -> None:
        self.lost += 1
        if self.lost == 1:
            logger.warning(
                "%s: a frame after %.1f s is damaged and was left out; others like it are only counted",
                self._name, self._now,
            )  # fmt: skip
