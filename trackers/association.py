"""Which detection belongs to which track."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.boxes import iou
from pymafx_live.core.types import Floats
from scipy.optimize import linear_sum_assignment

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
ALONE = 0.15
"""Overlap (IoU) with another box above which a box shows somebody else too."""


def expanded_iou(tracks: Floats, margins: Floats, boxes: Floats) -> Floats:
    """Intersection over union of tracks (N, 4) with boxes (M, 4), x1, y1, x2, y2, as (N, M).

    Both boxes of a pair are widened on each side by the track's margin (N, 2), in x and y, so that a box that
    could not be foretold better may lie further away. Yang et al., Hard to Track Objects with Irregular Motions
    and Similar Appearances? Make It Easier by Buffering the Matching Space, WACV 2023, arXiv 2211.14317.
    """
    margin = np.concatenate([-margins, margins], 1)[:, None]
    return np.asarray(iou(tracks[:, None] + margin, boxes + margin), np.float32)


DOUBLE = 0.6
"""Overlap (IoU) of two detections from which the weaker one, if nobody was there, is taken for the same person."""


def newcomers(boxes: Floats, scores: Floats, free: Mask, given: Mask) -> Rows:
    """Which of the detections that are `free` (M,) begin tracks, the best first: those that are no double.

    A detector that is unsure where somebody ends gives two boxes of one person. `given` (M,) are those that tracks got.
    """
    begun: list[int] = []
    others = np.flatnonzero(given)
    for row in np.flatnonzero(free)[np.argsort(-scores[free], kind="stable")].tolist():
        known = boxes[[*others, *begun]]
        if not len(known) or iou(boxes[row], known).max() < DOUBLE:
            begun.append(row)
    return np.array(sorted(begun), np.intp)


def match(
    similarity: Floats, least: float, rows: Rows, columns: Rows, weight: Floats | None = None
) -> tuple[Rows, Rows]:
    """Pair `rows` with `columns` of `similarity` (N, M) so that the sum of what exceeds `least` is greatest.

    `weight` (N, M), above 0, says which of several pairs that may be is preferred; it makes no pair possible, and
    none impossible. Returns the rows and the columns of the pairs, (K,) and (K,).
    """
    if not len(rows) or not len(columns):
        none = np.empty(0, np.intp)
        return none, none
    gain = np.maximum(similarity[np.ix_(rows, columns)] - least, 0)
    if weight is not None:
        gain = gain * weight[np.ix_(rows, columns)]
    i, j = linear_sum_assignment(gain, maximize=True)
    paired = gain[i, j] > 0
    return rows[i[paired]], columns[j[paired]]


def alone_in(boxes: Floats) -> Mask:
    """Which of `boxes` (M, 4) hardly meet another one, (M,)."""
    overlap = iou(boxes[:, None], boxes)
    np.fill_diagonal(overlap, 0)
    return np.asarray(overlap.max(1, initial=0) < ALONE)
