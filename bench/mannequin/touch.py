"""Scripts of hands before the face and hands together, which hide what a camera would see and each other."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.acting import Act, fingers
from pymafx_live.bench.mannequin.build import Cast
from pymafx_live.bench.mannequin.contact import HAND, HEAD, clearance, overlap, skin
from pymafx_live.bench.mannequin.desk import OUT, rest_on, seated
from pymafx_live.bench.mannequin.limbs import Grip
from pymafx_live.bench.mannequin.player import Player, Sitter, sit, stand, webcam
from pymafx_live.bench.mannequin.signals import Signal, step, swing, through, wander
from pymafx_live.bench.mannequin.worn import MUG_HEIGHT, MUG_PLACE, MUG_RADIUS
from pymafx_live.core.skeleton import JOINT, SIDES
from scipy.ndimage import gaussian_filter1d

Vectors = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Touch:
    """A place of the head (3,) on the rest body's left side, and how the left hand comes to it.

    `joint` of the hand goes there, `fingers` and `palm` point as said in the head's frame, the hand keeps clear in the
    direction `outward`; `curl` closes the fingers, `rub` is how far they move up and down, in metres.
    """

    place: tuple[float, float, float]
    fingers: tuple[float, float, float]
    palm: tuple[float, float, float]
    outward: tuple[float, float, float]
    joint: str
    curl: float
    rub: float = 0.0


TOUCHES = (
    Touch((0.05, 0.375, 0.12), (-0.5, 0.8, -0.2), (-0.5, -0.1, -0.85), (0.5, -0.1, 0.9), "index3", 0.35, 0.012),
    Touch((0.02, 0.490, 0.13), (-0.7, 0.6, -0.2), (-0.2, -0.3, -1.0), (0.2, 0.1, 1.0), "index3", 0.30, 0.012),
    Touch((0.00, 0.400, 0.17), (-0.6, 0.7, -0.3), (-0.4, 0.0, -0.9), (0.2, -0.2, 1.0), "index3", 0.40, 0.008),
    Touch((0.08, 0.420, 0.03), (-0.1, 0.9, -0.4), (-0.9, 0.0, -0.3), (1.0, 0.0, 0.3), "index3", 0.35, 0.010),
    Touch((0.06, 0.530, 0.06), (-0.3, 0.7, -0.6), (-0.7, -0.5, -0.3), (0.8, 0.6, 0.3), "middle3", 0.30, 0.015),
    Touch((0.05, 0.310, 0.08), (0.2, 0.95, -0.2), (-0.9, 0.1, -0.4), (0.85, -0.2, 0.45), "wrist", 0.22),
    Touch((0.00, 0.320, 0.12), (-0.7, 0.3, -0.1), (0.0, -0.5, -0.85), (0.0, -1.0, 0.3), "middle1", 0.90),
    Touch((0.00, 0.366, 0.16), (-0.8, 0.5, -0.1), (-0.1, 0.0, -1.0), (0.0, 0.0, 1.0), "middle2", 0.15),
    Touch((0.00, 0.345, 0.14), (-0.6, 0.7, -0.1), (-0.3, 0.0, -0.9), (0.0, -0.3, 1.0), "index2", 0.55, 0.006),
)
"""Cheek, forehead, nose, ear, hair; the chin in the palm and on the fist; the hand over the mouth, at the chin."""


def handface(rng: Generator, t: Signal, cast: Cast) -> Act:
    """A hand before the face: scratching, the chin in it, over the mouth, a mug at the mouth."""
    side, other = (str(s) for s in rng.permutation(SIDES))
    player = sit(rng, t, cast) if rng.random() < 0.6 else stand(rng, t, cast, rng.uniform(-0.2, 0.2))
    start, stay = rng.uniform(-0.9, 0.5), rng.uniform(1.0, 2.0)
    there = through(t, (start, start + 0.7, start + 0.7 + stay, start + 1.5 + stay), (0, 1, 1, 0))
    there = gaussian_filter1d(there, 0.1 / step(t))
    carries = ""
    if rng.random() < 0.25:
        _drink(rng, t, player, side, there)
        carries = f"mug {side}"
    else:
        _to_face(rng, t, player, side, TOUCHES[rng.integers(len(TOUCHES))], there)
    if isinstance(player, Sitter):
        player.rise(side)
        if rng.random() < 0.6:
            rest_on(rng, t, player, other)
    act = before_webcam(rng, player)
    return replace(act, people=[replace(act.people[0], carries=carries)])


def _drink(rng: Generator, t: Signal, player: Player, side: str, there: Signal) -> None:
    """Lift a mug from its rest to the mouth, as far as `there` (T,) says, and tilt it there."""
    out = OUT[side]
    player.figure.hand(side, fingers(rng, t, 0.52, 0.02), 0.02, 0.25)
    head, axes = player.frames("head")
    mouth = (np.array([0.0, 0.361, 0.160]) - player.skeleton.rest[JOINT["head"]]) * player.size
    tilt = rng.uniform(0.3, 0.8) * there**3
    upright = np.stack([0 * t, np.cos(tilt), -np.sin(tilt)], 1)
    along = np.broadcast_to(np.array([-0.93, 0.0, 0.37]), upright.shape)
    palm = -np.cross(upright, along)
    rim = 0.9 * upright * MUG_HEIGHT / 2 + np.array([0.0, 0.0, -1.0]) * (MUG_RADIUS + 0.004)
    goal = head + np.einsum("tab,tb->ta", axes, (mouth - rim) * out)
    if isinstance(player, Sitter):
        low = [player.pelvis[0, 0], player.top + MUG_HEIGHT / 2 + 0.002, player.edge + 0.12]
        home = np.array([0.16, 0.0, 0.0]) * out + low
    else:
        chest, turns = player.frames("spine2")
        home = chest + turns @ (np.array([0.14, 0.0, 0.30]) * out * player.size)
    weight, bow = there[:, None], 4 * (there * (1 - there))[:, None]
    middle = home * (1 - weight) + goal * weight + bow * [0.0, 0.0, 0.06]
    held = (along * MUG_PLACE[0] - np.cross(upright, along) * -MUG_PLACE[1]) * player.size
    wrist = middle - held * out
    player.reach(side, Grip(wrist, along * out, palm * out, np.array([1.0, -0.8, 0.0]) * out))


def _to_face(rng: Generator, t: Signal, player: Player, side: str, touch: Touch, there: Signal) -> None:
    """Take a hand from its rest to the face, as far as `there` (T,) says, and no deeper than the skin."""
    player.figure.hand(side, fingers(rng, t, touch.curl, 0.05), 0.04, 0.15 + 0.5 * touch.curl)
    out = OUT[side]
    head, axes = player.frames("head")
    rest = player.skeleton.rest[JOINT["head"]]
    place = (np.array(touch.place) - rest) * out * player.size
    rubbing = np.sin(2 * np.pi * rng.uniform(2.5, 3.5) * t)[:, None] * touch.rub * axes[:, :, 1]
    home = _home(player, side)
    hand, obstacle = skin(player.skeleton, HAND[side]), skin(player.skeleton, HEAD)
    weight, bow = there[:, None], 4 * (there * (1 - there))[:, None]

    def come(gap: float) -> float:
        goal = head + axes @ (place + gap * np.array(touch.outward) * out) + rubbing
        grip = Grip(goal, axes @ (np.array(touch.fingers) * out), axes @ (np.array(touch.palm) * out),
                    np.array([0.8, -1.0, 0.1]) * out)  # fmt: skip
        there_grip = player.guide(side, grip, f"{side}_{touch.joint}", goal)
        player.reach(side, replace(
            grip,
            wrist=home.wrist * (1 - weight) + there_grip.wrist * weight + bow * (np.array([0.06, 0.0, 0.12]) * out),
            fingers=home.fingers * (1 - weight) + grip.fingers * weight + bow * [0.0, 0.0, 0.6],
            palm=home.palm * (1 - weight) + grip.palm * weight,
        ))  # fmt: skip
        return overlap(hand, obstacle, player.figure.pose, player.pelvis)

    clearance(come, 0.003, 0.12)


def _home(player: Player, side: str) -> Grip:
    """Where a hand waits: over the desk, or before the hip of who stands."""
    out = OUT[side]
    elbow = np.array([0.8, -1.0, 0.1]) * out
    if isinstance(player, Sitter):
        place = np.array([0.20, 0.07, 0.10]) * out + [player.pelvis[0, 0], player.top, player.edge]
        return Grip(place, np.array([-0.2, 0.2, 1.0]) * out, np.array([-0.5, -1.0, 0.0]) * out, elbow)
    chest, axes = player.frames("spine1")
    place = chest + axes @ (np.array([0.26, -0.08, 0.24]) * out * player.size)
    return Grip(place, np.array([-0.3, -0.3, 1.0]) * out, np.array([-1.0, -0.3, 0.0]) * out, elbow)


def before_webcam(rng: Generator, player: Player) -> Act:
    """One person at the desk or, standing, waist up."""
    if isinstance(player, Sitter):
        return seated(rng, player)
    size, azimuth = ((640, 480), (1280, 720))[rng.integers(2)], np.radians(rng.uniform(-20, 20))
    distance, rise = rng.uniform(0.75, 1.0) * (1.0 if size[0] == 640 else 1.2), rng.uniform(-0.3, 0.1)
    crown = rng.uniform(0.03, 0.15)
    view = webcam(rng, player.joints(), size, rng.uniform(55, 72), distance, rise, azimuth, crown)
    return Act([player.perform()], view=view, varied=True)


def together(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Hands together: clasped, palm on palm, clapping, crossing, one hand counting on the other."""
    player = sit(rng, t, cast) if rng.random() < 0.5 else stand(rng, t, cast, rng.uniform(-0.2, 0.2))
    deed: Callable[[Generator, Signal, Player], None] = (_clasp, _book, _clap, _cross, _count)[rng.integers(5)]
    deed(rng, t, player)
    if isinstance(player, Sitter):
        player.rise(*SIDES)
    return before_webcam(rng, player)


