"""The skeleton that is fitted: degrees of freedom, their limits and priors, and where the landmarks sit on it."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.arrays import Indices, Reals
from pymafx_live.engines.skeleton import JOINT, JOINT_NAMES, PARENTS

BALL, ANGLE = 1, 2
FINGERS = ("index", "middle", "pinky", "ring")


@dataclass(frozen=True, slots=True)
class Freedom:
    """One degree of freedom: `joint` turns about `axis` (3,) of its rest frame.

    A `BALL`'s three are a rotation vector's components, an `ANGLE` is one of a sequence of plain angles
    in radians within `low` and `high`. The pose prior is a normal about `mean` with deviation `sigma`.
    """

    joint: int
    kind: int
    axis: tuple[float, float, float]
    sigma: float
    mean: float = 0.0
    low: float = -np.pi
    high: float = np.pi


Triple = tuple[float, float, float]
FREE: tuple[Triple, Triple] = ((-180, -180, -180), (180, 180, 180))


def _ball(name: str, sigma: Triple, mean: Triple = (0, 0, 0), limits: tuple[Triple, Triple] = FREE) -> list[Freedom]:
    """The three freedoms of a joint's rotation vector, in degrees; `limits` are its components' low and high ends."""
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    columns = zip(axes, *np.radians((sigma, mean, *limits)).tolist(), strict=True)
    return [Freedom(JOINT[name], BALL, axis, s, m, low, high) for axis, s, m, low, high in columns]


def _angle(name: str, axis: tuple[float, float, float], mean: float, sigma: float, low: float, high: float) -> Freedom:
    mean, sigma, low, high = np.radians((mean, sigma, low, high))
    return Freedom(JOINT[name], ANGLE, axis, sigma, mean, low, high)


def _side(side: str) -> list[Freedom]:
    """The limbs of one side; the rest pose is a T with palms down, x to the left, y up, z forward."""
    s = 1.0 if side == "left" else -1.0
    free = [
        *_ball(f"{side}_collar", (3, 6, 6)),
        *_ball(f"{side}_shoulder", (40, 55, 55), (0, 0, -60 * s)),
        _angle(f"{side}_elbow", (0, -s, 0), 20, 60, -5, 150),
        _angle(f"{side}_elbow", (s, 0, 0), 0, 45, -100, 100),
        *_ball(f"{side}_wrist", (8, 20, 25)),
        *_ball(f"{side}_hip", (55, 25, 20), (0, 0, 0), ((-160, -70, -70), (25, 70, 70))),
        _angle(f"{side}_knee", (1, 0, 0), 5, 35, -3, 150),
        *_ball(f"{side}_ankle", (20, 12, 12)),
    ]
    for finger in FINGERS:
        flexion = (0.0, 0.0, -s)
        free += [
            _angle(f"{side}_{finger}1", flexion, 15, 40, -25, 95),
            _angle(f"{side}_{finger}1", (0, 1, 0), 0, 8, -25, 25),
            _angle(f"{side}_{finger}2", flexion, 20, 40, -5, 110),
            _angle(f"{side}_{finger}3", flexion, 12, 25, -5, 85),
        ]
    free += _ball(f"{side}_thumb1", (20, 20, 20)) + _ball(f"{side}_thumb2", (12, 20, 12))
    return free + _ball(f"{side}_thumb3", (10, 25, 15))


@cache
def freedoms() -> tuple[Freedom, ...]:
    """All degrees of freedom, a joint's own side by side, without the root's translation."""
    trunk = _ball("pelvis", (1e3, 1e3, 1e3))
    for name in ("spine1", "spine2", "spine3"):
        trunk += _ball(name, (6, 8, 6))
    for name in ("neck", "head"):
        trunk += _ball(name, (15, 18, 10))
    return tuple(trunk + _side("left") + _side("right"))


# MediaPipe's landmarks: 33 of the body, 21 of each hand, then the face points that move with the head.
BODY, LEFT, RIGHT, FACE = 0, 1, 2, 3
FACE_POINTS = (1, 4, 6, 9, 10, 33, 133, 152, 168, 234, 263, 362, 454, 127, 356, 151)
GROUP: Indices = np.array([BODY] * 33 + [LEFT] * 21 + [RIGHT] * 21 + [FACE] * len(FACE_POINTS))
GROUP_SLICES = (slice(0, 33), slice(33, 54), slice(54, 75), slice(75, 75 + len(FACE_POINTS)))


def _anchors() -> list[tuple[str, str]]:
    """For each landmark the joint whose position it follows, and the joint whose rotation turns its offset."""
    sides = ("left", "right")
    points = [("head", "head")] * 11
    points += [(f"{s}_shoulder", f"{s}_collar") for s in sides]
    points += [(f"{s}_elbow", f"{s}_shoulder") for s in sides]
    points += [(f"{s}_wrist", f"{s}_elbow") for s in sides]
    points += [(f"{s}_{f}", f"{s}_wrist") for f in ("pinky1", "index1", "thumb1") for s in sides]
    points += [(f"{s}_hip", "pelvis") for s in sides]
    points += [(f"{s}_knee", f"{s}_hip") for s in sides]
    points += [(f"{s}_ankle", f"{s}_knee") for s in sides]
    points += [(f"{s}_ankle", f"{s}_ankle") for s in sides]
    points += [(f"{s}_foot", f"{s}_ankle") for s in sides]
    for s in sides:
        points.append((f"{s}_wrist", f"{s}_wrist"))
        for f in ("thumb", "index", "middle", "ring", "pinky"):
            joints = [f"{s}_{f}{k}" for k in (1, 2, 3)]
            points += zip(joints, [f"{s}_wrist", *joints[:2]], strict=True)
            points.append((joints[2], joints[2]))
    return points + [("head", "head")] * len(FACE_POINTS)


BASE: Indices = np.array([JOINT[base] for base, _ in _anchors()])
TURNED: Indices = np.array([JOINT[turned] for _, turned in _anchors()])
ANCESTORS: NDArray[np.bool_] = np.zeros((len(JOINT_NAMES), len(JOINT_NAMES)), np.bool_)
"""ANCESTORS[j, a]: joint a moves joint j."""
for _j, _p in enumerate(PARENTS):
    ANCESTORS[_j, _j] = True
    if _p >= 0:
        ANCESTORS[_j] |= ANCESTORS[_p]


def _pairs() -> list[tuple[int, int, float]]:
    """Landmarks whose difference in depth is evidence, with its deviation in metres.

    The networks' errors in depth grow along the limbs: what is independent from pair to pair is the error of one
    bone. The deviations are those on rendered truth (the tuned seeds).
    """
    pairs = [(23, 24, 0.025), (11, 12, 0.04), (7, 8, 0.027), (2, 5, 0.02), (0, 7, 0.045), (0, 8, 0.045)]
    for s in (0, 1):
        shoulder, elbow, wrist, pinky, index = 11 + s, 13 + s, 15 + s, 17 + s, 19 + s
        hip, knee, ankle, heel, toe, ear = 23 + s, 25 + s, 27 + s, 29 + s, 31 + s, 7 + s
        pairs += [
            (shoulder, hip, 0.09), (ear, shoulder, 0.05), (elbow, shoulder, 0.065), (wrist, elbow, 0.08),
            (index, wrist, 0.024), (pinky, wrist, 0.024), (knee, hip, 0.19), (ankle, knee, 0.19),
            (heel, ankle, 0.033), (toe, ankle, 0.05),
        ]  # fmt: skip
    for wrist in (33, 54):
        pairs += [(wrist + k, wrist, 0.02) for k in (1, 5, 9, 13, 17)]
        pairs += [(wrist + k, wrist + k - 1, 0.013) for k in range(1, 21) if k % 4 != 1]
        pairs += [(wrist + 17, wrist + 5, 0.015)]
    nose = 75
    return pairs + [(nose + k, nose, 0.015) for k in range(1, len(FACE_POINTS))]


PAIRS: Indices = np.array([pair[:2] for pair in _pairs()])
PAIR_SIGMA: Reals = np.array([pair[2] for pair in _pairs()])


@dataclass(frozen=True, slots=True)
class Rig:
    """Everything the solver reads, as arrays.

    `rest` (55, 3) and `parents` (55,) are the rest skeleton; D degrees of freedom by `joint`, `kind`,
    `axis`, `mean`, `sigma`, `low`, `high`; K landmarks at the joint `base` (K,) plus `offset` (K, 3, metres in
    the rest frame) turned by the joint `turned` (K,); `chain` (K, C) lists the degrees of freedom that move each,
    padded with -1; `trunk` (2, D) marks those that turn the pelvis and the chest.
    """

    rest: Reals
    parents: Indices
    joint: Indices
    kind: Indices
    axis: Reals
    mean: Reals
    sigma: Reals
    low: Reals
    high: Reals
    base: Indices
    turned: Indices
    offset: Reals
    chain: Indices
    trunk: Reals


def build(rest: Reals, offset: Reals) -> Rig:
    """The rig for a rest skeleton (55, 3) and calibrated landmark offsets (K, 3)."""
    free = freedoms()
    joint = np.array([f.joint for f in free])
    moves = ANCESTORS[TURNED][:, joint]
    width = int(moves.sum(1).max())
    chain = np.full((len(BASE), width), -1)
    for row, moved in zip(chain, moves, strict=True):
        which = np.nonzero(moved)[0]
        row[: len(which)] = which
    return Rig(
        rest=np.asarray(rest, np.float64),
        parents=np.array(PARENTS),
        joint=joint,
        kind=np.array([f.kind for f in free]),
        axis=np.array([f.axis for f in free], np.float64),
        mean=np.array([f.mean for f in free]),
        sigma=np.array([f.sigma for f in free]),
        low=np.array([f.low for f in free]),
        high=np.array([f.high for f in free]),
        base=BASE,
        turned=TURNED,
        offset=np.asarray(offset, np.float64),
        chain=chain,
        trunk=ANCESTORS[[JOINT["pelvis"], JOINT["spine3"]]][:, joint].astype(np.float64),
    )


OFFSETS = "landmark_offsets.npy"


def calibrated_offsets() -> Reals:
    """Where the landmarks (K, 3) are from their joints, as `export/landmark_offsets.py` measured on rendered truth.

    The networks' hips, shoulders and ankles are not SMPL-X's joints; these are the constant differences.
    """
    with (files("pymafx_live.engines.data") / OFFSETS).open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
