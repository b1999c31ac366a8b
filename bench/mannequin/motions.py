"""Scripted motions: for a name and a random generator, the poses of one or more people over time.

Every script draws its amplitudes, speeds and offsets from the generator, so that a seed is a performance.
"""

from collections.abc import Mapping

import numpy as np
from numpy.random import Generator
from pymafx_live.bench.mannequin import company, desk, touch
from pymafx_live.bench.mannequin.acting import (
    Act,
    Performance,
    Script,
    View,
    fingers,
    gait,
    gesture,
    relax,
    standing,
    wave_arm,
)
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Cast
from pymafx_live.bench.mannequin.signals import Signal, swing, through, wander
from pymafx_live.core.skeleton import SIDES


def perform(name: str, rng: Generator, frames: int, fps: float, cast: Cast) -> Act:
    """The motion `name`, a key of `MOTIONS`, over `frames` frames."""
    return MOTIONS[name](rng, np.arange(frames) / fps, cast)


def front(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Facing the camera, gesturing with both hands."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    figure.root(wander(rng, t, rng.uniform(-0.25, 0.25), 0.12, 5))
    for side in SIDES:
        gesture(figure, rng, t, side)
    return Act([standing(figure)])


def side_view(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Seen from one side, gesturing."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    figure.root(rng.choice([-1, 1]) * np.pi / 2 + wander(rng, t, rng.uniform(-0.25, 0.25), 0.12, 5))
    for side in SIDES:
        gesture(figure, rng, t, side)
    return Act([standing(figure)])


def walk(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Walking towards the camera at an angle; a turn and back again when the clip is long."""
    figure = Figure(len(t), cast.rest)
    oblique = rng.choice([-1, 1]) * rng.uniform(0.2, 0.9)
    turn_at = np.arange(3.2, max(t[-1], 0) + 3.2, 4.2)
    turns = sum((through(t, (at, at + 1.0), (0, np.pi)) for at in turn_at), np.zeros(len(t)))
    heading = oblique + turns * rng.choice([-1, 1]) + wander(rng, t, 0, 0.15, 4)
    support = gait(figure, rng, t, heading, rng.uniform(0.70, 0.98), rng.uniform(0.75, 0.95))
    return Act([Performance(figure.pose, support)])


def wave(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Raising one hand and waving; the other arm hangs or gestures."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    figure.root(wander(rng, t, rng.uniform(-0.4, 0.4), 0.1, 5))
    side, other = rng.permutation(SIDES)
    if rng.random() < 0.5:
        gesture(figure, rng, t, other, 0.5)
    wave_arm(figure, rng, t, side, through(t, (0.1, 0.9), (0.15, 1.0)) * (0.88 + 0.12 * swing(t, 3.7, 0.5)))
    return Act([standing(figure)])


def squat(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Squatting down and standing up, the arms stretched forward for balance."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
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
        figure.hand(side, fingers(rng, t, 0.25, 0.2), 0.08)
    return Act([standing(figure)])


def bow(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Bowing low with straight legs, again and again, the arms hanging."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    down = swing(t, rng.uniform(2.6, 3.6), rng.uniform(0, 0.3))
    lean, back = rng.uniform(0.5, 0.9) * down, rng.uniform(0.06, 0.12) * down
    knee = 0.06 + 0.06 * down
    figure.root(rng.uniform(-0.9, 0.9), lean)
    figure.spine(0.05 + rng.uniform(0.2, 0.5) * down, 0.0, wander(rng, t, 0, 0.08, 4))
    figure.head(0.05 + 0.15 * down, 0.0, wander(rng, t, 0, 0.2, 4))
    for side in SIDES:
        hip = lean + back + 0.03
        figure.leg(side, hip, 0.05, 0.1, knee, knee - hip + lean)
        figure.arm(side, 1.35, 0.05 + rng.uniform(0.2, 0.7) * down, 0.0, 0.25, wander(rng, t, 0.1, 0.3, 4))
    return Act([standing(figure)])


def ceiling(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Walking to and fro below a camera that hangs high, looks down and is a little askew."""
    act = walk(rng, t, cast)
    height, distance = rng.uniform(2.3, 3.2), rng.uniform(4.4, 5.6)
    position = np.array([distance * np.sin(rng.uniform(-0.3, 0.3)), height, distance])
    aim = np.array([0.0, rng.uniform(0.7, 1.0), 0.0])
    return Act(act.people, view=View(1280, 720, rng.uniform(62, 75), position, aim, roll=rng.uniform(-0.07, 0.07)))


def low(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Standing and gesturing before a camera near the floor that looks up, as a phone that leans on something does."""
    act = front(rng, t, cast)
    position = np.array([rng.uniform(-0.6, 0.6), rng.uniform(0.15, 0.5), rng.uniform(2.4, 3.0)])
    aim = np.array([0.0, rng.uniform(0.8, 0.9), 0.0])
    return Act(act.people, view=View(1280, 720, rng.uniform(72, 82), position, aim, roll=rng.uniform(-0.05, 0.05)))


def turn(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Turning on the spot, all the way round, in small steps."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
    rate = rng.choice([-1, 1]) * 2 * np.pi / rng.uniform(4.5, 7.0)
    support = gait(figure, rng, t, rng.uniform(-0.3, 0.3) + rate * t, 0.28, rng.uniform(0.8, 1.0))
    for side in SIDES:
        gesture(figure, rng, t, side, 0.5)
    return Act([Performance(figure.pose, support)])


def hands(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Upper body: both hands before the chest, opening and closing, the palms turning to the camera and away."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
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
    return Act([standing(figure, "upper")])


def _lagged(closing: Signal, t: Signal) -> Signal:
    """The same signal four times (4, T), each finger 30 ms after the one before: hands do not close as one."""
    return np.stack([np.interp(t - 0.03 * k, t, closing) for k in range(4)])


def reach(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Bending down and reaching up with one arm, as to a low and a high shelf."""
    figure = Figure(len(t), cast.rest)
    relax(figure, rng, t)
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
    figure.hand(side, fingers(rng, t, 0.25, 0.25), 0.1)
    return Act([standing(figure)])


def crossing(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Two people walk past each other across the view, one behind the other: in the middle one hides the other."""
    people = []
    depth = rng.uniform(0.55, 0.9)
    for direction, z in ((1, depth / 2), (-1, -depth / 2)):
        figure = Figure(len(t), cast.rest)
        heading = direction * (np.pi / 2 - rng.uniform(-0.1, 0.25)) + wander(rng, t, 0, 0.05, 4)
        support = gait(figure, rng, t, heading, rng.uniform(0.6, 0.8), rng.uniform(0.75, 0.95))
        people.append(Performance(figure.pose, support, middle=(0.0, z)))
    return Act(people)


def demo(rng: Generator, t: Signal, cast: Cast) -> Act:
    """One person waves, gestures and turns round once; meanwhile another walks past behind."""
    host = Figure(len(t), cast.rest)
    relax(host, rng, t)
    turning = through(t, (4.5, 5.2, 8.8, 9.5), (0, 1, 1, 0))
    heading = 0.1 + through(t, (4.6, 9.4), (0, 2 * np.pi))
    support = gait(host, rng, t, heading, 0.02 + 0.26 * turning, 0.9)
    gesture(host, rng, t, "left", 0.6)
    wave_arm(host, rng, t, "right", 0.1 + 0.9 * through(t, (0.2, 1.0, 3.6, 4.6), (0, 1, 1, 0)))
    guest = Figure(len(t), cast.rest)
    path = np.full(len(t), np.pi / 2 - 0.1) + wander(rng, t, 0, 0.05, 4)
    steps = gait(guest, rng, t, path, 0.75, 0.85)
    return Act([Performance(host.pose, support), Performance(guest.pose, steps, (-0.2, -1.0), "none")])


MOTIONS: Mapping[str, Script] = {
    "front": front,
    "side": side_view,
    "walk": walk,
    "wave": wave,
    "squat": squat,
    "bow": bow,
    "ceiling": ceiling,
    "low": low,
    "turn": turn,
    "hands": hands,
    "reach": reach,
    "crossing": crossing,
    "demo": demo,
    "portrait": desk.portrait,
    "waist": desk.waist,
    "desk": desk.desk,
    "typing": desk.typing,
    "lean": desk.lean,
    "screen": desk.screen,
    "handface": touch.handface,
    "together": touch.together,
    "group": company.group,
    "crowd": company.crowd,
    "back": company.back,
    "furniture": company.furniture,
}
