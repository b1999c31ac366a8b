"""Smooth signals over time, which the scripted motions are made of."""

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.ndimage import gaussian_filter1d

Signal = NDArray[np.float64]


def wander(rng: Generator, t: Signal, centre: float, amplitude: float, period: float) -> Signal:
    """A smooth aimless signal (T,) within `centre` ± `amplitude`, that swings about once in `period` seconds."""
    rates = rng.uniform(0.6, 1.5, 3) * 2 * np.pi / period
    weights = rng.dirichlet((2.0, 2.0, 2.0))
    waves = np.sin(t[:, None] * rates + rng.uniform(0, 2 * np.pi, 3))
    return np.asarray(centre + amplitude * waves @ weights, np.float64)


def through(t: Signal, times: Sequence[float], values: Sequence[float]) -> Signal:
    """A smooth signal (T,) through the given points, flat before the first and after the last."""
    return np.asarray(PchipInterpolator(times, values)(np.clip(t, times[0], times[-1])), np.float64)


def swing(t: Signal, period: float, phase: float = 0.0) -> Signal:
    """A signal (T,) that goes 0 -> 1 -> 0 once in `period` seconds, with rests at both ends."""
    wave = (1 - np.cos(2 * np.pi * (t / period + phase))) / 2
    return wave * wave * (3 - 2 * wave)


def cyclic(phase: Signal, table: Sequence[tuple[float, float]]) -> Signal:
    """The value (T,) of a periodic smooth curve at `phase` (in cycles), through (phase, value) points."""
    points = np.array(table)
    around = np.concatenate([points + np.array([k, 0]) for k in (-1, 0, 1)])
    return np.asarray(PchipInterpolator(around[:, 0], around[:, 1])(phase % 1.0), np.float64)


def stations(rng: Generator, t: Signal, low: Sequence[float], high: Sequence[float], every: float) -> Signal:
    """A path (T, D) that moves to another random place of a box now and then, about `every` seconds, and rests."""
    times = [-rng.uniform(0, every)]
    while times[-1] < t[-1] + every:
        times.append(times[-1] + max(0.45, rng.uniform(0.6, 1.4) * every))
    stops = rng.uniform(low, high, (len(times), len(low)))
    hold = 0.25 * np.diff(times, append=times[-1] + every)
    knots = np.stack([times, np.array(times) + hold], 1).ravel().tolist()
    path = np.stack([through(t, knots, np.repeat(stop, 2).tolist()) for stop in stops.T], 1)
    return np.asarray(gaussian_filter1d(path, 0.05 / step(t), axis=0))


def step(t: Signal) -> float:
    """Seconds from one frame to the next."""
    return float(t[1] - t[0]) if len(t) > 1 else 0.04
