"""Scripts of people before a webcam: at a desk or standing, cut by the picture's edges."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.engines.mannequin.acting import SIDES, Act, Performance, View, fingers, gesture, hang, relax
from pymafx_live.engines.mannequin.anatomy import Figure
from pymafx_live.engines.mannequin.build import Cast, Skeleton
from pymafx_live.engines.mannequin.limbs import Grip, reach
from pymafx_live.engines.mannequin.props import CLOTH, KEYS, PAINT, WOOD, Block
from pymafx_live.engines.mannequin.signals import Signal, through, wander
from pymafx_live.engines.skeleton import JOINT
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

Vectors = NDArray[np.float64]

CLOTHES = 0.015
"""Metres by which clothes stand off the skin, with something to spare."""
CONTACT = 0.002
"""Metres between a hand that rests on something and its surface."""

_TRUNK = [JOINT[name] for name in ("pelvis", "spine1", "spine2", "spine3")]
_ARM = {
    side: [j for name, j in JOINT.items() if name.startswith(side) and j >= JOINT["left_elbow"] and "eye" not in name]
    for side in SIDES
}


@dataclass(slots=True)
class Sitter:
    """A person on a chair at a desk: `pelvis` (T, 3) in the room, `top` the desk's height and `edge` its near z."""

    figure: Figure
    skeleton: Skeleton
    pelvis: Vectors
    top: float
    edge: float

    def joints(self) -> Vectors:
        """All joints (T, 55, 3) in the room."""
        return self.skeleton.joints(self.figure.pose, self.pelvis)[0].astype(np.float64)

    def perform(self) -> Performance:
        """The finished performance."""
        weight = np.full((self.figure.frames, 2), 0.5)
        return Performance(self.figure.pose, weight, focus="none", path=self.pelvis, build=self.skeleton.build)


def _vertices_of(skeleton: Skeleton, joints: Sequence[int]) -> Skeleton:
    """The skeleton with the skin that mostly follows `joints`."""
    return skeleton.part(np.flatnonzero(np.isin(skeleton.body.skin_joints[:, 0], joints)))


def _sit(rng: Generator, t: Signal, cast: Cast, pitch: float | Signal = 0.0, bend: float | Signal = 0.0) -> Sitter:
    """Sit down at a desk, arms hanging: a posture of one's own, breathing, small movements of trunk and head.

    `pitch` and `bend` are added to the lean of pelvis and spine.
    """
    figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
    lean = wander(rng, t, rng.uniform(-0.12, 0.10), 0.02, 5) + pitch
    slouch = wander(rng, t, rng.uniform(0.05, 0.35), 0.03, 4) + bend
    figure.root(wander(rng, t, rng.uniform(-0.12, 0.12), 0.05, 5), lean)
    figure.spine(slouch, wander(rng, t, 0, 0.05, 5), wander(rng, t, 0, 0.08, 5))
    level = -0.8 * (lean + slouch)
    figure.head(wander(rng, t, 0.05, 0.10, 4) + level, wander(rng, t, 0, 0.08, 4), wander(rng, t, 0, 0.25, 4))
    for side in SIDES:
        hang(figure, rng, t, side)
        figure.leg(side, np.pi / 2 - 0.1 + lean, rng.uniform(0.05, 0.2), 0.0, rng.uniform(1.4, 1.7))
    top = rng.uniform(0.70, 0.76)
    sitter = Sitter(figure, skeleton, np.zeros((len(t), 3)), top, 0.0)
    joints = sitter.joints()
    shoulders = joints[:, [JOINT["left_shoulder"], JOINT["right_shoulder"]], 1].mean()
    size = float(skeleton.build.bones[0])
    sitter.pelvis[:, 1] = top + rng.uniform(0.30, 0.38) * size - shoulders
    belly = _vertices_of(skeleton, _TRUNK).vertices(figure.pose[::5], sitter.pelvis[::5])
    below = belly[belly[..., 1] < top + 0.02]
    front = below[:, 2].max() if len(below) else belly[..., 2].max()
    sitter.edge = float(front) + CLOTHES + rng.uniform(0.01, 0.08)
    return sitter


