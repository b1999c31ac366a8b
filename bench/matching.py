"""Who is who over time: estimated people against true ones, as CLEAR MOT counts (Bernardin & Stiefelhagen 2008)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Boxes = NDArray[np.float32]

SAME = 0.5
"""Least overlap (IoU) of an estimated and a true box of one person."""
SEEN = 0.25
"""Least visible share of a person who has to be found; finding one who is hidden more is no fault either."""


def overlaps(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Intersection over union (A, B) of boxes (A, 4) and (B, 4), as x1, y1, x2, y2."""
    corner = np.maximum(a[:, None, :2], b[None, :, :2])
    size = (np.minimum(a[:, None, 2:], b[None, :, 2:]) - corner).clip(0)
    both = size.prod(-1)
    areas = (a[:, 2:] - a[:, :2]).prod(-1)[:, None] + (b[:, 2:] - b[:, :2]).prod(-1)[None]
    return np.asarray(both / np.maximum(areas - both, 1e-9), np.float64)


@dataclass(slots=True)
class Matcher:
    """Counts over the frames of one clip; keeps a pair together while its boxes overlap enough."""

    required: int = 0
    missed: int = 0
    false: int = 0
    switches: int = 0
    _partner: dict[int, int] = field(default_factory=dict)

    def match(
        self, true: Mapping[int, Boxes], visible: Mapping[int, float], found: Mapping[int, Boxes]
    ) -> dict[int, int]:
        """The estimated id of each true id that was found in this frame.

        `true` and `found` map ids to boxes (4,), `visible` true ids to the share that can be seen.
        """
        pairs = self._kept(true, found)
        rest_true = [t for t in true if t not in pairs]
        rest_found = [f for f in found if f not in pairs.values()]
        if rest_true and rest_found:
            iou = overlaps(np.stack([true[t] for t in rest_true]), np.stack([found[f] for f in rest_found]))
            for row, column in zip(*linear_sum_assignment(-np.where(iou >= SAME, iou, 0)), strict=True):
                if iou[row, column] >= SAME:
                    pairs[rest_true[row]] = rest_found[column]
        self._count(pairs, visible, len(found))
        return pairs

    def _kept(self, true: Mapping[int, Boxes], found: Mapping[int, Boxes]) -> dict[int, int]:
        """The pairs of the frame before that still hold."""
        return {
            t: f
            for t, f in self._partner.items()
            if t in true and f in found and overlaps(true[t][None], found[f][None])[0, 0] >= SAME
        }

    def _count(self, pairs: dict[int, int], visible: Mapping[int, float], found: int) -> None:
        needed = {t for t, share in visible.items() if share >= SEEN}
        self.required += len(needed)
        self.missed += len(needed - pairs.keys())
        self.false += found - len(pairs)
        self.switches += sum(1 for t, f in pairs.items() if self._partner.get(t, f) != f)
        self._partner.update(pairs)