def _middle(rng: Generator, t: Signal, player: Player) -> tuple[Vectors, Vectors]:
    """A place (T, 3) before the chest that moves a little, and the chest's axes (T, 3, 3)."""
    neck, axes = player.frames("neck")[0], player.frames("spine3")[1]
    drop = rng.uniform(0.15, 0.25) if isinstance(player, Sitter) else rng.uniform(0.17, 0.34)
    shift = np.stack([wander(rng, t, 0, 0.04, 3), wander(rng, t, -drop, 0.04, 3),
                      wander(rng, t, rng.uniform(0.26, 0.34), 0.03, 3)], 1)  # fmt: skip
    return neck + np.einsum("tab,tb->ta", axes, shift * player.size), axes


@dataclass(frozen=True, slots=True)
class Hold:
    """How a left hand is held in the chest's frame: where fingers, palm and elbow point, (3,) or (T, 3).

    `back` is the distance from the hand's middle to its wrist in metres.
    """

    along: Vectors
    palm: Vectors
    back: float = 0.09
    elbow: tuple[float, float, float] = (0.9, -1.0, 0.0)


def _hold(player: Player, side: str, axes: Vectors, centre: Vectors, hold: Hold) -> None:
    """Bring the point of a hand that lies `hold.back` from its wrist towards the fingers to `centre` (T, 3)."""
    along = hold.along / np.linalg.norm(hold.along, axis=-1, keepdims=True)
    written = along, hold.palm, np.array(hold.elbow)
    directions = [_turned(axes, v * OUT[side]) for v in written]
    player.reach(side, Grip(centre - hold.back * player.size * directions[0], *directions))


