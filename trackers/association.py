"""Which detection belongs to which track."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.pipeline.types import Floats
from scipy.optimize import linear_sum_assignment

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]


def pairwise_iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of each box of `a` (N, 4) with each of `b` (M, 4), x1, y1, x2, y2; (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    overlap = np.maximum(high - low, 0).prod(axis=2)
    area_a = (a[:, 2:] - a[:, :2]).prod(axis=1)
    area_b = (b[:, 2:] - b[:, :2]).prod(axis=1)
    iou: Floats = overlap / np.maximum(area_a[:, None] + area_b - overlap, np.float32(1e-9))
    return iou


def match(similarity: Floats, least: float, rows: Rows, columns: Rows) -> tuple[Rows, Rows]:
    """Pair `rows` with `columns` of `similarity` (N, M) so that the sum of what exceeds `least` is greatest.

    Returns the rows and the columns of the pairs, (K,) and (K,).
    """
    if not len(rows) or not len(columns):
        none = np.empty(0, np.intp)
        return none, none
    gain = np.maximum(similarity[np.ix_(rows, columns)] - least, 0)
    i, j = linear_sum_assignment(gain, maximize=True)
    paired = gain[i, j] > 0
    return rows[i[paired]], columns[j[paired]]
