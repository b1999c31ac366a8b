"""Decodes the video of a file or a stream with PyAV, and survives damaged frames in it."""

import logging
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

_ERRORS_IN_A_ROW = 100
"""So many unreadable packets without one good between them are taken for the end of the video."""


class Decoder:
    """The images of a container's best video stream.

    `lost` counts the frames that were damaged and left out. With `strict`, after a damaged one nothing counts until a
    clean key frame: a decoder conceals what a network has lost, and all frames that build upon it are as wrong. In a
    file, where recordings are joined without care, only the damaged frames themselves are left out.
    """

    def __init__(self, container: InputContainer, name: str, strict: bool = False) -> None:
        self.lost = 0
        self._now = 0.0
        self._strict, self._clean = strict, True
        self._size: tuple[int, int] | None = None
        self._damaged: set[int | None] = set()  # the times of packets of which something is missing
        self._container = container
        self._name = name
        self._stream = _best(container)
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
        """The picture as a player shows it: of square pixels, turned and mirrored."""
        aspect = self._stream.sample_aspect_ratio
        width = round(frame.width * aspect) if aspect else frame.width
        shown = self._reformatter.reformat(frame, width=width, format="bgr24")
        image = np.asarray(shown.to_ndarray(), np.uint8)
        side_data: Any = frame.side_data
        matrix = side_data.get(Type.DISPLAYMATRIX)
        if matrix is None:
            return image
        return _placed(image, np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2])

    def _frames(self) -> Iterator[tuple[VideoFrame, float]]:
        """The frames, and for how many seconds each is shown."""
        length = 1 / float(self._stream.average_rate or 25)
        before = False
        for packet in self._packets():
            if packet.duration and packet.time_base:
                length = float(packet.duration * packet.time_base)
            if packet.is_corrupt or before:  # what is missing between two packets is told with the first
                self._damaged.add(packet.pts)
            before = packet.is_corrupt
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                self._clean = False
                self._lose()
                continue
            for frame in frames:
                if self._good(frame):
                    yield frame, length
                else:
                    self._lose()

    def _good(self, frame: VideoFrame) -> bool:
        """Whether nothing of a frame is made up. A new size, which bit errors invent too, needs a clean key frame."""
        size = frame.width, frame.height
        damaged = frame.is_corrupt or (self._strict and frame.pts in self._damaged)
        if damaged or (self._strict and size != self._size and not frame.key_frame):
            self._clean = False
        elif frame.key_frame or not self._strict:
            self._clean, self._size = True, size
            self._damaged.clear()
        return self._clean

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


def _best(container: InputContainer) -> VideoStream:
    """The largest video that is no cover picture, or else the first."""
    films = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    return max(films or container.streams.video[:1], key=lambda s: s.width * s.height)


def _placed(image: NDArray[np.uint8], matrix: NDArray[np.int32]) -> NDArray[np.uint8]:
    """An image (H, W, 3) turned and mirrored as a display matrix's upper left (2, 2) says.

    A row (x, y) times the matrix is where a pixel is shown; only quarter turns and mirrors are done.
    """
    (a, b), (c, d) = matrix.tolist()
    if abs(a) + abs(d) < abs(b) + abs(c):
        image, a, d = image.swapaxes(0, 1), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
