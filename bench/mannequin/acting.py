"""What scripts of motions are made of: the performances that they return, and the gestures that they share.

The ranges are those of healthy adults; the gait follows the normative curves of Perry & Burnfield, "Gait
Analysis" (2010), chapters 3 to 6, in outline.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Build, Cast
from pymafx_live.bench.mannequin.props import Block
from pymafx_live.bench.mannequin.signals import Signal, cyclic, wander
from pymafx_live.core.skeleton import SIDES

HIP = ((0.0, 28), (0.15, 22), (0.30, 8), (0.50, -9), (0.60, -4), (0.75, 22), (0.87, 31))
KNEE = ((0.0, 5), (0.14, 17), (0.40, 6), (0.50, 11), (0.61, 37), (0.72, 60), (0.86, 28), (0.96, 5))
ANKLE = ((0.0, 0), (0.07, -5), (0.30, 6), (0.46, 10), (0.62, -16), (0.73, 3), (0.86, 4))
TOES = ((0.0, 4), (0.10, 0), (0.42, 0), (0.58, 24), (0.66, 8), (0.76, 2))
"""Flexion in degrees over the gait cycle, which begins when the heel strikes."""
SUPPORT = ((0.0, 0.0), (0.10, 1.0), (0.50, 1.0), (0.60, 0.0), (0.80, 0.0))
"""The share of the weight that a leg carries over its gait cycle."""


@dataclass(frozen=True, slots=True, eq=False)
class Performance:
    """What one person does: `pose` (T, 55, 3), and `support` (T, 2), the weight on the left and the right foot.

    `middle` is where on the floor, (x, z) in metres, the person is halfway through; `focus` names what the
    camera frames: the whole "body", the "upper" half or "none". `path` (T, 3), the pelvis in the room, is given
    where the feet do not decide it; `build` where the script has chosen the person's proportions. `carries` is a
    "bag" on the back, a "mug" in the "left" or the "right" hand ("mug left"), or nothing.
    """

    pose: NDArray[np.float64]
    support: Signal
    middle: tuple[float, float] = (0.0, 0.0)
    focus: str = "body"
    path: NDArray[np.float64] | None = None
    build: Build | None = None
    carries: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A camera that a script has placed: the picture's size in pixels and its horizontal field of view in degrees.

    From `position` (3,) in the room it sees the point `aim` (3,) at `at`, a share of the picture's width and
    height; it is rolled by `roll` radians.
    """

    width: int
    height: int
    fov: float
    position: NDArray[np.float64]
    aim: NDArray[np.float64]
    at: tuple[float, float] = (0.5, 0.5)
    roll: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """A script's people, the furniture about them, and the camera where the script places it.

    `varied` people have the wide wardrobe, and the light and the camera's faults vary as widely.
    """

    people: list[Performance]
    props: tuple[Block, ...] = ()
    view: View | None = None
    varied: bool = False


Script = Callable[[Generator, Signal, Cast], Act]


def standing(figure: Figure, focus: str = "body") -> Performance:
    """A figure on both feet."""
    return Performance(figure.pose, np.full((figure.frames, 2), 0.5), focus=focus)


def relax(figure: Figure, rng: Generator, t: Signal) -> None:
    """Stand at ease: breathing, weight shifts, small movements of the head, arms hanging, fingers half open."""
    figure.spine(wander(rng, t, 0.05, 0.05, 5), wander(rng, t, 0, 0.05, 5), wander(rng, t, 0, 0.10, 5))
    figure.head(wander(rng, t, 0.05, 0.15, 4), wander(rng, t, 0, 0.10, 4), wander(rng, t, 0, 0.35, 4))
    for side in SIDES:
        hang(figure, rng, t, side)
        knee = wander(rng, t, 0.10, 0.06, 5)
        figure.leg(side, knee / 2, rng.uniform(0.0, 0.08), rng.uniform(0.0, 0.2), knee, knee / 2)


def hang(figure: Figure, rng: Generator, t: Signal, side: str) -> None:
    """Let one arm hang."""
    figure.arm(
        side,
        lower=wander(rng, t, 1.30, 0.08, 4),
        forward=wander(rng, t, 0.05, 0.15, 4),
        rotate=wander(rng, t, -0.2, 0.2, 4),
        elbow=wander(rng, t, 0.35, 0.2, 4),
        supinate=wander(rng, t, 0.0, 0.3, 4),
    )
    figure.wrist(side, wander(rng, t, 0.1, 0.15, 3), wander(rng, t, 0.0, 0.1, 3))
    figure.hand(side, fingers(rng, t, 0.28, 0.15), 0.06, wander(rng, t, 0.3, 0.2, 3))


