"""People before a webcam: how they sit, what their hands touch, the desk that hides them, the camera on it."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.acting import Performance, View, hang, relax
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Cast, Skeleton
from pymafx_live.bench.mannequin.contact import ARM, HAND, TRUNK, skin
from pymafx_live.bench.mannequin.limbs import Grip, reach
from pymafx_live.bench.mannequin.props import CLOTH, PAINT, WOOD, Block
from pymafx_live.bench.mannequin.signals import Signal, wander
from pymafx_live.core.skeleton import JOINT, SIDES
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

Vectors = NDArray[np.float64]

CLOTHES = 0.015
"""Metres by which clothes stand off the skin, with something to spare."""
CONTACT = 0.002
"""Metres between a hand that rests on something and its surface."""


@dataclass(slots=True)
class Player:
    """A person whose pose is being written: `pelvis` (T, 3) is its path in the room, facing z."""

    figure: Figure
    skeleton: Skeleton
    pelvis: Vectors

    def joints(self) -> Vectors:
        """All joints (T, 55, 3) in the room."""
        return self.skeleton.joints(self.figure.pose, self.pelvis)[0].astype(np.float64)

    def frames(self, joint: str) -> tuple[Vectors, Vectors]:
        """A joint's place (T, 3) and its axes (T, 3, 3) in the room."""
        joints, turns = self.skeleton.joints(self.figure.pose, self.pelvis)
        return joints[:, JOINT[joint]].astype(np.float64), turns[:, JOINT[joint]].astype(np.float64)

    @property
    def size(self) -> float:
        """The person's size as a ratio to the average."""
        return float(self.skeleton.build.bones[0])

    def reach(self, side: str, grip: Grip) -> None:
        """Bring a hand to a place (`limbs.reach`)."""
        reach(self.figure, side, self.skeleton, self.pelvis, grip)

    def guide(self, side: str, grip: Grip, joint: str, target: Vectors) -> Grip:
        """Reach so that `joint` of the hand is at `target` (T, 3); returns the grip that does it."""
        for _ in range(3):
            self.reach(side, grip)
            grip = replace(grip, wrist=grip.wrist + target - self.frames(joint)[0])
        self.reach(side, grip)
        return grip

    def perform(self) -> Performance:
        """The finished performance."""
        weight = np.full((self.figure.frames, 2), 0.5)
        return Performance(self.figure.pose, weight, focus="none", path=self.pelvis, build=self.skeleton.build)


@dataclass(slots=True)
class Sitter(Player):
    """A player on a chair at a desk: `top` is the desk's height, `edge` the z of its near edge."""

    top: float
    edge: float

    def lay(self, side: str, grip: Grip, resting: bool = True, above: float = 0.0) -> None:
        """Reach so that the arm stays over the desk, or what lies `above` metres on it; what rests touches it."""
        hand, arm = skin(self.skeleton, HAND[side]), skin(self.skeleton, ARM[side])
        wrist, elbow = np.broadcast_to(grip.wrist, self.pelvis.shape).copy(), np.asarray(grip.elbow)
        for attempt in range(6):
            self.reach(side, replace(grip, wrist=wrist, elbow=elbow))
            gap = self._height(hand) - above
            sink, low = np.maximum(-gap, 0), np.maximum(-self._height(arm), 0)
            if attempt and max(sink.max(), low.max()) < CONTACT:
                break
            if attempt == 0 and resting:
                wrist[:, 1] -= gaussian_filter1d(gap, 3)
                continue
            wrist[:, 1] += 1.2 * gaussian_filter1d(maximum_filter1d(sink, 7), 2)
            if low.max() > CONTACT:
                elbow = elbow + [0.0, 0.5, 0.0]

    def rise(self, *sides: str) -> None:
        """Sit higher, so that these arms are over the desk as they are."""
        low = min(float(self._height(skin(self.skeleton, ARM[side])).min()) for side in sides)
        self.pelvis[:, 1] += max(-low, 0.0)

    def _height(self, part: Skeleton) -> Vectors:
        """How high the skin of a part is over the desk (T,); what is not over it is 0.1 m high."""
        vertices = part.vertices(self.figure.pose, self.pelvis)
        over = np.where(vertices[..., 2] > self.edge - CLOTHES, vertices[..., 1], np.inf).min(1)
        return np.asarray(np.where(np.isfinite(over), over - self.top - CONTACT, 0.1))


def stand(rng: Generator, t: Signal, cast: Cast, facing: float = 0.0) -> Player:
    """Stand at ease, the feet out of the picture."""
    figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
    relax(figure, rng, t)
    figure.root(wander(rng, t, facing, 0.08, 5))
    pelvis = np.zeros((len(t), 3)) + [0.0, 0.99 * skeleton.build.bones[0], 0.0]
    return Player(figure, skeleton, pelvis)


