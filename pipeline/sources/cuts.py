"""Notices where a video goes on somewhere else: another shot, another camera behind the same address."""

import cv2
import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 64, 36
_SAMPLED = 320
"""Pixels of a row that are looked at."""
_FLAT = 3.0
"""Grey levels: a picture that deviates less from its mean is black, white or a flash, and says nothing."""
_UNLIKE = 0.25
"""How unlike the picture before the first one of another shot is, at least."""
_SHIFTED = 0.4
"""How well a shift of the picture before explains it, at most: a camera that is swung is no cut."""


class Cuts:
    """Compares each picture with the one before it, as tiny grey ones.

    Unlikeness is half of the mean square of their difference, about 1 for pictures that have nothing to do with each
    other. It is of grey levels less their mean and over their deviation, so that exposure does not change it, and the
    median of twelve parts of the picture, so that what is near and moves does not. What is unlike may still be the same
    scene from aside: then phase correlation (Kuglin and Hines 1975) has a peak.
    """

    def __init__(self, earlier: "Cuts | None" = None) -> None:
        """Goes on where `earlier` has ended."""
        self._before: NDArray[np.float32] | None = None if earlier is None else earlier._before
        self._window = cv2.createHanningWindow((_WIDTH, _HEIGHT), cv2.CV_32F)

    def before(self, image: NDArray[np.uint8]) -> bool:
        """Whether another shot begins with a picture (H, W, 3) BGR."""
        step = max(1, image.shape[1] // _SAMPLED)
        tiny = cv2.resize(image[::step, ::step], (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        levels = cv2.cvtColor(tiny, cv2.COLOR_BGR2GRAY).astype(np.float32)
        levels -= levels.mean()
        spread = float(np.sqrt((levels**2).mean()))
        if spread < _FLAT:
            return False
        levels /= spread
        before, self._before = self._before, levels
        if before is None or _unlikeness(before, levels) < _UNLIKE:
            return False
        _, peak = cv2.phaseCorrelate(before, levels, self._window)
        return peak < _SHIFTED


def _unlikeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    difference = (one - other).reshape(_HEIGHT // 2, 2, _WIDTH // 2, 2).mean((1, 3))
    parts = (difference**2).reshape(3, _HEIGHT // 6, 4, _WIDTH // 8).mean((1, 3)) / 2
    return float(np.median(parts))
