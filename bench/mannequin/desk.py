"""Scripts of people before a webcam: at a desk or standing, cut by the picture's edges."""

import numpy as np
from numpy.random import Generator
from pymafx_live.bench.mannequin.acting import Act, fingers, gesture
from pymafx_live.bench.mannequin.build import Cast
from pymafx_live.bench.mannequin.limbs import Grip
from pymafx_live.bench.mannequin.player import Player, Sitter, desk_camera, furnish, sit, stand, webcam
from pymafx_live.bench.mannequin.props import KEYS, Block
from pymafx_live.bench.mannequin.signals import Signal, stations, through, wander
from pymafx_live.core.skeleton import SIDES

OUT = {"left": np.array([1.0, 1.0, 1.0]), "right": np.array([-1.0, 1.0, 1.0])}
"""What turns a direction that is written for the left side into one for either side."""


def portrait(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Chest up: head and shoulders fill much of the picture, the arms hang or are folded, the head moves little."""
    azimuth = np.radians(rng.uniform(-18, 18))
    player = stand(rng, t, cast)
    figure = player.figure
    figure.root(wander(rng, t, azimuth + rng.uniform(-0.45, 0.45), 0.05, 5), rng.uniform(-0.06, 0.06))
    bend = wander(rng, t, rng.uniform(0.0, 0.25), 0.02, 5)
    figure.spine(bend, wander(rng, t, 0, 0.04, 5), wander(rng, t, 0, 0.06, 5))
    turn = wander(rng, t, rng.uniform(-0.2, 0.2), 0.22, 4)
    figure.head(wander(rng, t, 0.03, 0.10, 4) - 0.8 * bend, wander(rng, t, 0, 0.09, 4), turn)
    if rng.random() < 0.3:
        _fold_arms(rng, t, player)
    size = [(640, 480), (512, 600), (512, 512), (1280, 720)][rng.integers(4)]
    fov = rng.uniform(50, 72) if size[0] > 600 else rng.uniform(28, 55)
    share = rng.uniform(0.38, 0.68)
    distance = 0.26 * player.size / share * size[0] / size[1] / (2 * np.tan(np.radians(fov) / 2))
    rise = rng.uniform(-0.18, 0.14) * distance
    view = webcam(rng, player.joints(), size, fov, max(distance, 0.38), rise, azimuth, rng.uniform(0.02, 0.16))
    return Act([player.perform()], view=view, varied=True)


def _fold_arms(rng: Generator, t: Signal, player: Player) -> None:
    """Fold the arms before the chest, one forearm before the other."""
    chest, axes = player.frames("spine3")
    for side, depth in zip(rng.permutation(SIDES), (0.19, 0.25), strict=True):
        out = OUT[side]
        place = np.array([-0.10, 0.02 if depth < 0.2 else -0.03, depth]) * out * player.size
        player.reach(side, Grip(
            chest + axes @ place,
            axes @ (np.array([-1.0, 0.25, 0.1]) * out),
            axes @ (np.array([0.0, -0.1, -1.0]) * out),
            axes @ (np.array([1.0, -0.9, 0.5]) * out),
        ))  # fmt: skip
        player.figure.hand(side, fingers(rng, t, 0.25, 0.1), 0.03, 0.3)


def waist(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Waist up before a webcam, standing or sitting: gesturing or signing."""
    player = sit(rng, t, cast) if rng.random() < 0.5 else stand(rng, t, cast, rng.uniform(-0.2, 0.2))
    azimuth = np.radians(rng.uniform(-15, 15))
    signing = rng.random() < 0.6
    both = rng.random() < 0.7
    for side in SIDES if both else (str(rng.choice(SIDES)),):
        if signing:
            _sign(rng, t, player, side)
        else:
            gesture(player.figure, rng, t, side, rng.uniform(0.7, 1.0))
    size = (640, 480) if rng.random() < 0.7 else (1280, 720)
    distance = rng.uniform(0.75, 1.0) if size[0] == 640 else rng.uniform(0.85, 1.15)
    rise = rng.uniform(-0.30, 0.08)
    fov = rng.uniform(52, 70) if size[0] == 640 else rng.uniform(62, 75)
    view = webcam(rng, player.joints(), size, fov, distance, rise, azimuth, rng.uniform(0.03, 0.15))
    return Act([player.perform()], view=view, varied=True)


def _sign(rng: Generator, t: Signal, player: Player, side: str) -> None:
    """Sign with one hand: from place to place before the chest and the chin, the shape of the hand changing."""
    neck, axes = player.frames("neck")[0], player.frames("spine3")[1]
    out, every = OUT[side], rng.uniform(0.5, 0.9)
    place = stations(rng, t, (0.05, -0.36, 0.26), (0.30, 0.02, 0.42), every) * out * player.size
    along = stations(rng, t, (-0.9, 0.2, 0.0), (0.1, 1.0, 0.5), every) * out
    palm = stations(rng, t, (-1.3, -0.7, -0.6), (-0.2, 0.0, 1.0), every) * out
    elbow = np.array([0.7, -1.0, -0.2]) * out
    player.reach(side, Grip(neck + np.einsum("tab,tb->ta", axes, place), along, palm, elbow))
    _shapes(rng, t, player, side, every)


def _shapes(rng: Generator, t: Signal, player: Player, side: str, every: float) -> None:
    """Change the hand's shape now and then: each finger straight or closed, as when signing."""
    a, b, c, d = stations(rng, t, (0.0,) * 4, (1.0,) * 4, every).T
    closing = np.stack([a, b, (b + c) / 2, c])
    player.figure.hand(side, 0.05 + 0.8 * closing**2, 0.1 * (1 - closing.mean(0)), 0.1 + 0.6 * d**2)


def desk(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Seated at a desk that hides the lap, the hands on it, sometimes moving to another place or gesturing."""
    sitter = sit(rng, t, cast)
    talker = rng.choice([*SIDES, "nobody"])
    for side in SIDES:
        if side == talker:
            talk_over(rng, t, sitter, side)
        else:
            rest_on(rng, t, sitter, side)
    return seated(rng, sitter)


def seated(rng: Generator, sitter: Sitter, *things: Block, chair: bool = True) -> Act:
    """The act of one person at a desk with `things` on it."""
    props = furnish(rng, sitter, chair)
    return Act([sitter.perform()], (*props, *things), desk_camera(rng, sitter), varied=True)


def rest_on(
    rng: Generator, t: Signal, sitter: Sitter, side: str, every: float = 3.0, within: float | Signal = 0.10
) -> None:
    """Rest one hand on the desk, flat or on its side, `within` metres from the edge; shift it `every` few seconds."""
    out = OUT[side]
    near = rng.uniform(0.10, 0.28)
    shift = stations(rng, t, (-0.03, 0, -0.05), (0.04, 0, 0.05), rng.uniform(0.5, 1.3) * every)
    wrist = (shift + [near, 0.03, 0.0]) * out + [sitter.pelvis[0, 0], sitter.top, sitter.edge]
    wrist[:, 2] += within
    sitter.figure.hand(side, fingers(rng, t, rng.uniform(0.1, 0.35), 0.08), 0.05, rng.uniform(0.1, 0.4))
    inward, upright = rng.uniform(0.0, 4.0 * (near - 0.06)), rng.choice([0.0, 0.0, 0.5, 1.0])
    palm = np.array([-upright, -1.0 + 0.8 * upright, 0.0])
    sitter.lay(side, Grip(wrist, np.array([-inward, 0, 1]) * out, palm * out, np.array([1.0, -0.8, -0.3]) * out))


def talk_over(rng: Generator, t: Signal, sitter: Sitter, side: str) -> None:
    """Gesture over the desk with one hand."""
    out = OUT[side]
    place = stations(rng, t, (0.05, 0.08, 0.03), (0.30, 0.28, 0.20), rng.uniform(0.6, 1.2))
    wrist = place * out + [sitter.pelvis[0, 0], sitter.top, sitter.edge]
    palm = stations(rng, t, (-1.0, -0.6, -0.3), (-0.2, 0.6, 0.4), 1.0)
    sitter.figure.hand(side, fingers(rng, t, 0.3, 0.25), 0.1, wander(rng, t, 0.25, 0.2, 2))
    along, elbow = np.array([-0.4, 0.45, 1.0]), np.array([1.0, -0.8, -0.3])
    sitter.lay(side, Grip(wrist, along * out, palm * out, elbow * out), resting=False)


def typing(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Typing at a desk; some take a hand to the mouse."""
    sitter = sit(rng, t, cast)
    return seated(rng, sitter, type_on(rng, t, sitter, mouse=rng.random() < 0.4))


def type_on(rng: Generator, t: Signal, sitter: Sitter, mouse: bool) -> Block:
    """Type with both hands; returns the keyboard."""
    board = np.array([sitter.pelvis[0, 0] - 0.22, sitter.top, sitter.edge + rng.uniform(0.09, 0.17)])
    keyboard = Block(board, board + (0.44, 0.016, 0.14), np.full(3, rng.choice([40.0, 200.0])), KEYS)
    rate = rng.uniform(2.0, 4.5)
    for side in SIDES:
        out = OUT[side]
        home = np.array([rng.uniform(0.115, 0.14), 0.06, -0.05]) * out + board + (0.22, 0, 0)
        wrist = home + stations(rng, t, (-0.025, 0.0, -0.01), (0.025, 0.01, 0.03), 0.7)
        if mouse and side == "right":
            away = through(t, (0.5, 1.2, 2.2, 2.9), (0, 1, 1, 0))[:, None]
            wrist = wrist + away * np.array([-0.20, -0.01, 0.03])
        taps = np.stack([_taps(rng, t, rate) for _ in range(4)])
        curl = 0.30 + 0.05 * np.arange(4)[:, None] + 0.16 * taps
        sitter.figure.hand(side, curl, 0.05, 0.15 + 0.1 * _taps(rng, t, rate))
        along, palm = np.array([rng.uniform(-0.15, 0.05), 0.06, 1.0]), np.array([-0.15, -1.0, 0.1])
        grip = Grip(wrist, along * out, palm * out, np.array([1.0, -0.7, -0.3]) * out)
        sitter.lay(side, grip, resting=False, above=0.014)
    return keyboard


def _taps(rng: Generator, t: Signal, rate: float) -> Signal:
    """A finger that presses keys about `rate` / 4 times a second: 0 at rest, 1 down (T,)."""
    out = np.zeros(len(t))
    at = -rng.exponential(4 / rate)
    while at < t[-1] + 1:
        out = np.maximum(out, np.exp(-(((t - at) / 0.07) ** 2)))
        at += 0.2 + rng.exponential(4 / rate)
    return out


def lean(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Leaning in to the screen and back, the hands on the desk or hanging."""
    inward = through(t, (0.0, 0.9, 1.7, 2.6, 3.4), rng.permutation([0.0, 1.0]).tolist() * 2 + [0.5])
    depth = rng.uniform(0.25, 0.5)
    pitch = depth * inward - rng.uniform(0.0, 0.18) * (1 - inward)
    sitter = sit(rng, t, cast, pitch, rng.uniform(0.0, 0.3) * inward)
    for side in SIDES:
        if rng.random() < 0.75:
            rest_on(rng, t, sitter, side, 6.0, 0.06 + 0.4 * depth * inward)
    return seated(rng, sitter)


def screen(rng: Generator, t: Signal, cast: Cast) -> Act:
    """Turning head and trunk to a second screen and back."""
    start = rng.uniform(0.1, 0.6)
    there = through(t, (start, start + 0.6, start + 1.6, start + 2.3), (0, 1, 1, 0))
    sitter = sit(rng, t, cast, turn=rng.choice([-1, 1]) * rng.uniform(0.8, 1.5) * there)
    things = []
    if rng.random() < 0.5:
        things.append(type_on(rng, t, sitter, mouse=False))
    else:
        for side in SIDES:
            rest_on(rng, t, sitter, side, 6.0)
    return seated(rng, sitter, *things)
