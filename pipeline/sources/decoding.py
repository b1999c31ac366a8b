"""Decodes the video of a file or a stream with PyAV, and survives damaged frames in it."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideDataContainer, Type
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray
from pymafx_live.pipeline.sources.complaints import Complaints
from pymafx_live.pipeline.sources.h264 import FrameNumbers
from pymafx_live.pipeline.sources.hwaccel import tell_decoder
from pymafx_live.pipeline.sources.reader import plausible_fps, plausible_size

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel

logger = logging.getLogger(__name__)

_ERRORS_IN_A_ROW = 100
"""So many unreadable packets without one good between them are taken for the end of the video."""
_REORDERED = 64
"""More packets than any decoder holds back to bring its pictures into order."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A decoded frame, not yet converted.

    `time` is in seconds from the first and always advances; `stamp` is the stream's own time in seconds, if any.
    """

    time: float
    stamp: float | None
    frame: VideoFrame


class Decoder:
    """The pictures of a container's best video stream.

    `lost` counts the frames that were damaged and left out. With `strict`, after a damaged one nothing counts until a
    clean key frame: a decoder conceals what a network has lost, and all frames that build upon it are as wrong. In a
    file, where recordings are joined without care, only the damaged frames themselves are left out.
    """

    def __init__(
        self,
        container: InputContainer,
        name: str,
        strict: bool = False,
        heed: Callable[["Packet[VideoStream]", float], None] | None = None,
    ) -> None:
        """`heed` is called with each packet as it comes, and the seconds that it was waited for."""
        self.lost = 0
        self._now = 0.0
        self._strict, self._clean = strict, True
        self._size: tuple[int, int] | None = None
        self._since: deque[int | None] = deque(maxlen=_REORDERED)  # times of the packets since the last damage
        self._container = container
        self._name = name
        self._heed = heed
        self._stream = _best(container)
        # Threads that decode several frames at once give them out late, and lose the good neighbours of a
        # damaged one.
        self._stream.thread_type = "SLICE"
        self._numbers, self._complaints = None, None
        if strict:
            coding = self._stream.codec_context
            coding.thread_count = 1  # of several, not all are heard
            self._complaints = Complaints()
            self._numbers = FrameNumbers(coding.extradata) if coding.name == "h264" else None
        self._reformatter = VideoReformatter()

    @property
    def count(self) -> int:
        """How many frames the container says it holds, 0 where it does not say."""
        return self._stream.frames

    @property
    def nominal_fps(self) -> float:
        """Frames a second as the container or else the codec tells them, 0 where neither does."""
        told = self._stream.average_rate or self._stream.codec_context.framerate
        return plausible_fps(float(told or 0))

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of most images, as far as is known before the first, which may be turned."""
        return plausible_size(float(self._stream.width * (self._aspect() or 1)), self._stream.height)

    @property
    def coding(self) -> str:
        """FFmpeg's name of the codec."""
        return self._stream.codec_context.name

    def tell_device(self, hwaccel: "HWAccel | None") -> None:
        """Says once where a device was asked for that does not decode this."""
        tell_decoder(hwaccel, self._stream.codec_context, self._name)

    def pictures(self) -> Iterator[Picture]:
        """The good pictures in order.

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
            yield Picture(self._now, stamp, frame)

    def image(self, picture: Picture) -> NDArray[np.uint8]:
        """The picture (H, W, 3), uint8 BGR, as a player shows it: of square pixels, turned and mirrored."""
        frame = picture.frame
        aspect = self._aspect()
        width = round(frame.width * aspect) if aspect else frame.width
        shown = self._reformatter.reformat(frame, width=width, format="bgr24")
        image = np.asarray(shown.to_ndarray(), np.uint8)
        side_data: Any = SideDataContainer  # `frame.side_data` is kept by the frame, and keeps it: a circle
        matrix = side_data(frame).get(Type.DISPLAYMATRIX)
        if matrix is None:
            return image
        return _placed(image, np.frombuffer(matrix, np.int32).reshape(3, 3)[:2, :2])

    def _aspect(self) -> Fraction | None:
        """Of a pixel, its width by its height."""
        return self._stream.sample_aspect_ratio or self._stream.codec_context.sample_aspect_ratio

    def _frames(self) -> Iterator[tuple[VideoFrame, float]]:
        """The frames, and for how many seconds each is shown."""
        length = 1 / float(self._stream.average_rate or 25)
        before = False
        packets = self._packets()
        while True:
            began = time.monotonic()
            with self._heard() as damage:
                packet = next(packets, None)
            if packet is None:
                return
            if self._heed is not None:
                self._heed(packet, time.monotonic() - began)
            if packet.duration and packet.time_base:
                length = float(packet.duration * packet.time_base)
            if packet.is_corrupt or before or any(damage) or self._gap(packet):
                self._damage()
            elif packet.size:
                self._since.append(packet.pts)
            before = packet.is_corrupt  # what is missing between two packets is told with the first
            try:
                with self._heard() as damage:
                    frames = packet.decode()
            except av.error.InvalidDataError:
                self._damage()
                self._lose()
                continue
            if any(damage):
                self._damage()
            for frame in frames:
                if self._good(frame):
                    yield frame, length
                else:
                    self._lose()

    def _heard(self) -> AbstractContextManager[list[bool]]:
        return nullcontext([]) if self._complaints is None else self._complaints.heard()

    def _gap(self, packet: "Packet[VideoStream]") -> bool:
        return self._numbers is not None and self._numbers.gap_before(bytes(packet))

    def _damage(self) -> None:
        self._clean = False
        self._since.clear()

    def _good(self, frame: VideoFrame) -> bool:
        """Whether nothing of a frame is made up. A new size, which bit errors invent too, needs a clean key frame."""
        if not self._strict:
            return not frame.is_corrupt
        size = frame.width, frame.height
        if frame.is_corrupt or (size != self._size and not frame.key_frame):
            self._damage()
        elif frame.key_frame and frame.pts in self._since:
            self._clean, self._size = True, size
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
        if self._strict and self._size is None:  # nothing has begun yet
            return
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
