"""What a picture is, wherever it lies, and the arithmetic that all of them share.

Coordinates count from the centre of the top left pixel. What is cut out of a picture lies where the picture does.
"""

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.engines.runtime.interface import Array

DEEPEST = 6
"""How often a picture is halved at most."""


class Picture(Protocol):
    """One BGR frame, on the processor or on a GPU."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""

    def warp(self, maps: Reals, size: int, antialias: bool = False) -> Array:
        """Cuts N squares: uint8 BGR (N, `size`, `size`, 3), bilinear, black outside the picture.

        `maps` (N, 2, 3) take pixels of a square to pixels of the picture. With `antialias` a large square is read from
        a copy of the picture that is halved until its pixels are less than two to one of the square's.
        """


def levels(maps: Reals) -> NDArray[np.intp]:
    """How often the picture is halved for each of `maps` (N, 2, 3), as `antialias` wants it."""
    step = np.hypot(maps[:, 0, 0], maps[:, 1, 0])
    return np.asarray(np.clip(np.log2(np.maximum(step, 1)), 0, DEEPEST), np.intp)


def at_level(maps: Reals, level: int) -> Reals:
    """The same maps (..., 2, 3) to pixels of the picture that was halved `level` times."""
    if not level:
        return maps
    shrink = 2.0**-level
    moved = maps * shrink
    moved[..., 2] = (maps[..., 2] + 0.5) * shrink - 0.5
    return moved


def halved(length: int) -> int:
    """Pixels of a side, half as many."""
    return max(length // 2, 1)


def unit_rgb(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Crops (N, h, w, 3) of uint8 BGR as float32 RGB in 0..1."""
    unit = np.float32(1 / 255)
    out = np.empty(crops.shape, np.float32)
    for k, crop in enumerate(crops):
        np.multiply(cv2.cvtColor(crop, cv2.COLOR_BGR2RGB), unit, out=out[k])
    return out