def _lay(sitter: Sitter, side: str, grip: Grip, resting: bool = True) -> None:
    """Reach with one arm so that hand and forearm stay above the desk; a hand that rests touches it."""
    arm = _vertices_of(sitter.skeleton, _ARM[side])
    wrist = np.broadcast_to(grip.wrist, sitter.pelvis.shape).copy()
    for attempt in range(4):
        reach(sitter.figure, side, sitter.skeleton, sitter.pelvis, replace(grip, wrist=wrist))
        skin = arm.vertices(sitter.figure.pose, sitter.pelvis)
        heights = np.where(skin[..., 2] > sitter.edge - CLOTHES, skin[..., 1], np.inf).min(1)
        gap = np.where(np.isfinite(heights), heights - sitter.top - CONTACT, 0.1)
        sink = np.maximum(-gap, 0)
        if attempt == 3 or (not resting and sink.max() < CONTACT):
            break
        if resting and attempt == 0:
            wrist[:, 1] -= gaussian_filter1d(gap, 3)
        else:
            wrist[:, 1] += 1.2 * gaussian_filter1d(maximum_filter1d(sink, 7), 2)


def _between(rng: Generator, t: Signal, low: Sequence[float], high: Sequence[float], every: float) -> Vectors:
    """A path (T, 3) that moves to another random place of a box now and then, about `every` seconds, and rests."""
    times = [-rng.uniform(0, every)]
    while times[-1] < t[-1] + every:
        times.append(times[-1] + max(0.45, rng.uniform(0.6, 1.4) * every))
    stops = rng.uniform(low, high, (len(times), 3))
    hold = 0.25 * np.diff(times, append=times[-1] + every)
    knots = np.stack([times, np.array(times) + hold], 1).ravel()
    path = np.stack([through(t, knots.tolist(), np.repeat(stops[:, k], 2).tolist()) for k in range(3)], 1)
    return np.asarray(gaussian_filter1d(path, 0.05 / (t[1] - t[0] if len(t) > 1 else 0.04), axis=0))


def _shapes(rng: Generator, figure: Figure, t: Signal, side: str, every: float) -> None:
    """Change the hand's shape now and then: each finger straight or closed, as when signing."""
    curls = _between(rng, t, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), every)
    last = _between(rng, t, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), every)
    closing = np.stack([curls[:, 0], curls[:, 1], 0.5 * curls[:, 1] + 0.5 * curls[:, 2], curls[:, 2]])
    figure.hand(side, 0.05 + 0.8 * closing**2, 0.1 * (1 - closing.mean(0)), 0.1 + 0.6 * last[:, 0] ** 2)


def _hold_eye(figure: Figure, rng: Generator, t: Signal, towards: float, pitch: float | Signal = 0.0) -> None:
    """Look about the camera that stands `towards` radians to the left, the trunk leaning forward by `pitch`."""
    figure.head(
        wander(rng, t, 0.03, 0.10, 4) - 0.8 * np.asarray(pitch),
        wander(rng, t, 0, 0.09, 4),
        wander(rng, t, 0.6 * towards, 0.22, 4),
    )


def _webcam(
    rng: Generator,
    joints: Vectors,
    size: tuple[int, int],
    fov: float,
    distance: float,
    rise: float,
    azimuth: float,
    crown_at: float,
) -> View:
    """A camera `distance` metres before the eyes of `joints` (T, 55, 3) and `rise` above them.

    `azimuth` is its side, towards +x; the crown of the head is seen at `crown_at` of the picture's height.
    """
    eyes = joints[:, [JOINT["left_eye"], JOINT["right_eye"]]].mean((0, 1))
    crown = (3 * joints[:, JOINT["head"]] - 2 * joints[:, JOINT["neck"]]).mean(0)
    position = eyes + distance * np.array([np.sin(azimuth), 0.0, np.cos(azimuth)])
    position[1] += rise
    at = 0.5 + rng.uniform(-0.12, 0.12), crown_at
    return View(*size, fov, position, crown, at, np.radians(rng.uniform(-2.5, 2.5)))


