"""From what is seen of a person to a pose: weights the evidence, runs the solver, remembers the outcome."""

from dataclasses import dataclass, field, replace

import numpy as np
from pymafx_live.engines.arrays import Reals
from pymafx_live.engines.landmarks import solver
from pymafx_live.engines.landmarks.initial import LIMBS, Limb, bend, first_pose, place
from pymafx_live.engines.landmarks.perception import Sight
from pymafx_live.engines.landmarks.rig import (
    BODY,
    FACE,
    FACE_POINTS,
    GROUP,
    GROUP_SLICES,
    LEFT,
    PAIR_SIGMA,
    PAIRS,
    RIGHT,
    Rig,
)
from pymafx_live.engines.skeleton import JOINT
from pymafx_live.pipeline.types import Camera


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Deviations of the evidence, tuned on rendered truth (`bench/mannequin.py`, the tuned seeds).

    `body_pixels`, `hand_pixels` and `face_pixels` are fractions of the region's side; `depth` scales the deviations
    of depth; `pelvis_upright` and `chest_upright` are in radians; `stay` is how fast a seen joint may turn, in
    radians per second; what is unseen is held for `hold` seconds, then eases to rest within about `ease`.
    """

    body_pixels: float = 0.0055
    hand_pixels: float = 0.02
    face_pixels: float = 0.02
    depth: float = 1.0
    hand_depth: float = 1.0
    pelvis_upright: float = 0.2
    chest_upright: float = 0.25
    upright_kernel: float = 3.0
    kernel: float = 5.0
    stay: float = 4.0
    hold: float = 0.5
    ease: float = 0.5
    first_steps: int = 12
    steps: int = 2


@dataclass(slots=True)
class State:
    """One track's skeleton: the pelvis `translation` (3,), `local` rotations (55, 3, 3), plain angles `angle` (D,),
    `bones` (55,) as ratios to the rest skeleton, and the joints' `G` and `T` that follow."""

    translation: Reals
    local: Reals
    angle: Reals
    bones: Reals
    G: Reals = field(default_factory=lambda: np.zeros((55, 3, 3)))
    T: Reals = field(default_factory=lambda: np.zeros((55, 3)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the solver is told: `uv` (K, 2), the landmarks in normalised image coordinates; for M pairs of them `depth`
    (M,), how much deeper the first is than the second along `ray` (M, 3), in metres; and one over the deviations of
    both, 0 where nothing is known."""

    uv: Reals
    uv_weight: Reals
    depth: Reals
    depth_weight: Reals
    ray: Reals


BODY_SPREAD = np.array([0.7] * 11 + [1.0] * 2 + [1.4] * 2 + [1.2] * 8 + [1.5] * 2 + [1.1] * 4 + [1.4] * 4)
"""How far the body's landmarks spread about where they should be, relative to the shoulders (measured: 0.4 % of a
region's side)."""
BODY_SCALE, HAND_SCALE, FACE_HEIGHT = 1.1, 1.05, 0.2
"""The networks' metres against the embedded body's, and a face mesh's height in metres."""


MOVING = ("translation", "local", "angle", "G", "T")
CONTRADICTION, JUMP_STEPS = 0.2, 6
"""Metres of depth that make a limb suspect, and steps of the fit from its other side."""
HIPS, KNEES = [23, 24], [25, 26]
GUESSED = 0.1
"""How far hips are trusted when no knee is seen: the network then guesses them, and says that it sees them."""


def normalise(xy: Reals, camera: Camera) -> Reals:
    """Pixels (..., 2) to normalised image coordinates x / z, y / z, free of the lens's distortion."""
    if any(camera.distortion):
        import cv2

        flat = np.asarray(xy, np.float64).reshape(-1, 1, 2)
        straight = cv2.undistortPoints(flat, camera.matrix, np.array(camera.distortion))
        return np.asarray(straight, np.float64).reshape(xy.shape)
    normalised: Reals = (xy - np.array([camera.cx, camera.cy])) / np.array([camera.fx, camera.fy])
    return normalised


def ramp(visibility: Reals, low: float = 0.5, high: float = 0.9) -> Reals:
    """0 below `low`, 1 above `high`, linear between."""
    clipped: Reals = np.clip((visibility - low) / (high - low), 0, 1)
    return clipped


def gather(sight: Sight, camera: Camera, options: FitOptions) -> Evidence:
    """The evidence of one person's landmarks, each group with its own deviations."""
    K = len(GROUP)
    xy, z, trust, pixels = np.zeros((K, 2)), np.zeros(K), np.zeros(K), np.ones(K)
    ray = np.tile([0.0, 0.0, 1.0], (4, 1))

    def fill(group: int, points: Reals, depth: Reals, certain: Reals, deviation: Reals, centre: Reals) -> None:
        where = GROUP_SLICES[group]
        xy[where], z[where], trust[where] = points, depth, certain
        pixels[where] = np.maximum(deviation, 1.0)
        direction = np.append(normalise(centre, camera), 1.0)
        ray[group] = direction / np.linalg.norm(direction)

    seen = ramp(sight.visibility)
    seen[HIPS] *= max(float(seen[KNEES].max()), GUESSED)
    fill(
        BODY,
        sight.xy,
        sight.world[:, 2] * BODY_SCALE,
        seen,
        BODY_SPREAD * options.body_pixels * sight.side,
        sight.centre,
    )
    for group, side in ((LEFT, "left"), (RIGHT, "right")):
        if (hand := sight.hands.get(side)) is not None:
            deviation = np.full(21, options.hand_pixels * np.ptp(hand.xy, 0).max())
            fill(group, hand.xy, hand.world[:, 2] * HAND_SCALE, np.full(21, hand.score), deviation, hand.centre)
    if (face := sight.face) is not None:
        points = face.xyz[list(FACE_POINTS)]
        extent = float(np.ptp(face.xyz[:, :2], 0).max())
        depth = points[:, 2] * FACE_HEIGHT / max(extent, 1.0)
        fill(
            FACE,
            points[:, :2],
            depth,
            np.full(len(points), face.score),
            np.full(len(points), options.face_pixels * extent),
            face.centre,
        )
    a, b = PAIRS.T
    scale = np.where(GROUP[a] == BODY, options.depth, options.hand_depth)
    return Evidence(
        uv=normalise(xy, camera),
        uv_weight=trust * (camera.fx + camera.fy) / 2 / pixels,
        depth=z[a] - z[b],
        depth_weight=np.minimum(trust[a], trust[b]) / (PAIR_SIGMA * scale),
        ray=ray[GROUP[a]],
    )


class Gravity:
    """Where up is in the camera's frame, learnt from the people who stand: cameras are often tilted.

    `up` (3,) starts level and becomes the mean direction from ankles to neck of everybody on straight legs, over
    the last seconds.
    """

    STRAIGHT = np.radians(45)
    MEMORY = 5.0

    def __init__(self) -> None:
        self.up: Reals = np.array([0.0, -1.0, 0.0])
        self._samples = 2.0

    def learn(self, state: State, knees: Reals, dt: float) -> None:
        """Takes in a person both of whose legs are seen, with `knees` (2,) bent by so many radians."""
        axis = state.T[JOINT["neck"]] - (state.T[JOINT["left_ankle"]] + state.T[JOINT["right_ankle"]]) / 2
        axis = axis / np.linalg.norm(axis)
        if knees.max() > self.STRAIGHT or axis @ [0.0, -1.0, 0.0] < 0.8:
            return
        self._samples += 1
        rate = max(1 / self._samples, 1 - np.exp(-dt / self.MEMORY))
        up = self.up + rate * (axis - self.up)
        self.up = up / np.linalg.norm(up)


class Fitter:
    """Fits skeletons to evidence with one rig; between people it only keeps where up is."""

    def __init__(self, rig: Rig, options: FitOptions | None = None) -> None:
        self.rig = rig
        self.options = options or FitOptions()
        self.gravity = Gravity()

    def warm_up(self) -> None:
        """Compiles the solver, or loads it from the cache, so that the first person does not wait for it."""
        K, M = len(GROUP), len(PAIRS)
        nothing = Evidence(np.zeros((K, 2)), np.zeros(K), np.zeros(M), np.zeros(M), np.zeros((M, 3)))
        local, angle = first_pose(self.rig, np.eye(33, 3), np.ones(33, bool))
        state = State(np.array([0.0, 0.0, 3.0]), local, angle, np.ones(55))
        self.update(state, nothing, np.ones(len(angle)), 1)
        self.landmarks(state)
        self.pose(state)

    def begin(self, sight: Sight, evidence: Evidence, bones: Reals | None = None) -> State:
        """A new person's state, from the world landmarks in closed form and then many steps."""
        rig = self.rig
        visible = sight.visibility > 0.5
        visible[HIPS] &= visible[KNEES].any()
        local, angle = first_pose(rig, sight.world.astype(np.float64), visible)
        state = State(np.zeros(3), local, angle, np.ones(55) if bones is None else bones.copy())
        solver.forward(rig.rest, rig.parents, state.bones, state.translation, local, state.G, state.T)
        self._place(state, evidence)
        self.update(state, evidence, np.full(len(rig.joint), 1e-3), self.options.first_steps)
        return state

    def landmarks(self, state: State) -> Reals:
        """The rig's landmarks (K, 3) in the camera's frame."""
        P = np.empty((len(self.rig.base), 3))
        rig = self.rig
        solver.landmark_positions(rig.base, rig.turned, rig.offset, state.bones[0], state.G, state.T, P)
        return P

    def _place(self, state: State, evidence: Evidence) -> None:
        P = self.landmarks(state)
        state.translation += place(P, evidence.uv, (evidence.uv_weight > 0) * 1.0 * (GROUP == BODY))

    def update(self, state: State, evidence: Evidence, stay: Reals, steps: int) -> float:
        """Improves `state` in place; `stay` (D,) ties each degree of freedom to where it was. Returns the cost."""
        r, o, e = self.rig, self.options, evidence
        upright = np.array([o.pelvis_upright, o.chest_upright]) ** -2
        return float(
            solver.solve(
                r.rest, r.parents, r.joint, r.kind, r.axis, r.mean, r.sigma, r.low, r.high, r.base, r.turned,
                r.offset, r.chain, PAIRS, r.trunk, state.bones, e.uv, e.uv_weight, e.depth, e.depth_weight, e.ray,
                self.gravity.up, upright, o.upright_kernel, stay, o.kernel, steps,
                state.translation, state.local, state.angle, state.G, state.T,
            )
        )  # fmt: skip

    def follow(self, state: State, sight: Sight, evidence: Evidence, stay: Reals) -> None:
        """Updates a known person, and tries a limb on the other side of its joint where the depths contradict it.

        A limb that points towards the camera and one that points away look alike, and no small step leads from one
        to the other (Sminchisescu and Triggs, "Kinematic jump processes", CVPR 2003).
        """
        cost = self.update(state, evidence, stay, self.options.steps)
        suspects = self._contradicted(state, evidence)
        if not suspects:
            return
        other = replace(state, **{name: getattr(state, name).copy() for name in MOVING})
        for limb in suspects:
            parent = state.G[self.rig.parents[JOINT[limb.root]]]
            bend(self.rig, limb, sight.world.astype(np.float64), parent, other.local, other.angle)
        if self.update(other, evidence, np.full(len(stay), 1e-3), JUMP_STEPS) < cost:
            for name in MOVING:
                getattr(state, name)[:] = getattr(other, name)

    def _contradicted(self, state: State, evidence: Evidence) -> list[Limb]:
        """The limbs one of whose bones is much deeper or nearer than the networks say."""
        P = self.landmarks(state)
        a, b = PAIRS.T
        error = np.abs(np.einsum("mi,mi->m", evidence.ray, P[a] - P[b]) - evidence.depth) * (evidence.depth_weight > 0)
        wrong = {(int(i), int(j)) for i, j in PAIRS[error > CONTRADICTION]}
        return [x for x in LIMBS if {(x.landmarks[1], x.landmarks[0]), (x.landmarks[2], x.landmarks[1])} & wrong]

    def pose(self, state: State) -> Reals:
        """The pose as 55 axis-angle vectors, (55, 3)."""
        out = np.empty((55, 3))
        solver.pose_vectors(state.local, out)
        return out.astype(np.float32)