def _turned(axes: Vectors, vector: Vectors) -> Vectors:
    """A direction (3,) or (T, 3) of the chest's frame in the room (T, 3)."""
    return np.asarray(np.einsum("tab,tb->ta", axes, np.broadcast_to(vector, (len(axes), 3))))


def _press(player: Player, place: Callable[[float], None], allowed: float) -> None:
    """Bring two hands as near to each other as their skin lets them; `place` sets both arms for a gap in metres."""
    left, right = (skin(player.skeleton, HAND[side]) for side in SIDES)

    def near(gap: float) -> float:
        place(gap)
        pose, pelvis = player.figure.pose, player.pelvis
        return max(overlap(left, right, pose, pelvis), overlap(right, left, pose, pelvis))

    clearance(near, allowed, 0.12)


def _clasp(rng: Generator, t: Signal, player: Player) -> None:
    """One hand closed, the other about it."""
    inner, outer = (str(s) for s in rng.permutation(SIDES))
    middle, axes = _middle(rng, t, player)
    player.figure.hand(inner, fingers(rng, t, 0.85, 0.04), 0.0, 0.6)
    player.figure.hand(outer, fingers(rng, t, 0.42, 0.05), 0.02, 0.3)
    closed = Hold(np.array([-0.5, 0.2, 0.8]), np.array([-0.9, -0.3, -0.4]), 0.08)
    about = Hold(np.array([-0.9, 0.3, 0.6]), np.array([-0.8, -rng.uniform(0.0, 0.6), -0.7]))
    away = -about.palm / np.linalg.norm(about.palm) * OUT[outer]

    def place(gap: float) -> None:
        _hold(player, inner, axes, middle, closed)
        _hold(player, outer, axes, middle + _turned(axes, (0.02 + gap) * away + [0, 0, 0.03]), about)

    _press(player, place, 0.006)


def _book(rng: Generator, t: Signal, player: Player) -> None:
    """Palm on palm, opening like a book and closing."""
    middle, axes = _middle(rng, t, player)
    opening = rng.uniform(0.0, 1.3) * swing(t, rng.uniform(1.4, 2.4), rng.uniform(0, 1))
    along = np.array([0.0, rng.uniform(0.1, 1.0), 1.0])
    along /= np.linalg.norm(along)
    flat = np.stack([-np.cos(opening), np.sin(opening), np.zeros(len(t))], 1)
    palm = flat - (flat @ along)[:, None] * along
    palm /= np.linalg.norm(palm, axis=1, keepdims=True)
    thumbwards = np.cross(along, -palm)  # the hands hinge on their little fingers
    for side in SIDES:
        player.figure.hand(side, fingers(rng, t, 0.04, 0.03), 0.02, -0.4)

    def place(gap: float) -> None:
        for side in SIDES:
            aside = np.outer(0.01 + 0.04 * np.sin(opening) + gap, [1.0, 0.0, 0.0])
            shift = _turned(axes, (0.045 * thumbwards + aside) * OUT[side])
            _hold(player, side, axes, middle + shift, Hold(along, palm))

    _press(player, place, 0.003)


