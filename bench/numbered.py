"""Pictures that say their number, so that whoever sees one knows when it was taken; films of people who come and go."""

from fractions import Fraction
from importlib import resources
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
from pymafx_live.core.arrays import Image

_BITS = 10
MOST = 1 << _BITS
"""Numbers there are."""


def stamp(image: Image, number: int) -> Image:
    """The picture with `number` as black and white bars in its uppermost twelfth, in place."""
    height, width = image.shape[0] // 12, image.shape[1] // _BITS
    for bit in range(_BITS):
        image[:height, bit * width : (bit + 1) * width] = 255 * (number >> bit & 1)
    return image


def number_of(image: Image) -> int:
    """The number of such a picture."""
    height, width = image.shape[0] // 12, image.shape[1] // _BITS
    bars = image[height // 4 : -(-3 * height // 4), : width * _BITS].reshape(-1, _BITS, width, 3)
    return sum(1 << bit for bit in range(_BITS) if bars[:, bit].mean() > 128)


def film(size: tuple[int, int], every: int = 5) -> list[Image]:
    """The demo's two people at `size` (width, height), every so many of its frames: then nobody, then all mirrored in
    another light. Where one ends and the next begins is a cut; each picture says its number.
    """
    with (
        resources.as_file(resources.files("pymafx_live.engines.data") / "demo.mp4") as clip,
        av.open(str(clip)) as container,
    ):
        frames = [
            np.asarray(cv2.resize(frame.to_ndarray(format="bgr24"), size, interpolation=cv2.INTER_AREA), np.uint8)
            for frame in islice(container.decode(video=0), 0, None, every)
        ]
    nobody = np.full_like(frames[0], 90)
    elsewhere = [np.ascontiguousarray(255 - (255 - frame[:, ::-1]) // 2) for frame in frames]
    pictures = [*frames, *(nobody.copy() for _ in range(len(frames) // 2)), *elsewhere]
    return [stamp(picture, number) for number, picture in enumerate(pictures[:MOST])]


def write_film(file: Path, pictures: list[Image], fps: int) -> Path:
    """As H.264, a key frame a second and no picture that waits for a later one."""
    with av.open(str(file), "w") as container:
        options = {"g": str(fps), "bf": "0", "preset": "veryfast"}
        stream = container.add_stream("libx264", rate=fps, options=options)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file
