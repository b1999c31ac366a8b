"""What is cut out of a frame on the card is what is cut out of it on the host: crops, letterbox, and what both cost."""

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.crowd import crowd, performer
from pymafx_live.bench.gpu.settings import Bench
from pymafx_live.bench.gpu.timing import timed
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.detectors.letterbox import Letterbox
from pymafx_live.engines.detectors.letterbox_device import DeviceLetterbox
from pymafx_live.engines.imaging import HostPicture, Picture, Pictures
from pymafx_live.engines.runtime import as_numpy
from pymafx_live.engines.runtime.interface import Array, made

CROP, CANVAS, STRIDE = 224, (640, 640), 32
ALLOWED = {"crops": 2, "small crops": 2, "letterbox": 2}
"""Grey levels of 255 that a pixel may be off: OpenCV counts positions in 1/32 of a pixel."""


def compare_imaging(bench: Bench, notes: Notes) -> None:
    """Raises `NetworkError` where the card's pictures are not the host's."""
    device = "cuda:0" if bench.on_gpu else "cpu"
    (frame,) = crowd(performer()[:1], 1, bench.size)
    pictures = Pictures(torch_on_cpu=not bench.on_gpu)
    with pictures.lane(device):
        host, there = HostPicture(frame), pictures.on(frame, device)
        for name, maps in (("crops", _squares(bench.size, 0.5, 4.0)), ("small crops", _squares(bench.size, 4.0, 16.0))):
            expected = host.warp(maps, CROP, True)
            _note(notes, name, expected, as_numpy(_cut(there, maps)))
            times = timed(partial(_cut, there, maps), device, bench.repeats, 2.0)
            notes.add(name, times | {"host p50": timed(partial(host.warp, maps, CROP, True), "cpu", 20)["p50"]})
        shape = bench.size[1], bench.size[0]
        boxes = Letterbox(shape, CANVAS, STRIDE), DeviceLetterbox(device, shape, CANVAS, STRIDE)
        expected, found = (as_numpy(_filled(*shown)) for shown in zip(boxes, (host, there), strict=True))
        _note(notes, "letterbox", 255 * expected, 255 * found)
        notes.add("letterbox", timed(partial(_filled, boxes[1], there), device, bench.repeats, 2.0))
        notes.add("upload", timed(lambda: pictures.on(frame.copy(), device), device, bench.repeats, 2.0))


def _squares(size: tuple[int, int], least: float, most: float) -> NDArray[np.float64]:
    """Maps (16, 2, 3) of a crop's pixels to squares anywhere in a frame, turned by any angle."""
    rng = np.random.default_rng(0)
    angle, scale = rng.uniform(-np.pi, np.pi, 16), rng.uniform(least, most, 16)
    linear = scale[:, None, None] * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).T
    centre = rng.uniform(0, 1, (16, 2)) * size
    return np.concatenate([linear, (centre - linear @ np.full(2, (CROP - 1) / 2))[..., None]], -1)


def _cut(picture: Picture, maps: NDArray[np.float64]) -> Array:
    return made(picture.warp(maps, CROP, True))


def _filled(box: Letterbox, picture: Picture) -> Array:
    rows = box.rows(1, np.float32)
    box.fill(rows, 0, picture)
    return made(rows)


def _note(notes: Notes, name: str, expected: NDArray[Any], found: NDArray[Any]) -> None:
    off = np.abs(expected.astype(np.float64) - found)
    notes.add(name, {"worst": float(off.max()), "mean": float(off.mean())})
    if not off.max() <= ALLOWED[name] + 1e-3:
        raise NetworkError(f"{name} are off by {off.max():.0f} of 255 on the card: {ALLOWED[name]} are allowed.")
