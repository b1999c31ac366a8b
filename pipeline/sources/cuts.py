"""Notices where a video goes on somewhere else: another shot, another camera behind the same address."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

_SIZE = 32, 18
_SAMPLED = 320
"""Pixels of a row that are looked at."""
_FLAT = 3.0
"""Grey levels: a picture that deviates less from its mean is black, white or a flash, and says nothing."""
_OTHER = 0.5
"""How unlike the picture before the first one of another shot is, at least."""
_SUDDEN = 3.0
"""So many times as unlike as the pictures before it: a camera that is swung is unlike in every picture."""
_LAST = 5


class Cuts:
    """Compares each picture with the one before it, as tiny grey ones.

    Unlikeness is half of the mean square of their difference, about 1 for pictures that have nothing to do with each
    other. It is of grey levels less their mean and over their deviation, so that exposure does not change it, and the
    median of twelve parts of the picture, so that what is near and moves does not.
    """

    def __init__(self) -> None:
        self._before: NDArray[np.float32] | None = None
        self._unlike: deque[float] = deque(maxlen=_LAST)

    def before(self, image: NDArray[np.uint8]) -> bool:
        """Whether another shot begins with a picture (H, W, 3) BGR."""
        step = max(1, image.shape[1] // _SAMPLED)
        tiny = cv2.cvtColor(cv2.resize(image[::step, ::step], _SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        levels = tiny.astype(np.float32)
        levels -= levels.mean()
        spread = float(np.sqrt((levels**2).mean()))
        if spread < _FLAT:
            return False
        levels /= spread
        before, self._before = self._before, levels
        if before is None:
            return False
        parts = ((levels - before) ** 2).reshape(3, 6, 4, 8).mean((1, 3)) / 2
        unlike = float(np.median(parts))
        sudden = unlike > _SUDDEN * max(self._unlike, default=0.0)
        self._unlike.append(unlike)
        return unlike > _OTHER and sudden
