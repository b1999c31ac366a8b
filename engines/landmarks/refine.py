"""What the body network gets wrong in the same way every time, and how far it can be trusted, from what it says itself.

Its depths shrink towards an upright body, its hips and ankles slide with the view, and what it calls visible it may
guess. A small network of two hidden layers, trained on rendered people whose truth is known
(`bench/landmark_refiner.py`), reads one person's landmarks and answers with corrections and with deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.chain import by_row

FILE = "landmark_refiner.npz"
XY_UNIT, DEPTH_UNIT = 0.01, 0.1
"""What an output of 1 stands for: of a region's side, and in metres."""
XY_SIGMA, DEPTH_SIGMA = 0.004, 0.05
"""The deviations that an output of 0 stands for, in the same units."""
FEATURES = 33 * 2 + 33 * 3 + 33 + 3
WIDEST = 5.0
"""Inputs beyond so many deviations of the training's are taken to be there."""
BODY_SCALE = 1.1
"""The networks' metres against the embedded body's."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The body network's landmarks of N people: `xy` (N, 33, 2) in pixels, `world` (N, 33, 3) in metres, `visibility`.

    `centre` (N, 2) and `side` (N,) are their regions', in pixels; `view` (N, 3) is the regions' centre in normalised
    image coordinates, and their side in them.
    """

    xy: Reals
    world: Reals
    visibility: Reals
    centre: Reals
    side: Reals
    view: Reals

    def features(self) -> Reals:
        """What the network reads, (N, FEATURES)."""
        count = len(self.xy)
        local = (self.xy - self.centre[:, None]) / self.side[:, None, None]
        flat = local.reshape(count, -1), self.world.reshape(count, -1)
        return np.concatenate([*flat, self.visibility, self.view], 1)


@dataclass(frozen=True, slots=True)
class Refined:
    """Of N people: `xy` (N, 33, 2) pixels with deviations `xy_sigma` (N, 33), and `depth` (N, M), how much deeper the
    first landmark of each of the body's M pairs is than the second, in metres, with `depth_sigma` (N, M)."""

    xy: Reals
    xy_sigma: Reals
    depth: Reals
    depth_sigma: Reals


class Refiner:
    """The network, evaluated for all people at once."""

    def __init__(self, weights: Mapping[str, Reals], pairs: Indices) -> None:
        """`weights` by the names of the file; `pairs` (M, 2) are the landmarks whose depths are compared."""
        self._weights, self._pairs = weights, pairs

    def __call__(self, seen: Reading) -> Refined:
        """The corrected landmarks of N people."""
        w = self._weights
        values: Reals = np.clip((seen.features() - w["mean"]) / w["scale"], -WIDEST, WIDEST)
        for layer in ("first", "second"):
            values = swish(by_row(values, w[f"{layer}_weight"]) + w[f"{layer}_bias"])
        change = by_row(values, w["change_weight"]) + w["change_bias"]
        spread = np.exp(np.clip(by_row(values, w["spread_weight"]) + w["spread_bias"], -3, 4))
        a, b = self._pairs.T
        apart = (seen.world[:, a, 2] - seen.world[:, b, 2]) * BODY_SCALE
        shift = change[:, :66].reshape(-1, 33, 2) * MOVED[:, None] * (XY_UNIT * seen.side[:, None, None])
        return Refined(
            seen.xy + shift, spread[:, :33] * (XY_SIGMA * seen.side[:, None]),
            apart + change[:, 66:] * DEPTH_UNIT, spread[:, 33:] * DEPTH_SIGMA,
        )  # fmt: skip


MOVED = np.ones(33)
MOVED[[11, 12]], MOVED[[13, 14]] = 0.0, 0.7
"""How much of a correction in the picture is believed: rendered shoulders and sleeves are not those of real people."""


def swish(x: Reals) -> Reals:
    """x times the logistic function of x."""
    return np.asarray(x / (1 + np.exp(-x)))


@cache
def trained() -> dict[str, Reals]:
    """The weights that ship."""
    with (files("pymafx_live.engines.data") / FILE).open("rb") as file, np.load(file, allow_pickle=False) as data:
        return {name: data[name].astype(np.float64) for name in data.files}


def untrained() -> dict[str, Reals]:
    """Weights that correct nothing, and give every landmark and every depth the same deviation."""
    outputs = {"change": 66 + rig.REFINED_PAIRS, "spread": 33 + rig.REFINED_PAIRS}
    shapes = {"first": (FEATURES, 1), "second": (1, 1), **{name: (1, width) for name, width in outputs.items()}}
    weights: dict[str, Reals] = {"mean": np.zeros(FEATURES), "scale": np.ones(FEATURES)}
    for name, shape in shapes.items():
        weights |= {f"{name}_weight": np.zeros(shape), f"{name}_bias": np.zeros(shape[1])}
    return weights