def _furnish(rng: Generator, sitter: Sitter, chair: bool = True) -> list[Block]:
    """The desk, perhaps with a panel towards the other side, what stands on it, and perhaps the chair's back."""
    wood = np.array([60, 110, 165]) * rng.uniform(0.4, 1.25) if rng.random() < 0.6 else rng.uniform(50, 235, 3)
    kind = WOOD if rng.random() < 0.7 else PAINT
    half, depth, top, edge = rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.8), sitter.top, sitter.edge
    aside = rng.uniform(-0.15, 0.15)
    low, high = np.array([aside - half, top - 0.03, edge]), np.array([aside + half, top, edge + depth])
    blocks = [Block(low, high, wood, kind)]
    if rng.random() < 0.6:
        blocks.append(Block(low * (1, 0, 1) + (0, 0, depth - 0.05), high - (0, 0.03, 0.02), 0.9 * wood, kind))
    for k in range(rng.integers(0, 4)):
        base = np.array([aside + rng.choice([-1, 1]) * rng.uniform(0.38, half - 0.08), top,
                         edge + rng.uniform(0.15, depth - 0.2)])  # fmt: skip
        extent = rng.uniform((0.03, 0.01, 0.03), (0.10, 0.14 if k else 0.04, 0.12))
        blocks.append(Block(base - extent * (1, 0, 1), base + extent, rng.uniform(30, 230, 3)))
    if chair and rng.random() < 0.7:
        back = _vertices_of(sitter.skeleton, _TRUNK).vertices(sitter.figure.pose[::5], sitter.pelvis[::5])
        z, wide, tall = back[..., 2].min() - CLOTHES - 0.01, rng.uniform(0.20, 0.26), rng.uniform(-0.05, 0.42)
        middle = sitter.pelvis[0, 0]
        blocks.append(Block(np.array([middle - wide, top - 0.25, z - 0.07]), np.array([middle + wide, top + tall, z]),
                            rng.uniform(20, 140) * rng.uniform(0.8, 1.0, 3), CLOTH))  # fmt: skip
    return blocks


def _desk_camera(rng: Generator, sitter: Sitter) -> View:
    """A webcam on a monitor, or a laptop's, lower and looking up; often off to the side."""
    joints = sitter.joints()
    eyes = joints[:, JOINT["left_eye"], 1].mean()
    laptop = rng.random() < 0.3
    height = sitter.top + (rng.uniform(0.18, 0.28) if laptop else rng.uniform(0.35, 0.62))
    distance = rng.uniform(0.5, 0.8) if laptop else rng.uniform(0.75, 1.1)
    azimuth = np.radians(rng.uniform(-20, 20) if rng.random() < 0.6 else rng.choice([-1, 1]) * rng.uniform(20, 45))
    size = (640, 480) if rng.random() < 0.6 else (1280, 720)
    crown = rng.uniform(0.02, 0.10) if size[0] == 640 else rng.uniform(-0.08, 0.04)
    return _webcam(rng, joints, size, rng.uniform(60, 75), distance, height - eyes, azimuth, crown)


