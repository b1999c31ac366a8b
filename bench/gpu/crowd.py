"""Clips of one or several people at 1920 x 1080, made of the demo that ships: nothing has to be rendered."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
ALONE = 40
"""Frames of the demo in which there is one performer, between these columns."""
COLUMNS = slice(450, 790)


def performer() -> list[Image]:
    """Pictures (720, 340, 3) of the demo's performer."""
    with as_file(files("pymafx_live.engines.data") / "demo.mp4") as path, av.open(str(path)) as container:
        frames = islice(container.decode(video=0), ALONE)
        return [np.ascontiguousarray(frame.to_ndarray(format="bgr24")[:, COLUMNS]) for frame in frames]


def crowd(pictures: Sequence[Image], people: int, size: tuple[int, int]) -> list[Image]:
    """Frames of width and height `size` with so many of them side by side, each at another moment."""
    width, height = size
    wall = np.median(np.concatenate([picture[:40] for picture in pictures]), axis=(0, 1)).astype(np.uint8)
    scale = min(width / max(people, 1) / pictures[0].shape[1], height / pictures[0].shape[0])
    figures = [cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for picture in pictures]
    tall, broad = figures[0].shape[:2]
    made = []
    for k in range(len(figures)):
        frame = np.full((height, width, 3), wall, np.uint8)
        for i in range(people):
            left = max(int((i + 0.5) * width / people - broad / 2), 0)
            frame[height - tall :, left : left + broad] = figures[(k + 7 * i) % len(figures)][:, : width - left]
        made.append(frame)
    return made


def write_clip(path: Path, counts: Sequence[int], frames: int, size: tuple[int, int], fps: int) -> Path:
    """A video of `frames` frames for each number of people, forwards and backwards in turn so that nobody jumps.

    What exists already is taken as it is; it appears whole.
    """
    if path.exists():
        return path
    pictures = performer()
    part = path.with_name(f"part-{path.name}")
    with av.open(str(part), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *size, "yuv420p", 12_000_000
        for people in counts:
            there = crowd(pictures, people, size)
            back = [*there, *there[::-1]]
            for k in range(frames):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(back[k % len(back)], format="bgr24")))
        container.mux(stream.encode())
    part.replace(path)
    return path