def sit(
    rng: Generator,
    t: Signal,
    cast: Cast,
    pitch: float | Signal = 0.0,
    bend: float | Signal = 0.0,
    turn: float | Signal = 0.0,
) -> Sitter:
    """Sit down at a desk, arms hanging: a posture of one's own, breathing, small movements of trunk and head.

    `pitch` and `bend` are added to the lean of pelvis and spine, `turn` to where chair, trunk and head face, in
    radians to the left: a quarter of it each by chair and trunk, the rest by the head.
    """
    figure, skeleton = Figure(len(t), cast.rest), cast.skeleton(rng)
    lean = wander(rng, t, rng.uniform(-0.12, 0.10), 0.02, 5) + pitch
    slouch = wander(rng, t, rng.uniform(0.05, 0.35), 0.03, 4) + bend
    aside = np.asarray(turn) / 4
    figure.root(wander(rng, t, rng.uniform(-0.12, 0.12), 0.05, 5) + aside, lean)
    figure.spine(slouch, wander(rng, t, 0, 0.05, 5), wander(rng, t, 0, 0.08, 5) + aside)
    level = -0.8 * (lean + slouch)
    looking = wander(rng, t, 0, 0.25, 4) + 2 * aside
    figure.head(wander(rng, t, 0.05, 0.10, 4) + level, wander(rng, t, 0, 0.08, 4), looking)
    for side in SIDES:
        hang(figure, rng, t, side)
        figure.leg(side, np.pi / 2 - 0.1 + lean, rng.uniform(0.05, 0.2), 0.0, rng.uniform(1.4, 1.7))
    sitter = Sitter(figure, skeleton, np.zeros((len(t), 3)), rng.uniform(0.70, 0.76), 0.0)
    shoulders = sitter.joints()[:, [JOINT["left_shoulder"], JOINT["right_shoulder"]], 1].max()
    sitter.pelvis[:, 1] = sitter.top + rng.uniform(0.30, 0.38) * sitter.size - shoulders
    trunk = skin(skeleton, TRUNK).vertices(figure.pose[::3], sitter.pelvis[::3])
    below = trunk[trunk[..., 1] < sitter.top + 0.03]
    sitter.edge = float((below if len(below) else trunk.reshape(-1, 3))[:, 2].max())
    sitter.edge += CLOTHES + rng.uniform(0.01, 0.08)
    return sitter


def furnish(rng: Generator, sitter: Sitter, chair: bool = True) -> list[Block]:
    """The desk, perhaps with a panel towards the other side, what stands on it, and perhaps the chair's back."""
    blocks = table(rng, sitter.top, sitter.edge, rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.8), rng.random() < 0.6)
    low, high = blocks[0].low, blocks[0].high
    for k in range(rng.integers(0, 4)):
        aside = rng.choice([-1, 1]) * rng.uniform(0.48, 0.56) + sitter.pelvis[0, 0]
        base = np.array([aside, sitter.top, rng.uniform(low[2] + 0.25, high[2] - 0.15)])
        extent = rng.uniform((0.03, 0.01, 0.03), (0.10, 0.14 if k else 0.04, 0.12))
        blocks.append(Block(base - extent * (1, 0, 1), base + extent, rng.uniform(30, 230, 3)))
    if chair and rng.random() < 0.7:
        back = skin(sitter.skeleton, TRUNK).vertices(sitter.figure.pose[::3], sitter.pelvis[::3])
        wide, tall = rng.uniform(0.20, 0.26), rng.uniform(-0.05, 0.42)
        middle = np.array([sitter.pelvis[0, 0], sitter.top, back[..., 2].min() - CLOTHES - 0.02])
        colour = rng.uniform(20, 140) * rng.uniform(0.8, 1.0, 3)
        blocks.append(Block(middle - (wide, 0.25, 0.07), middle + (wide, tall, 0.0), colour, CLOTH))
    return blocks


def table(rng: Generator, top: float, edge: float, half: float, depth: float, panel: bool) -> list[Block]:
    """A board of `depth` metres from z = `edge` on, `half` wide to each side, on legs or a panel at its far side."""
    wood = np.array([60, 110, 165]) * rng.uniform(0.4, 1.25) if rng.random() < 0.6 else rng.uniform(50, 235, 3)
    kind = WOOD if rng.random() < 0.7 else PAINT
    aside = rng.uniform(-0.15, 0.15)
    low, high = np.array([aside - half, top - 0.03, edge]), np.array([aside + half, top, edge + depth])
    blocks = [Block(low, high, wood, kind)]
    if panel:
        blocks.append(Block(low * (1, 0, 1) + (0, 0, depth - 0.05), high - (0, 0.03, 0.02), 0.9 * wood, kind))
        return blocks
    feet = [(x, z) for x in (low[0] + 0.03, high[0] - 0.09) for z in (edge + 0.03, edge + depth - 0.09)]
    legs = [Block(np.array([x, 0, z]), np.array([x + 0.06, top - 0.03, z + 0.06]), 0.8 * wood, kind) for x, z in feet]
    return blocks + legs


def webcam(
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


def desk_camera(rng: Generator, sitter: Sitter) -> View:
    """A webcam on a monitor, or a laptop's, lower and looking up; often off to the side."""
    joints = sitter.joints()
    eyes = joints[:, [JOINT["left_eye"], JOINT["right_eye"]]].mean(1)
    laptop = rng.random() < 0.3
    height = sitter.top + (rng.uniform(0.18, 0.28) if laptop else rng.uniform(0.35, 0.62))
    distance = rng.uniform(0.5, 0.8) if laptop else rng.uniform(0.75, 1.1)
    distance = max(distance, 0.36 + float(eyes[:, 2].max() - eyes[:, 2].mean()))
    azimuth = np.radians(rng.uniform(-20, 20) if rng.random() < 0.6 else rng.choice([-1, 1]) * rng.uniform(20, 45))
    size = (640, 480) if rng.random() < 0.6 else (1280, 720)
    crown = rng.uniform(0.02, 0.10) if size[0] == 640 else rng.uniform(-0.08, 0.04)
    return webcam(rng, joints, size, rng.uniform(60, 75), distance, height - eyes[:, 1].mean(), azimuth, crown)
