"""Whether something grows that should not: slopes that single outliers do not move."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

_MOST = 400
"""Points that a slope is made of at most; of more, as many means of neighbours."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """Something that is measured over time. From the middle of a run to its end it may grow by `tolerance`, and by
    `share` of its level in the middle; less is noise."""

    name: str
    unit: str
    tolerance: float
    share: float = 0.0


def grown(times: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """What the second half of a run grew by, and its level at the middle, both in the values' unit.

    The slope is Theil and Sen's (Sen 1968), and counts where its 95 % interval is above zero: else it is 0. The first
    half is for caches that fill and people that are found.
    """
    t, y = np.asarray(times, float), np.asarray(values, float)
    if len(t) < 8:
        return 0.0, float(y[0]) if len(y) else 0.0
    late = t >= (t[0] + t[-1]) / 2
    t, y = t[late], y[late]
    if len(t) > _MOST:
        parts = np.array_split(np.arange(len(t)), _MOST)
        t, y = np.array([t[part].mean() for part in parts]), np.array([y[part].mean() for part in parts])
    slope, intercept, low, _ = theilslopes(y, t, 0.95)
    level = float(intercept + slope * t[0])
    return (float(slope * (t[-1] - t[0])) if low > 0 else 0.0), level


def sentence(who: str, quantity: Quantity, times: Sequence[float], values: Sequence[float]) -> str:
    """That it grew, and by how much; empty where it did not."""
    growth, level = grown(times, values)
    if growth <= quantity.tolerance + quantity.share * abs(level):
        return ""
    minutes = (times[-1] - times[0]) / 120
    return (
        f"{quantity.name} of {who} grew by {growth:.3g}{quantity.unit} in the last {minutes:.1f} minutes, "
        f"from {level:.3g}{quantity.unit}"
    )
