"""Boxes in pixels: x1, y1, x2, y2 in the last axis."""

import numpy as np
from pymafx_live.core.arrays import Reals

_TINY = 1e-9


def iou(a: Reals, b: Reals) -> Reals:
    """Intersection over union of boxes (..., 4), which are broadcast; 0 where one is NaN or both have no area.

    `iou(a[:, None], b)` compares each of a (N, 4) with each of b (M, 4), as (N, M).
    """
    common = _area(np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:]))
    union = _area(a[..., :2], a[..., 2:]) + _area(b[..., :2], b[..., 2:]) - common
    return np.asarray(np.nan_to_num(common / np.maximum(union, _TINY)))


def centre(box: Reals) -> Reals:
    """The middle (..., 2) of boxes (..., 4)."""
    return np.asarray((box[..., :2] + box[..., 2:]) / 2)


def _area(low: Reals, high: Reals) -> Reals:
    """The area between corners (..., 2), 0 where they are crossed."""
    return np.asarray(np.maximum(high - low, 0).prod(-1))