def _clap(rng: Generator, t: Signal, player: Player) -> None:
    """One flat hand on the upturned palm of the other, clapping now and then."""
    lower, upper = (str(s) for s in rng.permutation(SIDES))
    middle, axes = _middle(rng, t, player)
    lift = rng.uniform(0.06, 0.14) * swing(t, rng.uniform(0.6, 1.2), rng.uniform(0, 1))
    for side in SIDES:
        player.figure.hand(side, fingers(rng, t, 0.05, 0.03), 0.03, -0.4)
    upturned = Hold(np.array([-0.6, 0.1, 0.8]), np.array([0.1, 1.0, -0.1]))
    down = Hold(np.array([-0.8, 0.1, 0.6]), np.array([-0.2, -1.0, 0.1]), elbow=(1.0, -0.35, 0.0))

    def place(gap: float) -> None:
        _hold(player, lower, axes, middle, upturned)
        _hold(player, upper, axes, middle + axes[:, :, 1] * (0.012 + gap + lift)[:, None], down)

    _press(player, place, 0.003)


def _cross(rng: Generator, t: Signal, player: Player) -> None:
    """The hands pass one before the other, to the far side and back."""
    near, far = (str(s) for s in rng.permutation(SIDES))
    middle, axes = _middle(rng, t, player)
    x = 0.16 - rng.uniform(0.22, 0.28) * swing(t, rng.uniform(1.6, 2.6), rng.uniform(0, 1))
    for side in SIDES:
        player.figure.hand(side, fingers(rng, t, 0.2, 0.2), 0.1, 0.2)
    hold = Hold(np.array([-0.5, 0.9, 0.3]), np.array([-0.6, 0.0, 0.8 * rng.choice([-1.0, 1.0])]), 0.06)

    def place(gap: float) -> None:
        for side, depth in ((near, 0.03 + gap / 2), (far, -0.03 - gap / 2)):
            shift = np.stack([x, np.zeros(len(t)), np.full(len(t), depth)], 1) * OUT[side]
            _hold(player, side, axes, middle + _turned(axes, shift), hold)

    _press(player, place, 0.0)


def _count(rng: Generator, t: Signal, player: Player) -> None:
    """Count on the fingers of one open hand with the other's index finger."""
    spread, pointer = (str(s) for s in rng.permutation(SIDES))
    middle, axes = _middle(rng, t, player)
    player.figure.hand(spread, fingers(rng, t, 0.05, 0.03), 0.16, 0.1)
    player.figure.hand(pointer, np.array([0.12, 0.85, 0.9, 0.9])[:, None] + 0 * t, 0.0, 0.5)
    along = np.array([-0.8, 0.6, 0.2])
    _hold(player, spread, axes, middle, Hold(along, np.array([-0.3, 0.0, -1.0])))
    tips = player.joints()[:, [JOINT[f"{spread}_{finger}3"] for finger in ("index", "middle", "ring", "pinky")]]
    number = _steps(rng, t)
    share = np.clip(1 - np.abs(number[:, None] - np.arange(4)), 0, 1)[..., None]
    hop = 0.02 * np.sin(np.pi * (number % 1.0))[:, None]
    beyond = _turned(axes, along * OUT[spread])
    written = np.array([-0.7, 0.45, 0.25]), np.array([-0.3, -0.3, -0.9]), np.array([0.9, -0.9, 0.0])
    directions = [_turned(axes, v * OUT[pointer]) for v in written]

    def place(gap: float) -> None:
        goal = (tips * share).sum(1) + beyond * (0.03 + gap + hop)
        player.guide(pointer, Grip(goal, *directions), f"{pointer}_index3", goal)

    _press(player, place, 0.002)


def _steps(rng: Generator, t: Signal) -> Signal:
    """A signal (T,) that steps 0, 1, 2, 3, 2, 1, 0 and so on, resting at each."""
    pace = rng.uniform(0.55, 0.8)
    times = np.arange(0, t[-1] + 2 * pace, pace) - rng.uniform(0, pace)
    stops = 3 - np.abs(np.arange(len(times)) % 6 - 3)
    knots = np.stack([times, times + 0.35 * pace], 1).ravel()
    return through(t, knots.tolist(), np.repeat(stops, 2).tolist())
