"""Writes pictures as a video that plays even when the process was killed while it wrote."""

import struct
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from pymafx_live.core.arrays import Image
from pymafx_live.core.errors import OutputError
from pymafx_live.core.types import FrameResult
from pymafx_live.pipeline.writing import writing

# Fragments, or short clusters, while the file grows; an MP4 becomes an ordinary one when it is closed.
_FRAGMENTS = {"movflags": "+hybrid_fragmented+frag_keyframe"}
_MUXER = {".mkv": {"cluster_time_limit": "500"}, ".mov": _FRAGMENTS, ".mp4": _FRAGMENTS}
SUFFIXES = frozenset(_MUXER)

_CLOCK = Fraction(1, 60_000)
"""The video's time base: whole for 24, 25, 30, 50, 60 and 60 / 1.001 fps, and fine enough for any camera's
frame times. (MPEG-4 takes no finer one than 1 / 65535.)"""
_KEY_FRAME_EVERY = 15
"""Frames; a fragment ends at each key frame, and a killed run loses no more than the last fragment."""


class VideoSink:
    """A video of the first picture's size; pictures of another size are fitted into it with black borders.

    The file is opened with the first picture.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._began = 0.0
        self._last = -1

    def show(self, image: Image, result: FrameResult) -> None:
        """Adds one picture at its frame's time."""
        if self._stream is None or self._container is None:
            with writing(self._file):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                options = {"flush_packets": "1", **_MUXER[self._file.suffix.lower()]}
                self._container = av.open(str(self._file), "w", options=options)
            self._stream = _open_stream(self._container, image)
            self._began = result.time
        canvas = _fitted(image, self._stream.width, self._stream.height)
        picture = VideoFrame.from_ndarray(canvas, format="bgr24")
        self._last = max(self._last + 1, round((result.time - self._began) / _CLOCK))
        picture.pts, picture.time_base = self._last, _CLOCK
        with writing(self._file):
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Writes what the encoder still holds, and the index."""
        if self._container is None:
            return
        try:
            with writing(self._file), closing(self._container):
                if self._stream is not None:
                    self._container.mux(self._stream.encode(None))
        except OutputError:
            _cut_after_last_fragment(self._file)
            raise


def _cut_after_last_fragment(file: Path) -> None:
    """Takes the unfinished end of an MP4 away, on which players stumble, after an error of writing.

    A file is a row of boxes, each with its length and type (ISO/IEC 14496-12, 4.2); a fragment ends with an `mdat`.
    """
    if file.suffix.lower() == ".mkv" or not file.is_file():
        return
    size, at, whole = file.stat().st_size, 0, 0
    with file.open("r+b") as content:
        while at + 16 <= size:
            content.seek(at)
            length, kind, long = struct.unpack(">I4sQ", content.read(16))
            length = long if length == 1 else length
            if length < 8 or at + length > size:
                break
            at += length
            whole = at if kind == b"mdat" else whole
        content.truncate(whole)


def _open_stream(container: OutputContainer, image: Image) -> VideoStream:
    height, width = image.shape[:2]
    codec, options = _encoder()
    stream = cast(VideoStream, container.add_stream(codec, options=options))
    stream.width, stream.height = width + width % 2, height + height % 2  # 4:2:0 needs even sides
    stream.pix_fmt = "yuv420p"
    stream.codec_context.time_base = stream.time_base = _CLOCK
    stream.codec_context.gop_size = _KEY_FRAME_EVERY
    return stream


def _encoder() -> tuple[str, dict[str, str]]:
    """H.264 where this FFmpeg has it, else MPEG-4. No look-ahead: a frame is in the file when it is written."""
    if "libx264" in av.codecs_available:
        return "libx264", {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}
    return "mpeg4", {"qmin": "2", "qmax": "6"}


def _fitted(image: Image, width: int, height: int) -> Image:
    h, w = image.shape[:2]
    if (w, h) == (width, height):
        return image
    scale = min(width / w, height / h)
    if scale < 1 or w < width - 1 or h < height - 1:  # an odd side only wants its missing pixel
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        h, w = image.shape[:2]
    canvas = np.zeros((height, width, 3), np.uint8)
    top, left = (height - h) // 2, (width - w) // 2
    canvas[top : top + h, left : left + w] = image
    return canvas
