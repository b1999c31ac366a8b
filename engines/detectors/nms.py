"""Non-maximum suppression of one class."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.boxes import iou as box_iou
from pymafx_live.core.types import Floats


def suppress(boxes: Floats, scores: Floats, iou: float, limit: int) -> NDArray[np.intp]:
    """Indices of the boxes to keep, best first, at most `limit`.

    Greedy: the best box is kept and every box whose IoU with it exceeds `iou` dropped, then the next.
    `boxes` is (N, 4) as x1, y1, x2, y2, `scores` (N,).
    """
    order = np.argsort(-scores, kind="stable")
    boxes = boxes[order]
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for i in range(len(order)):
        if alive[i] and len(kept) < limit:
            kept.append(i)
            alive[i + 1 :] &= box_iou(boxes[i], boxes[i + 1 :]) <= iou
    return order[kept]
