"""Which detection belongs to which track."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Floats
from scipy.optimize import linear_sum_assignment

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
TINY = np.float32(1e-9)


def expanded_iou(tracks: Floats, margins: Floats, boxes: Floats) -> Floats:
    """Intersection over union of tracks (N, 4) with boxes (M, 4), x1, y1, x2, y2, as (N, M).

    Both boxes of a pair are widened on each side by the track's margin (N, 2), in x and y, so that a box that
    could not be foretold better may lie further away. Yang et al., Hard to Track Objects with Irregular Motions
    and Similar Appearances? Make It Easier by Buffering the Matching Space, WACV 2023, arXiv 2211.14317.
    """
    margin = margins[:, None]
    low_t, high_t = tracks[:, None, :2] - margin, tracks[:, None, 2:] + margin
    low_b, high_b = boxes[None, :, :2] - margin, boxes[None, :, 2:] + margin
    overlap = _area(np.maximum(low_t, low_b), np.minimum(high_t, high_b))
    iou: Floats = overlap / np.maximum(_area(low_t, high_t) + _area(low_b, high_b) - overlap, TINY)
    return iou


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of boxes (N, 4) with boxes (M, 4), x1, y1, x2, y2, as (N, M)."""
    return expanded_iou(a, np.zeros((len(a), 2), np.float32), b)


def _area(low: Floats, high: Floats) -> Floats:
    """The area between corners (..., 2), 0 where they are crossed."""
    sides = np.maximum(high - low, 0)
    area: Floats = sides[..., 0] * sides[..., 1]
    return area


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
