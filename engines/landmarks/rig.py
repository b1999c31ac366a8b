"""The skeletons that are fitted: degrees of freedom, their limits and priors, and where the landmarks sit on them.

One chain for the body with the head and both palms, one for the fingers of a hand. A right hand is fitted as a left one
in a mirror: the rest skeleton is symmetric.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.core.skeleton import JOINT, JOINT_NAMES, LEFT_HAND, PARENTS
from pymafx_live.engines.landmarks.chain import ANGLE, BALL, Chain
from pymafx_live.engines.landmarks.solver import Lean

FINGERS = ("index", "middle", "pinky", "ring")
BODY_JOINTS = 22


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
    units = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    columns = zip(units, *np.radians((sigma, mean, *limits)).tolist(), strict=True)
    return [Freedom(JOINT[name], BALL, axis, s, m, low, high) for axis, s, m, low, high in columns]


def _angle(name: str, axis: Triple, mean: float, sigma: float, low: float, high: float) -> Freedom:
    mean, sigma, low, high = np.radians((mean, sigma, low, high))
    return Freedom(JOINT[name], ANGLE, axis, sigma, mean, low, high)


def _limbs(side: str) -> list[Freedom]:
    """The arm and the leg of one side; the rest pose is a T with palms down, x to the left, y up, z forward."""
    s = 1.0 if side == "left" else -1.0
    return [
        *_ball(f"{side}_collar", (3, 6, 6)),
        *_ball(f"{side}_shoulder", (40, 55, 55), (0, 0, -60 * s)),
        _angle(f"{side}_elbow", (0, -s, 0), 20, 60, -5, 150),
        _angle(f"{side}_elbow", (s, 0, 0), 0, 45, -100, 100),
        *_ball(f"{side}_wrist", (8, 20, 25)),
        *_ball(f"{side}_hip", (55, 25, 20), (0, 0, 0), ((-160, -70, -70), (25, 70, 70))),
        _angle(f"{side}_knee", (1, 0, 0), 5, 35, -3, 150),
        *_ball(f"{side}_ankle", (20, 12, 12)),
    ]


def _fingers() -> list[Freedom]:
    """The fingers of the left hand."""
    free: list[Freedom] = []
    for finger in FINGERS:
        flexion = (0.0, 0.0, -1.0)
        free += [
            _angle(f"left_{finger}1", flexion, 15, 40, -25, 95),
            _angle(f"left_{finger}1", (0, 1, 0), 0, 8, -25, 25),
            _angle(f"left_{finger}2", flexion, 20, 40, -5, 110),
            _angle(f"left_{finger}3", flexion, 12, 25, -5, 85),
        ]
    free += _ball("left_thumb1", (20, 20, 20)) + _ball("left_thumb2", (12, 20, 12))
    return free + _ball("left_thumb3", (10, 25, 15))


def _body() -> list[Freedom]:
    """The trunk, the head and the limbs, without the root's place."""
    trunk = _ball("pelvis", (1e3, 1e3, 1e3))
    for name in ("spine1", "spine2", "spine3"):
        trunk += _ball(name, (6, 8, 6))
    for name in ("neck", "head"):
        trunk += _ball(name, (15, 18, 10))
    return trunk + _limbs("left") + _limbs("right")


# MediaPipe's landmarks: 33 of the body, then the face points that move with the head, then those of both palms.
FACE_POINTS = (1, 4, 6, 9, 10, 33, 133, 152, 168, 234, 263, 362, 454, 127, 356, 151)
PALM_POINTS = (0, 1, 5, 9, 13, 17)
BODY, FACE, LEFT, RIGHT = slice(0, 33), slice(33, 49), slice(49, 55), slice(55, 61)
LANDMARKS = 61
HAND_LANDMARKS = 21


def body_anchors() -> list[tuple[str, str]]:
    """For each of the body's 33 landmarks the joint whose position it follows, and the one that turns its offset."""
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
    return points + [(f"{s}_foot", f"{s}_ankle") for s in sides]


def hand_anchors(side: str) -> list[tuple[str, str]]:
    """The same for a hand's 21 landmarks."""
    points = [(f"{side}_wrist", f"{side}_wrist")]
    for finger in ("thumb", "index", "middle", "ring", "pinky"):
        joints = [f"{side}_{finger}{k}" for k in (1, 2, 3)]
        points += zip(joints, [f"{side}_wrist", *joints[:2]], strict=True)
        points.append((joints[2], joints[2]))
    return points


