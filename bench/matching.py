"""Who is who over time: estimated people against true ones, as CLEAR MOT counts (Bernardin & Stiefelhagen 2008)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.boxes import iou
from scipy.optimize import linear_sum_assignment

Boxes = NDArray[np.float32]

SAME = 0.5
"""Least overlap (IoU) of an estimated and a true box of one person."""
SEEN = 0.25
"""Least visible share of a person who has to be found; finding one who is hidden more is no fault either."""


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
            overlap = iou(np.stack([true[t] for t in rest_true])[:, None], np.stack([found[f] for f in rest_found]))
            for row, column in zip(*linear_sum_assignment(-np.where(overlap >= SAME, overlap, 0)), strict=True):
                if overlap[row, column] >= SAME:
                    pairs[rest_true[row]] = rest_found[column]
        self._count(pairs, visible, len(found))
        return pairs

    def _kept(self, true: Mapping[int, Boxes], found: Mapping[int, Boxes]) -> dict[int, int]:
        """The pairs of the frame before that still hold."""
        return {t: f for t, f in self._partner.items() if t in true and f in found and iou(true[t], found[f]) >= SAME}

    def _count(self, pairs: dict[int, int], visible: Mapping[int, float], found: int) -> None:
        needed = {t for t, share in visible.items() if share >= SEEN}
        self.required += len(needed)
        self.missed += len(needed - pairs.keys())
        self.false += found - len(pairs)
        self.switches += sum(1 for t, f in pairs.items() if self._partner.get(t, f) != f)
        self._partner.update(pairs)