def portrait(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Chest up: head and shoulders fill much of the picture, the arms hang or are folded, the head moves little."""
    figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
    relax(figure, rng, t)
    azimuth = np.radians(rng.uniform(-18, 18))
    figure.root(wander(rng, t, azimuth + rng.uniform(-0.45, 0.45), 0.05, 5), rng.uniform(-0.06, 0.06))
    bend = wander(rng, t, rng.uniform(0.0, 0.25), 0.02, 5)
    figure.spine(bend, wander(rng, t, 0, 0.04, 5), wander(rng, t, 0, 0.06, 5))
    _hold_eye(figure, rng, t, rng.uniform(-0.3, 0.3), bend)
    pelvis = np.zeros((len(t), 3)) + [0.0, rng.uniform(0.6, 1.0), 0.0]
    if rng.random() < 0.3:
        _fold_arms(figure, rng, t, skeleton, pelvis)
    size = [(640, 480), (512, 600), (512, 512), (1280, 720)][rng.integers(4)]
    person = Sitter(figure, skeleton, pelvis, 0.0, 0.0)
    fov = rng.uniform(50, 72) if size[0] > 600 else rng.uniform(28, 55)
    share = rng.uniform(0.38, 0.68)
    distance = 0.26 * skeleton.build.bones[0] / share * size[0] / size[1] / (2 * np.tan(np.radians(fov) / 2))
    rise = rng.uniform(-0.18, 0.14) * distance
    view = _webcam(rng, person.joints(), size, fov, max(distance, 0.38), rise, azimuth, rng.uniform(0.02, 0.16))
    return Act([person.perform()], view=view, varied=True)


def _fold_arms(figure: Figure, rng: Generator, t: Signal, skeleton: Skeleton, pelvis: Vectors) -> None:
    """Fold the arms before the chest, one forearm before the other."""
    joints, turns = skeleton.joints(figure.pose, pelvis)
    chest, axes = joints[:, JOINT["spine3"]].astype(np.float64), turns[:, JOINT["spine3"]].astype(np.float64)
    size = float(skeleton.build.bones[0])
    for side, depth in zip(rng.permutation(SIDES), (0.19, 0.25), strict=True):
        sign = 1.0 if side == "left" else -1.0
        place = np.array([-sign * 0.10, 0.02 if depth < 0.2 else -0.03, depth]) * size
        reach(figure, side, skeleton, pelvis, Grip(
            chest + axes @ place,
            axes @ np.array([-sign, 0.25, 0.1]), axes @ np.array([0.0, -0.1, -1.0]), axes @ np.array([sign, -0.9, 0.5]),
        ))  # fmt: skip
        figure.hand(side, fingers(rng, t, 0.25, 0.1), 0.03, 0.3)


def waist(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Waist up before a webcam, standing or sitting: gesturing or signing."""
    if rng.random() < 0.5:
        sitter = _sit(rng, t, cast)
    else:
        figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
        relax(figure, rng, t)
        figure.root(wander(rng, t, rng.uniform(-0.2, 0.2), 0.08, 5))
        sitter = Sitter(figure, skeleton, np.zeros((len(t), 3)) + [0.0, 0.99, 0.0], 0.0, 0.0)
    azimuth = np.radians(rng.uniform(-15, 15))
    signing = rng.random() < 0.6
    both = rng.random() < 0.7
    for side in SIDES if both else (str(rng.choice(SIDES)),):
        if signing:
            _sign(rng, t, sitter, side)
        else:
            gesture(sitter.figure, rng, t, side, rng.uniform(0.7, 1.0))
    size = (640, 480) if rng.random() < 0.7 else (1280, 720)
    distance = rng.uniform(0.75, 1.0) if size[0] == 640 else rng.uniform(0.85, 1.15)
    rise = rng.uniform(-0.30, 0.08)
    fov = rng.uniform(52, 70) if size[0] == 640 else rng.uniform(62, 75)
    view = _webcam(rng, sitter.joints(), size, fov, distance, rise, azimuth, rng.uniform(0.03, 0.15))
    return Act([sitter.perform()], view=view, varied=True)


def _sign(rng: Generator, t: Signal, sitter: Sitter, side: str) -> None:
    """Sign with one hand: from place to place before the chest and the chin, the shape of the hand changing."""
    joints, turns = sitter.skeleton.joints(sitter.figure.pose, sitter.pelvis)
    neck, axes = joints[:, JOINT["neck"]].astype(np.float64), turns[:, JOINT["spine3"]].astype(np.float64)
    size, sign = float(sitter.skeleton.build.bones[0]), 1.0 if side == "left" else -1.0
    every = rng.uniform(0.5, 0.9)
    place = _between(rng, t, (0.05, -0.36, 0.26), (0.30, 0.02, 0.42), every) * [sign * size, size, size]
    up = _between(rng, t, (-0.9, 0.2, 0.0), (0.1, 1.0, 0.5), every) * [sign, 1, 1]
    facing = _between(rng, t, (-0.9, -0.5, -0.6), (0.2, 0.2, 1.0), every) * [sign, 1, 1]
    facing = facing + np.array([-0.4 * sign, -0.2, 0.0])
    reach(sitter.figure, side, sitter.skeleton, sitter.pelvis, Grip(
        neck + np.einsum("tab,tb->ta", axes, place), up, facing, np.array([0.7 * sign, -1.0, -0.2]),
    ))  # fmt: skip
    _shapes(rng, sitter.figure, t, side, every)


def desk(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Seated at a desk that hides the lap, the hands on it, sometimes moving to another place or gesturing."""
    sitter = _sit(rng, t, cast)
    talker = rng.choice([*SIDES, "nobody"])
    for side in SIDES:
        if side == talker:
            _talk_over(rng, t, sitter, side)
        else:
            _rest_on(rng, t, sitter, side)
    props = _furnish(rng, sitter)
    return Act([sitter.perform()], tuple(props), _desk_camera(rng, sitter), varied=True)


def _rest_on(rng: Generator, t: Signal, sitter: Sitter, side: str) -> None:
    """Rest one hand on the desk, flat or on its edge, and shift it a little."""
    sign = 1.0 if side == "left" else -1.0
    place = _between(rng, t, (0.08, 0.03, 0.05), (0.28, 0.03, 0.16), rng.uniform(1.5, 4.0))
    wrist = place * [sign, 1, 1] + [sitter.pelvis[0, 0], sitter.top, sitter.edge]
    sitter.figure.hand(side, fingers(rng, t, rng.uniform(0.1, 0.35), 0.08), 0.05, rng.uniform(0.1, 0.4))
    inward, upright = rng.uniform(0.1, 0.9), rng.choice([0.0, 0.0, 0.5, 1.0])
    _lay(sitter, side, Grip(
        wrist, np.array([-sign * inward, 0.0, 1.0]), np.array([-sign * upright, -1.0 + 0.8 * upright, 0.0]),
        np.array([1.0 * sign, -0.8, -0.3]),
    ))  # fmt: skip


def _talk_over(rng: Generator, t: Signal, sitter: Sitter, side: str) -> None:
    """Gesture over the desk with one hand."""
    sign = 1.0 if side == "left" else -1.0
    place = _between(rng, t, (0.05, 0.08, 0.03), (0.30, 0.28, 0.20), rng.uniform(0.6, 1.2))
    wrist = place * [sign, 1, 1] + [sitter.pelvis[0, 0], sitter.top, sitter.edge]
    palm = _between(rng, t, (-1.0, -0.6, -0.3), (-0.2, 0.6, 0.4), 1.0) * [sign, 1, 1]
    sitter.figure.hand(side, fingers(rng, t, 0.3, 0.25), 0.1, wander(rng, t, 0.25, 0.2, 2))
    _lay(sitter, side, Grip(wrist, np.array([-0.4 * sign, 0.45, 1.0]), palm, np.array([sign, -0.8, -0.3])), False)


def typing(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Typing at a desk; some take a hand to the mouse."""
    sitter = _sit(rng, t, cast)
    board = sitter.edge + rng.uniform(0.10, 0.18)
    mouse = rng.random() < 0.4
    rate = rng.uniform(2.0, 4.5)
    for side in SIDES:
        sign = 1.0 if side == "left" else -1.0
        home = np.array([sitter.pelvis[0, 0] + sign * rng.uniform(0.07, 0.12), sitter.top + 0.06, board - 0.06])
        wrist = home + _between(rng, t, (-0.04, 0.0, -0.01), (0.04, 0.01, 0.03), 0.7)
        if mouse and side == "right":
            away = through(t, (0.5, 1.2, 2.2, 2.9), (0, 1, 1, 0))[:, None]
            wrist = wrist + away * np.array([-0.20, -0.01, 0.03])
        taps = np.stack([_taps(rng, t, rate) for _ in range(4)])
        curl = 0.30 + 0.05 * np.arange(4)[:, None] + 0.16 * taps
        sitter.figure.hand(side, curl, 0.05, 0.15 + 0.1 * _taps(rng, t, rate))
        along, palm = np.array([-0.25 * sign, 0.06, 1.0]), np.array([-0.15 * sign, -1.0, 0.1])
        _lay(sitter, side, Grip(wrist, along, palm, np.array([sign, -0.7, -0.3])), False)
    props = _furnish(rng, sitter)
    low = np.array([sitter.pelvis[0, 0] - 0.22, sitter.top, board - 0.01])
    props.append(Block(low, low + (0.44, 0.016, 0.14), np.full(3, rng.choice([40.0, 200.0])), KEYS))
    return Act([sitter.perform()], tuple(props), _desk_camera(rng, sitter), varied=True)


def _taps(rng: Generator, t: Signal, rate: float) -> Signal:
    """A finger that presses keys about `rate` / 4 times a second: 0 at rest, 1 down (T,)."""
    out = np.zeros(len(t))
    at = -rng.exponential(4 / rate)
    while at < t[-1] + 1:
        out = np.maximum(out, np.exp(-(((t - at) / 0.07) ** 2)))
        at += 0.2 + rng.exponential(4 / rate)
    return out