def fingers(rng: Generator, t: Signal, centre: float, amplitude: float) -> Signal:
    """The curls of four fingers (4, T): mostly together, a little apart."""
    common = wander(rng, t, centre, amplitude, 3)
    return np.stack([common + wander(rng, t, 0.02 * k, 0.06, 2) for k in range(4)]).clip(-0.05, 1.0)


def gesture(figure: Figure, rng: Generator, t: Signal, side: str, reach: float = 1.0) -> None:
    """Talk with the hands: forearms in front of the body, the palms turning, the fingers opening and closing."""
    figure.arm(
        side,
        lower=wander(rng, t, 1.10, 0.25 * reach, 3),
        forward=wander(rng, t, 0.35, 0.45 * reach, 3),
        rotate=wander(rng, t, 0.1, 0.5, 3),
        elbow=wander(rng, t, 1.15, 0.65, 2.5),
        supinate=wander(rng, t, 0.5, 0.7, 3),
        collar=wander(rng, t, 0.03, 0.05, 3),
    )
    figure.wrist(side, wander(rng, t, 0.0, 0.35, 2), wander(rng, t, 0.0, 0.15, 2))
    figure.hand(side, fingers(rng, t, 0.3, 0.3), wander(rng, t, 0.1, 0.1, 3), wander(rng, t, 0.25, 0.25, 2))


def gait(figure: Figure, rng: Generator, t: Signal, heading: Signal, stride: float | Signal, cadence: float) -> Signal:
    """Walk along `heading` (T,): `stride` scales the legs' swing, `cadence` is in gait cycles a second.

    Returns the weight (T, 2) on each foot.
    """
    phase = t * cadence + rng.uniform()
    beat = 2 * np.pi * phase
    figure.root(heading + 0.06 * stride * np.sin(beat), 0.03, 0.03 * np.sin(beat))
    figure.spine(rng.uniform(0.02, 0.10), -0.03 * np.sin(beat), -0.16 * stride * np.sin(beat))
    figure.head(wander(rng, t, 0.05, 0.1, 4), 0.0, wander(rng, t, 0, 0.35, 3))
    for side, offset in zip(SIDES, (0.0, 0.5), strict=True):
        here = phase + offset
        hip, knee, ankle, toes = (np.radians(cyclic(here, curve)) for curve in (HIP, KNEE, ANKLE, TOES))
        lift = np.sqrt(stride)  # short steps clear the floor too
        figure.leg(side, stride * hip, 0.0, 0.08, lift * knee, stride * ankle, stride * toes)
        arm = np.cos(2 * np.pi * here)
        figure.arm(
            side,
            lower=rng.uniform(1.25, 1.38),
            forward=rng.uniform(0.0, 0.15) - rng.uniform(0.25, 0.5) * stride * arm,
            rotate=rng.uniform(-0.3, 0.1),
            elbow=rng.uniform(0.25, 0.6) - 0.22 * arm,
            supinate=wander(rng, t, 0.0, 0.3, 4),
        )
        figure.wrist(side, wander(rng, t, 0.1, 0.12, 3))
        figure.hand(side, fingers(rng, t, 0.35, 0.12), 0.05, wander(rng, t, 0.35, 0.15, 3))
    return np.stack([cyclic(phase + offset, SUPPORT) for offset in (0.0, 0.5)], 1)


def wave_arm(figure: Figure, rng: Generator, t: Signal, side: str, up: Signal) -> None:
    """Wave with a hand that is raised as far as `up` (T,) says, 0 to 1."""
    sway = np.sin(2 * np.pi * rng.uniform(1.0, 1.6) * t) * up
    high = rng.uniform(-0.1, 0.3)
    figure.arm(
        side,
        lower=1.3 + (high - 1.3) * up,
        forward=0.25 * up,
        rotate=-0.2 + (1.35 + 0.15 * sway) * up,
        elbow=0.3 + (rng.uniform(1.1, 1.6) + 0.3 * sway) * up,
        supinate=0.3 * (1 - up) - 0.1,
        collar=0.12 * up,
    )
    figure.wrist(side, -0.1 * up, 0.25 * sway)
    figure.hand(side, 0.3 - 0.25 * up, 0.05 + 0.13 * up, 0.3 - 0.25 * up)
