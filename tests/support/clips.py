"""Clips of real people for several cameras."""

from fractions import Fraction
from importlib.resources import files
from pathlib import Path

import av
import cv2
import numpy as np


def write(file: Path, first: int, count: int, size: tuple[int, int]) -> Path:
    """Frames of the demo clip at another size (width, height)."""
    with av.open(str(files("pymafx_live.engines.data") / "demo.mp4")) as clip, av.open(str(file), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", 8_000_000
        for k, picture in enumerate(clip.decode(video=0)):
            if first <= k < first + count:
                image = cv2.resize(picture.to_ndarray(format="bgr24"), size, interpolation=cv2.INTER_AREA)
                frame = av.VideoFrame.from_ndarray(np.asarray(image, np.uint8), format="bgr24")
                frame.pts, frame.time_base = k - first, Fraction(1, 25)
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file
