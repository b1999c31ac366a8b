"""A picture on the processor, cut by OpenCV."""

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Image, Reals
from pymafx_live.engines.imaging.picture import at_level, halved, levels

FLAGS = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


class HostPicture:
    """See `Picture`. Its halved copies are made when they are first asked for, and kept."""

    def __init__(self, pixels: Image) -> None:
        """`pixels` is (H, W, 3) BGR."""
        self._pyramid = [pixels]

    @property
    def shape(self) -> tuple[int, int]:
        """See `Picture.shape`."""
        height, width = self._pyramid[0].shape[:2]
        return height, width

    def warp(self, maps: Reals, size: int, antialias: bool = False) -> NDArray[np.uint8]:
        """See `Picture.warp`: one affine warp each."""
        out = np.empty((len(maps), size, size, 3), np.uint8)
        depths = levels(maps) if antialias else np.zeros(len(maps), np.intp)
        for affine, level, crop in zip(maps, depths.tolist(), out, strict=True):
            cv2.warpAffine(self._level(level), at_level(affine, level), (size, size), dst=crop, flags=FLAGS)
        return out

    def scale_into(self, canvas: Image) -> None:
        """Writes all of it, bilinearly scaled, into `canvas` (h, w, 3)."""
        height, width = canvas.shape[:2]
        cv2.resize(self._pyramid[0], (width, height), dst=canvas, interpolation=cv2.INTER_LINEAR)

    def _level(self, level: int) -> Image:
        """The picture, halved `level` times."""
        while len(self._pyramid) <= level:
            finest = self._pyramid[-1]
            half = (halved(finest.shape[1]), halved(finest.shape[0]))
            smaller = cv2.resize(finest, half, interpolation=cv2.INTER_AREA)
            self._pyramid.append(np.asarray(smaller, np.uint8))
        return self._pyramid[level]
