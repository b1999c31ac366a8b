"""What people look like: the colours of head, trunk and legs, by which they are known again after they were hidden.

A histogram of colours compared by the Bhattacharyya coefficient, as in Comaniciu, Ramesh and Meer, Kernel-Based Object
Tracking, PAMI 25(5), 2003; in three bands, as Farenzena et al., Person Re-Identification by Symmetry-Driven
Accumulation of Local Features, CVPR 2010, found to tell people apart.
"""

import math

import cv2
import numpy as np
from pymafx_live.core.arrays import Image
from pymafx_live.core.types import Floats

_WIDTH, _BANDS = 12, (7, 12, 13)
"""Pixels that a box is shrunk to, and the heights of the bands: head and shoulders, trunk, legs."""
_BREADTH = 0.6
"""The share of a box's width in the middle that is looked at: the rest is mostly what is behind."""
_LEVELS = (5, 12, 12)
"""Bins of brightness, from green to red, and from blue to yellow (L*a*b*)."""
SIZE = len(_BANDS) * math.prod(_LEVELS)


def looks(image: Image, boxes: Floats) -> Floats:
    """The looks (N, SIZE) of what is in `boxes` (N, 4), x1, y1, x2, y2, of a BGR image (H, W, 3).

    Each is of unit length, and the product of two is 1 where they are the same and 0 where they share no colour. A box
    outside of the image has zeros: it resembles nobody.
    """
    found = np.zeros((len(boxes), SIZE), np.float32)
    for look, box in zip(found, boxes, strict=True):
        small = _shrunk(image, box)
        if small is not None:
            look[:] = _histogram(small)
    return found


def _shrunk(image: Image, box: Floats) -> Image | None:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box.tolist()
    margin = (x2 - x1) * (1 - _BREADTH) / 2
    left, right = round(max(x1 + margin, 0)), round(min(x2 - margin, width))
    top, bottom = round(max(y1, 0)), round(min(y2, height))
    if right - left < 2 or bottom - top < 6:
        return None
    step = max((bottom - top) // (3 * sum(_BANDS)), 1)  # a ninth of the pixels says as much of large boxes
    part = image[top:bottom:step, left : right : min(step, max((right - left) // _WIDTH, 1))]
    return np.asarray(cv2.resize(part, (_WIDTH, sum(_BANDS)), interpolation=cv2.INTER_AREA), np.uint8)


def _histogram(small: Image) -> Floats:
    """Each pixel counts in the bins about its colour by how near it is to them, so that a little light moves little."""
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).reshape(-1, 3).astype(np.float32)
    # Clothes lie within 64 of grey on both axes: what is stronger belongs into the outermost bins.
    place = np.stack([lab[:, 0] / 255, *((lab[:, 1:] - 64) / 128).T]).clip(0, 1) * (np.array(_LEVELS)[:, None] - 1)
    low = np.minimum(place.astype(np.int32), np.array(_LEVELS)[:, None] - 2)
    above = place - low
    band = np.repeat(np.arange(len(_BANDS)), np.array(_BANDS) * _WIDTH)
    index, weight = [], []
    for corner in np.ndindex(2, 2, 2):
        light, green, blue = (part + step for part, step in zip(low, corner, strict=True))
        index.append(((band * _LEVELS[0] + light) * _LEVELS[1] + green) * _LEVELS[2] + blue)
        weight.append(np.prod([a if step else 1 - a for a, step in zip(above, corner, strict=True)], axis=0))
    counts = np.bincount(np.concatenate(index), np.concatenate(weight), SIZE)
    return np.asarray(np.sqrt(counts / counts.sum()), np.float32)
