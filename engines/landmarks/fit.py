"""From what is seen of a person to a pose: weights the evidence, runs the solver, remembers the outcome."""

from dataclasses import dataclass, field

import numpy as np
from pymafx_live.engines.landmarks import solver
from pymafx_live.engines.landmarks.arrays import Reals
from pymafx_live.engines.landmarks.initial import first_pose, place
from pymafx_live.engines.landmarks.perception import Sight
from pymafx_live.engines.landmarks.rig import BODY, FACE, FACE_POINTS, GROUP, LEFT, RIGHT, Rig
from pymafx_live.pipeline.types import Camera


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Deviations of the evidence, tuned on rendered truth (`bench/mannequin.py`, the tuned seeds).

    `body_pixels`, `hand_pixels` and `face_pixels` are fractions of the region's side; `body_depth`,
    `hand_depth`, `face_depth` are metres; `stay` is how fast a seen joint may turn, in radians per second.
    """

    body_pixels: float = 0.012
    hand_pixels: float = 0.02
    face_pixels: float = 0.02
    body_depth: float = 0.06
    hand_depth: float = 0.012
    face_depth: float = 0.02
    upright: float = 0.5
    kernel: float = 3.0
    stay: float = 6.0
    hold: float = 0.5
    ease: float = 0.5
    first_steps: int = 12
    steps: int = 3


@dataclass(slots=True)
class State:
    """One track's skeleton: the pelvis `translation` (3,), `local` rotations (55, 3, 3), plain angles `angle` (D,),
    depth offsets `delta` (4,), `bones` (55,) as ratios to the rest skeleton, and the joints' `G`, `T` that follow."""

    translation: Reals
    local: Reals
    angle: Reals
    delta: Reals
    bones: Reals
    G: Reals = field(default_factory=lambda: np.zeros((55, 3, 3)))
    T: Reals = field(default_factory=lambda: np.zeros((55, 3)))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the solver is told of K landmarks: `uv` (K, 2) normalised image coordinates, `depth` (K,) in metres
    along their group's viewing `ray` (4, 3), and one over the deviations of both, 0 where nothing is known."""

    uv: Reals
    uv_weight: Reals
    depth: Reals
    depth_weight: Reals
    ray: Reals


def normalise(xy: Reals, camera: Camera) -> Reals:
    """Pixels (..., 2) to normalised image coordinates x / z, y / z, free of the lens's distortion."""
    if any(camera.distortion):
        import cv2

        flat = np.asarray(xy, np.float64).reshape(-1, 1, 2)
        return cv2.undistortPoints(flat, camera.matrix, np.array(camera.distortion)).reshape(xy.shape)
    normalised: Reals = (xy - np.array([camera.cx, camera.cy])) / np.array([camera.fx, camera.fy])
    return normalised


def ramp(visibility: Reals, low: float = 0.3, high: float = 0.8) -> Reals:
    """0 below `low`, 1 above `high`, linear between."""
    clipped: Reals = np.clip((visibility - low) / (high - low), 0, 1)
    return clipped


def gather(sight: Sight, camera: Camera, options: FitOptions) -> Evidence:
    """The evidence of one person's landmarks, each group with its own deviations."""
    K = len(GROUP)
    uv, uvw, depth, dw = np.zeros((K, 2)), np.zeros(K), np.zeros(K), np.zeros(K)
    ray = np.tile([0.0, 0.0, 1.0], (4, 1))
    f = (camera.fx + camera.fy) / 2

    def fill(group: int, xy: Reals, z: Reals, trust: Reals, pixels: float, metres: float, centre: Reals) -> None:
        where = group == GROUP
        uv[where] = normalise(xy, camera)
        uvw[where] = trust * f / max(pixels, 1.0)
        depth[where] = z
        dw[where] = trust / metres
        direction = np.append(normalise(centre, camera), 1.0)
        ray[group] = direction / np.linalg.norm(direction)

    trust = ramp(sight.visibility) * _inside(sight.xy, camera)
    fill(
        BODY,
        sight.xy,
        sight.world[:, 2],
        trust,
        options.body_pixels * sight.side,
        options.body_depth,
        sight.centre,
    )
    for group, side in ((LEFT, "left"), (RIGHT, "right")):
        hand = sight.hands.get(side)
        if hand is not None:
            extent = max(float(np.ptp(hand.xy, 0).max()), 1.0)
            confident = np.full(21, hand.score)
            fill(
                group,
                hand.xy,
                hand.world[:, 2],
                confident,
                options.hand_pixels * extent,
                options.hand_depth,
                hand.centre,
            )
    if sight.face is not None:
        points = sight.face.xyz[list(FACE_POINTS)]
        extent = max(float(np.ptp(sight.face.xyz[:, :2], 0).max()), 1.0)
        z = points[:, 2] * 0.2 / extent  # a face is about 0.2 m tall
        confident = np.full(len(points), sight.face.score)
        fill(
            FACE,
            points[:, :2],
            z,
            confident,
            options.face_pixels * extent,
            options.face_depth,
            sight.face.centre,
        )
    return Evidence(uv, uvw, depth, dw, ray)


def _inside(xy: Reals, camera: Camera) -> Reals:
    """1 for points in the image, 0 for points that the networks invent outside it."""
    inside = (xy >= 0) & (xy < np.array([camera.width, camera.height]))
    return np.where(inside.all(-1), 1.0, 0.0)


class Fitter:
    """Fits skeletons to evidence with one rig; holds no state of its own between people."""

    def __init__(self, rig: Rig, options: FitOptions | None = None) -> None:
        self.rig = rig
        self.options = options or FitOptions()

    def begin(self, sight: Sight, evidence: Evidence, bones: Reals | None = None) -> State:
        """A new person's state, from the world landmarks in closed form and then many steps."""
        rig = self.rig
        local, angle = first_pose(rig, sight.world.astype(np.float64), sight.visibility > 0.5)
        state = State(np.zeros(3), local, angle, np.zeros(4), np.ones(55) if bones is None else bones.copy())
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
        P += state.translation
        for group in range(4):
            where = (group == GROUP) & (evidence.depth_weight > 0)
            if where.any():
                state.delta[group] = np.mean(P[where] @ evidence.ray[group] - evidence.depth[where])

    def update(self, state: State, evidence: Evidence, stay: Reals, steps: int) -> float:
        """Improves `state` in place; `stay` (D,) ties each degree of freedom to where it was. Returns the cost."""
        r, o, e = self.rig, self.options, evidence
        return float(
            solver.solve(
                r.rest, r.parents, r.joint, r.kind, r.axis, r.mean, r.sigma, r.low, r.high, r.base, r.turned,
                r.offset, r.chain, state.bones, e.uv, e.uv_weight, e.depth, e.depth_weight, GROUP, e.ray,
                np.array([0.0, -1.0, 0.0]), 1 / o.upright**2, stay, o.kernel, steps,
                state.translation, state.local, state.angle, state.delta, state.G, state.T,
            )
        )  # fmt: skip

    def pose(self, state: State) -> Reals:
        """The pose as 55 axis-angle vectors, (55, 3)."""
        out = np.empty((55, 3))
        solver.pose_vectors(state.local, out)
        return out.astype(np.float32)