# The order of `landmark_offsets.npy`: the body's 33, the left hand's 21, the right hand's 21, the face's.
OFFSETS = "landmark_offsets.npy"
OFFSET_ANCHORS = (
    *body_anchors(),
    *hand_anchors("left"),
    *hand_anchors("right"),
    *[("head", "head")] * len(FACE_POINTS),
)
IN_OFFSETS = np.array(
    [*range(33), *range(75, 75 + len(FACE_POINTS)), *(33 + k for k in PALM_POINTS), *(54 + k for k in PALM_POINTS)]
)
"""The rows of the file that belong to the body's landmarks, in their order."""

ANCESTORS: NDArray[np.bool_] = np.zeros((len(JOINT_NAMES), len(JOINT_NAMES)), np.bool_)
"""ANCESTORS[j, a]: joint a moves joint j."""
for _j, _p in enumerate(PARENTS):
    ANCESTORS[_j, _j] = True
    if _p >= 0:
        ANCESTORS[_j] |= ANCESTORS[_p]


def _body_pairs() -> list[tuple[int, int, float]]:
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
    for palm in (LEFT.start, RIGHT.start):
        pairs += [(palm + k, palm, 0.02) for k in range(1, 6)] + [(palm + 5, palm + 2, 0.015)]
    return pairs + [(FACE.start + k, FACE.start, 0.015) for k in range(1, len(FACE_POINTS))]


def _hand_pairs() -> list[tuple[int, int, float]]:
    """The same for a hand."""
    pairs = [(k, 0, 0.02) for k in (1, 5, 9, 13, 17)]
    return pairs + [(k, k - 1, 0.013) for k in range(1, 21) if k % 4 != 1] + [(17, 5, 0.015)]


PAIRS: Indices = np.array([pair[:2] for pair in _body_pairs()])
REFINED_PAIRS = 26
"""The first of them, those of the body's own 33 landmarks."""
PAIR_SIGMA: Reals = np.array([pair[2] for pair in _body_pairs()])
HAND_PAIRS: Indices = np.array([pair[:2] for pair in _hand_pairs()])
HAND_PAIR_SIGMA: Reals = np.array([pair[2] for pair in _hand_pairs()])

_LEFT = {"arm": (13, 15, 17, 19, 21), "leg": (25, 27, 29, 31)}
LIMB_LANDMARKS = {
    f"{side}_{limb}": [k + s for k in points]
    for limb, points in _LEFT.items()
    for s, side in enumerate(("left", "right"))
}
"""The body's landmarks that belong to each limb."""
LIMB_PAIRS = {part: np.nonzero(np.isin(PAIRS, points).any(1))[0] for part, points in LIMB_LANDMARKS.items()}

SHAPES: dict[str, tuple[tuple[str, ...], float]] = {
    "shoulders": (("collar", "shoulder"), 0.06),
    "hips": (("hip",), 0.06),
    "trunk": (("spine", "neck"), 0.04),
    "arms": (("elbow", "wrist", *FINGERS, "thumb"), 0.04),
    "legs": (("knee", "ankle", "foot"), 0.04),
}
"""The directions of shape: which bones grow together, by their joints' names, and the deviation of their ratio.

The head is none of them: its size and its distance look alike, and the face network's metres decide for the wrong one.
"""

LEANS = ("pelvis", "spine3", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
         "left_hip", "right_hip", "left_knee", "right_knee")  # fmt: skip
"""The joints whose axes lean: trunk upwards, the bones of the limbs that begin at the others downwards."""
HANGING = {f"{side}_{limb}": (f"{side}_{upper}", f"{side}_{lower}") for side in ("left", "right")
           for limb, upper, lower in (("arm", "shoulder", "elbow"), ("leg", "hip", "knee"))}  # fmt: skip
"""Where the bones of a limb begin that hang down where its end is not seen."""


def build_body(rest: Reals, offsets: Reals) -> tuple[Chain, Lean]:
    """The body's chain for a rest skeleton (55, 3) and calibrated landmark offsets in the file's order."""
    anchors = [OFFSET_ANCHORS[k] for k in IN_OFFSETS]
    base = np.array([JOINT[b] for b, _ in anchors])
    turned = np.array([JOINT[t] for _, t in anchors])
    offset = np.asarray(offsets, np.float64)[IN_OFFSETS].copy()
    rigid = base >= BODY_JOINTS  # knuckles: rigid with the wrist
    offset[rigid] += rest[base[rigid]] - rest[turned[rigid]]
    stretch, swell = _shapes(base, turned, rigid)
    base = np.where(rigid, turned, base)
    chain = _chain(rest, np.arange(BODY_JOINTS), _body(), base, turned, offset, stretch[:BODY_JOINTS], swell)
    ends = {"shoulder": "elbow", "elbow": "wrist", "hip": "knee", "knee": "ankle"}
    axis = []
    for name in LEANS:
        side, _, part = name.partition("_")
        axis.append([0.0, 1.0, 0.0] if not part else rest[JOINT[f"{side}_{ends[part]}"]] - rest[JOINT[name]])
    unit = np.array(axis) / np.linalg.norm(axis, axis=1, keepdims=True)
    return chain, Lean(np.array([JOINT[name] for name in LEANS]), unit)


