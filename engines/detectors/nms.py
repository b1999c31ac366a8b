"""Non-maximum suppression of one class."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Floats


def suppress(boxes: Floats, scores: Floats, iou: float, limit: int) -> NDArray[np.intp]:
    """Indices of the boxes to keep, best first, at most `limit`.

    Greedy: the best box is kept and every box whose IoU with it exceeds `iou` dropped, then the next.
    `boxes` is (N, 4) as x1, y1, x2, y2, `scores` (N,).
    """
    order = np.argsort(-scores, kind="stable")
    x1, y1, x2, y2 = boxes[order].T
    area = (x2 - x1) * (y2 - y1)
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        if len(kept) == limit:
            break
        width = np.minimum(x2[i], x2[i + 1 :]) - np.maximum(x1[i], x1[i + 1 :])
        height = np.minimum(y2[i], y2[i + 1 :]) - np.maximum(y1[i], y1[i + 1 :])
        overlap = np.maximum(width, 0) * np.maximum(height, 0)
        alive[i + 1 :] &= overlap <= iou * (area[i] + area[i + 1 :] - overlap)
    return order[kept]
