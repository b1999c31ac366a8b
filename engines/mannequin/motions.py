"""Scripted motions: for a name and a random generator, the poses of one or more people over time.

Every script draws its amplitudes, speeds and offsets from the generator, so that a seed is a performance. The
ranges are those of healthy adults, and the gait follows the normative curves of Perry & Burnfield, "Gait
Analysis" (2010), chapters 3 to 6, in outline.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.engines.mannequin.anatomy import Figure
from pymafx_live.engines.mannequin.signals import Signal, cyclic, swing, through, wander
from pymafx_live.pipeline.types import Floats

SIDES = ("left", "right")

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
    camera frames: the whole "body", the "upper" half or "none".
    """

    pose: NDArray[np.float64]
    support: Signal
    middle: tuple[float, float] = (0.0, 0.0)
    focus: str = "body"


Script = Callable[[Generator, Signal, Floats], list[Performance]]


def perform(name: str, rng: Generator, frames: int, fps: float, rest_joints: Floats) -> list[Performance]:
    """The people of the motion `name`, a key of `MOTIONS`, over `frames` frames."""
    return MOTIONS[name](rng, np.arange(frames) / fps, rest_joints)


def _standing(figure: Figure, focus: str = "body") -> Performance:
    return Performance(figure.pose, np.full((figure.frames, 2), 0.5), focus=focus)


def _relax(figure: Figure, rng: Generator, t: Signal) -> None:
    """Stand at ease: breathing, weight shifts, small movements of the head, arms hanging, fingers half open."""
    figure.spine(wander(rng, t, 0.05, 0.05, 5), wander(rng, t, 0, 0.05, 5), wander(rng, t, 0, 0.10, 5))
    figure.head(wander(rng, t, 0.05, 0.15, 4), wander(rng, t, 0, 0.10, 4), wander(rng, t, 0, 0.35, 4))
    for side in SIDES:
        _hang(figure, rng, t, side)
        knee = wander(rng, t, 0.10, 0.06, 5)
        figure.leg(side, knee / 2, rng.uniform(0.0, 0.08), rng.uniform(0.0, 0.2), knee, knee / 2)


def _hang(figure: Figure, rng: Generator, t: Signal, side: str) -> None:
    figure.arm(
        side,
        lower=wander(rng, t, 1.30, 0.08, 4),
        forward=wander(rng, t, 0.05, 0.15, 4),
        rotate=wander(rng, t, -0.2, 0.2, 4),
        elbow=wander(rng, t, 0.35, 0.2, 4),
        supinate=wander(rng, t, 0.0, 0.3, 4),
    )
    figure.wrist(side, wander(rng, t, 0.1, 0.15, 3), wander(rng, t, 0.0, 0.1, 3))
    figure.hand(side, _fingers(rng, t, 0.28, 0.15), 0.06, wander(rng, t, 0.3, 0.2, 3))


def _fingers(rng: Generator, t: Signal, centre: float, amplitude: float) -> Signal:
    """The curls of four fingers (4, T): mostly together, a little apart."""
    common = wander(rng, t, centre, amplitude, 3)
    return np.stack([common + wander(rng, t, 0.02 * k, 0.06, 2) for k in range(4)]).clip(-0.05, 1.0)


def _gesture(figure: Figure, rng: Generator, t: Signal, side: str, reach: float = 1.0) -> None:
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
    figure.hand(side, _fingers(rng, t, 0.3, 0.3), wander(rng, t, 0.1, 0.1, 3), wander(rng, t, 0.25, 0.25, 2))