def _shapes(base: Indices, turned: Indices, rigid: NDArray[np.bool_]) -> tuple[Reals, Reals]:
    """How much each bone (55, S) and each landmark's offset (K, S) grows with each direction of shape."""
    stretch = np.zeros((len(JOINT_NAMES), len(SHAPES)))
    for g, (words, _) in enumerate(SHAPES.values()):
        for j, name in enumerate(JOINT_NAMES):
            stretch[j, g] = j > 0 and any(word in name for word in words)
    swell = np.zeros((len(base), len(SHAPES)))
    hips = {JOINT["left_hip"], JOINT["right_hip"]}
    shoulders = {JOINT["left_shoulder"], JOINT["right_shoulder"]}
    for k in range(len(base)):
        swell[k, 0] = base[k] in shoulders
        swell[k, 1] = base[k] in hips
        swell[k, 3] = rigid[k]
    return stretch, swell


@cache
def _stretch() -> Reals:
    """How much each bone (55, S) grows with each direction of shape."""
    return _shapes(np.zeros(0, int), np.zeros(0, int), np.zeros(0, bool))[0]


def bones(shape: Reals) -> Reals:
    """The ratios (P, 55) of the bones' lengths to the rest skeleton's for shapes (P, S)."""
    return np.asarray(1 + shape @ _stretch().T)


def build_hand(rest: Reals, offsets: Reals) -> Chain:
    """The left hand's chain, whose root is the wrist."""
    joints = np.array([JOINT["left_wrist"], *range(LEFT_HAND.start, LEFT_HAND.stop)])
    place = {int(j): k for k, j in enumerate(joints)}
    anchors = hand_anchors("left")
    base = np.array([place[JOINT[b]] for b, _ in anchors])
    turned = np.array([place[JOINT[t]] for _, t in anchors])
    none = np.zeros((len(joints), 0)), np.zeros((len(base), 0))
    return _chain(rest, joints, _fingers(), base, turned, np.asarray(offsets, np.float64)[33:54], *none)


def _chain(
    rest: Reals, joints: Indices, free: list[Freedom], base: Indices, turned: Indices, offset: Reals, stretch: Reals,
    swell: Reals,
) -> Chain:  # fmt: skip
    """The chain of some of the 55 `joints`, the first of which is its root."""
    place = {int(j): k for k, j in enumerate(joints)}
    parents = np.array([place.get(PARENTS[j], -1) for j in joints])
    parents[0] = -1
    bone = np.zeros((len(joints), 3))
    bone[1:] = rest[joints[1:]] - rest[joints[parents[1:]]]
    depth = np.zeros(len(joints), int)
    for k in range(1, len(joints)):
        depth[k] = depth[parents[k]] + 1
    ancestors = ANCESTORS[np.ix_(joints, joints)]
    joint = np.array([place[f.joint] for f in free])
    kind = np.array([f.kind for f in free])
    hinge = np.nonzero(kind == ANGLE)[0]
    again = np.array([d > 0 and joint[d - 1] == joint[d] for d in hinge], bool)
    return Chain(
        bone=bone, parents=parents, levels=tuple(np.nonzero(depth == n)[0] for n in range(1, depth.max() + 1)),
        joint=joint, kind=kind, axis=np.array([f.axis for f in free], np.float64),
        mean=np.array([f.mean for f in free]), sigma=np.array([f.sigma for f in free]),
        low=np.array([f.low for f in free]), high=np.array([f.high for f in free]),
        base=base, turned=turned, offset=offset, moves=ancestors[turned][:, joint], stretch=stretch, swell=swell,
        turns=ancestors[:, joint], grown=np.einsum("kj,js->ksj", ancestors[base].astype(np.float64), stretch),
        ball=np.nonzero(kind == BALL)[0].reshape(-1, 3), hinge=hinge, first=hinge[~again], second=hinge[again],
    )  # fmt: skip


@cache
def calibrated_offsets() -> Reals:
    """Where the landmarks (91, 3) are from their joints, as `bench/landmark_offsets.py` measured on rendered truth.

    The networks' hips, shoulders and ankles are not SMPL-X's joints; these are the constant differences.
    """
    with (files("pymafx_live.engines.data") / OFFSETS).open("rb") as file:
        return np.asarray(np.load(file, allow_pickle=False), np.float32)