def front(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Facing the camera, gesturing with both hands."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    figure.root(wander(rng, t, rng.uniform(-0.25, 0.25), 0.12, 5))
    for side in SIDES:
        _gesture(figure, rng, t, side)
    return [_standing(figure)]


def side_view(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Seen from one side, gesturing."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    figure.root(rng.choice([-1, 1]) * np.pi / 2 + wander(rng, t, rng.uniform(-0.25, 0.25), 0.12, 5))
    for side in SIDES:
        _gesture(figure, rng, t, side)
    return [_standing(figure)]


def _gait(figure: Figure, rng: Generator, t: Signal, heading: Signal, stride: float | Signal, cadence: float) -> Signal:
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
        figure.hand(side, _fingers(rng, t, 0.35, 0.12), 0.05, wander(rng, t, 0.35, 0.15, 3))
    return np.stack([cyclic(phase + offset, SUPPORT) for offset in (0.0, 0.5)], 1)


def walk(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Walking towards the camera at an angle; a turn and back again when the clip is long."""
    figure = Figure(len(t), rest)
    oblique = rng.choice([-1, 1]) * rng.uniform(0.2, 0.9)
    turn_at = np.arange(3.2, max(t[-1], 0) + 3.2, 4.2)
    turns = sum((through(t, (at, at + 1.0), (0, np.pi)) for at in turn_at), np.zeros(len(t)))
    heading = oblique + turns * rng.choice([-1, 1]) + wander(rng, t, 0, 0.15, 4)
    support = _gait(figure, rng, t, heading, rng.uniform(0.70, 0.98), rng.uniform(0.75, 0.95))
    return [Performance(figure.pose, support)]


def wave(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Raising one hand and waving; the other arm hangs or gestures."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    figure.root(wander(rng, t, rng.uniform(-0.4, 0.4), 0.1, 5))
    side, other = rng.permutation(SIDES)
    if rng.random() < 0.5:
        _gesture(figure, rng, t, other, 0.5)
    _wave_arm(figure, rng, t, side, through(t, (0.1, 0.9), (0.15, 1.0)) * (0.88 + 0.12 * swing(t, 3.7, 0.5)))
    return [_standing(figure)]


def _wave_arm(figure: Figure, rng: Generator, t: Signal, side: str, up: Signal) -> None:
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


def squat(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Squatting down and standing up, the arms stretched forward for balance."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    down = swing(t, rng.uniform(2.2, 3.2), rng.uniform(0, 0.3))
    knee, hip = rng.uniform(1.5, 1.9) * down + 0.08, rng.uniform(1.5, 1.8) * down + 0.04
    lean = rng.uniform(0.45, 0.65) * down
    figure.root(rng.uniform(-0.7, 0.7), lean)
    figure.spine(0.2 * down, 0.0, wander(rng, t, 0, 0.08, 4))
    figure.head(-0.35 * down, 0.0, wander(rng, t, 0, 0.25, 4))
    forward, elbow = rng.uniform(1.0, 1.5), rng.uniform(0.15, 0.9)
    for side in SIDES:
        figure.leg(side, hip, 0.12 + 0.1 * down, 0.3, knee, knee - hip + lean)
        figure.arm(side, 1.3, 0.1 + forward * down, 0.0, 0.2 + elbow * down, wander(rng, t, 0.2, 0.4, 3))
        figure.hand(side, _fingers(rng, t, 0.25, 0.2), 0.08)
    return [_standing(figure)]


def turn(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Turning on the spot, all the way round, in small steps."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    rate = rng.choice([-1, 1]) * 2 * np.pi / rng.uniform(4.5, 7.0)
    support = _gait(figure, rng, t, rng.uniform(-0.3, 0.3) + rate * t, 0.28, rng.uniform(0.8, 1.0))
    for side in SIDES:
        _gesture(figure, rng, t, side, 0.5)
    return [Performance(figure.pose, support)]


def hands(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Upper body: both hands before the chest, opening and closing, the palms turning to the camera and away."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    figure.root(wander(rng, t, rng.uniform(-0.2, 0.2), 0.08, 5))
    together = rng.uniform(0, 1)
    period = rng.uniform(1.4, 2.4)
    for k, side in enumerate(SIDES):
        closing = swing(t, period, together * k / 2)
        figure.arm(
            side,
            lower=wander(rng, t, 1.05, 0.15, 4),
            forward=wander(rng, t, 0.45, 0.2, 4),
            rotate=wander(rng, t, 0.25, 0.25, 4),
            elbow=wander(rng, t, 1.9, 0.3, 3),
            supinate=wander(rng, t, 0.2, 0.8, 4),
        )
        figure.wrist(side, wander(rng, t, -0.1, 0.3, 2), wander(rng, t, 0.0, 0.15, 2))
        figure.hand(side, 0.95 * _lagged(closing, t), 0.14 * (1 - closing), 0.9 * closing)
    return [_standing(figure, "upper")]


def _lagged(closing: Signal, t: Signal) -> Signal:
    """The same signal four times (4, T), each finger 30 ms after the one before: hands do not close as one."""
    return np.stack([np.interp(t - 0.03 * k, t, closing) for k in range(4)])


def reach(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Bending down and reaching up with one arm, as to a low and a high shelf."""
    figure = Figure(len(t), rest)
    _relax(figure, rng, t)
    low, high = swing(t, 4.0, rng.uniform(0, 0.3)), swing(t, 4.0, rng.uniform(0.4, 0.7))
    bend = rng.uniform(0.5, 0.9) * low
    figure.root(rng.uniform(-0.9, 0.9), 0.6 * bend)
    figure.spine(bend, wander(rng, t, 0, 0.1, 4), wander(rng, t, 0, 0.25, 4))
    figure.head(wander(rng, t, 0.0, 0.15, 4) - 0.3 * high, 0.0, wander(rng, t, 0, 0.3, 4))
    side = str(rng.choice(SIDES))
    for leg in SIDES:
        figure.leg(leg, 0.6 * bend + 0.4 * low, 0.08, 0.15, 0.8 * low + 0.05, 0.4 * low)
    figure.arm(
        side,
        lower=1.25 - 0.5 * high,
        forward=0.4 + 0.9 * low + 1.9 * high,
        rotate=0.1,
        elbow=0.9 - 0.6 * np.maximum(low, high),
        supinate=wander(rng, t, 0.3, 0.5, 3),
        collar=0.2 * high,
    )
    figure.hand(side, _fingers(rng, t, 0.25, 0.25), 0.1)
    return [_standing(figure)]


def crossing(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """Two people walk past each other across the view, one behind the other: in the middle one hides the other."""
    people = []
    depth = rng.uniform(0.55, 0.9)
    for direction, z in ((1, depth / 2), (-1, -depth / 2)):
        figure = Figure(len(t), rest)
        heading = direction * (np.pi / 2 - rng.uniform(-0.1, 0.25)) + wander(rng, t, 0, 0.05, 4)
        support = _gait(figure, rng, t, heading, rng.uniform(0.6, 0.8), rng.uniform(0.75, 0.95))
        people.append(Performance(figure.pose, support, middle=(0.0, z)))
    return people


def demo(rng: Generator, t: Signal, rest: Floats) -> list[Performance]:
    """One person waves, gestures and turns round once; meanwhile another walks past behind."""
    host = Figure(len(t), rest)
    _relax(host, rng, t)
    turning = through(t, (4.5, 5.2, 8.8, 9.5), (0, 1, 1, 0))
    heading = 0.1 + through(t, (4.6, 9.4), (0, 2 * np.pi))
    support = _gait(host, rng, t, heading, 0.02 + 0.26 * turning, 0.9)
    _gesture(host, rng, t, "left", 0.6)
    _wave_arm(host, rng, t, "right", 0.1 + 0.9 * through(t, (0.2, 1.0, 3.6, 4.6), (0, 1, 1, 0)))
    guest = Figure(len(t), rest)
    path = np.full(len(t), np.pi / 2 - 0.1) + wander(rng, t, 0, 0.05, 4)
    steps = _gait(guest, rng, t, path, 0.75, 0.85)
    return [Performance(host.pose, support), Performance(guest.pose, steps, (-0.2, -1.0), "none")]


MOTIONS: Mapping[str, Script] = {
    "front": front,
    "side": side_view,
    "walk": walk,
    "wave": wave,
    "squat": squat,
    "turn": turn,
    "hands": hands,
    "reach": reach,
    "crossing": crossing,
    "demo": demo,
}
