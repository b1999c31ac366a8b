"""From what is seen of people to their poses: states the problem, runs the solvers, remembers the outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT, LEFT_HAND, RIGHT_HAND
from pymafx_live.core.types import Camera
from pymafx_live.engines.landmarks import parts, rig
from pymafx_live.engines.landmarks.chain import Placed, Pose, forward, joined, set_hinges
from pymafx_live.engines.landmarks.evidence import MIRROR, Evidence, body_evidence, hand_evidence
from pymafx_live.engines.landmarks.initial import LIMBS, bend, first_pose, place, resting
from pymafx_live.engines.landmarks.refine import Refiner, trained
from pymafx_live.engines.landmarks.sight import Sight
from pymafx_live.engines.landmarks.solver import Lean, Problem, Solver


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Deviations and rates of the fit, tuned on rendered truth (`bench/mannequin/__main__.py`, the tuned seeds).

    `pelvis_upright`, `chest_upright`, `hang` (of half-seen limbs) and `rest` (of unseen ones) are in radians; `stay`
    is how fast a seen joint may turn, in radians per second. What is unseen is held for `hold` seconds, then eases to
    rest within twice `ease`. `shape_gain` is how much of a frame's evidence of the shape counts for the frames to
    come: their errors are alike.
    """

    pelvis_upright: float = 0.2
    chest_upright: float = 0.25
    hang: float = 0.35
    rest: float = 0.05
    kernel: float = 5.0
    stay: float = 4.0
    hold: float = 0.5
    ease: float = 0.5
    first_steps: int = 12
    steps: int = 2
    shape_gain: float = 0.02


CONTRADICTION, BETTER, JUMP_STEPS = 0.2, 0.95, 6
"""Metres of depth that make a pose suspect; how much cheaper another must be, after so many steps."""
HELD = 50.0
"""The weight, per radian, that holds what is not seen."""
FASTEST, PLACE = 4.0, 0.03
"""Metres per second that a person moves at most, about, and metres that the place is off where nobody moves."""
PALM = 0.02
"""How far a hand's root may be from where the body's fit has the wrist, in metres."""
SHAPE_EVERY = 5
"""Frames from one look at what the evidence says of the shape to the next."""


@dataclass(slots=True)
class Fit:
    """One person's skeleton: the body's `pose` and the `hands`' fingers (as left ones), batches of one; `information`
    (S, S) on the shape, gathered over the track; `joints` (22, 3) and their global `turns` (22, 3, 3), which follow;
    `spread` (3, 3), the covariance of the pelvis in m² as the evidence of the last frame has it."""

    body: Pose
    hands: dict[str, Pose]
    information: Reals
    joints: Reals
    turns: Reals
    spread: Reals
    frames: int = 0

    @property
    def pelvis(self) -> Reals:
        """The pelvis (3,) in the camera's frame."""
        return np.asarray(self.body.place[0])

    def move(self, step: Reals) -> None:
        """Moves the person by `step` (3,), in place."""
        self.body.place += step
        self.joints = self.joints + step


@dataclass(frozen=True, slots=True)
class Subject:
    """One person to be fitted: what is seen, by which camera, where `up` (3,) is; `dt` seconds after the last time.

    `unseen` maps each part of `parts.BODY_PARTS` to the seconds since it was last measured (infinity: never), and
    `fit` is the last outcome, None for somebody new.
    """

    sight: Sight
    camera: Camera
    up: Reals
    dt: float
    unseen: Mapping[str, float]
    fit: Fit | None


class Fitter:
    """Fits skeletons to evidence, all people at once."""

    def __init__(self, rest: Reals, options: FitOptions | None = None) -> None:
        """`rest` (55, 3) is the rest skeleton."""
        self.options = options or FitOptions()
        self.rest = np.asarray(rest, np.float64)
        self.body, lean = rig.build_body(self.rest, rig.calibrated_offsets())
        self.hand = rig.build_hand(self.rest, rig.calibrated_offsets())
        nothing = Lean(np.zeros(0, np.intp), np.zeros((0, 3)))
        self._solver = Solver(self.body, rig.PAIRS, lean, self.options.kernel)
        self._hand_solver = Solver(self.hand, rig.HAND_PAIRS, nothing, self.options.kernel)
        self._refiner = Refiner(trained(), rig.PAIRS[: rig.REFINED_PAIRS])
        self._freedoms = parts.freedoms_by_part(self.body)
        self._loose = np.diag([sigma**-2.0 for _, sigma in rig.SHAPES.values()])

    def fit(self, subjects: Sequence[Subject]) -> list[Fit]:
        """The subjects' skeletons in this frame."""
        if not subjects:
            return []
        evidence = body_evidence([s.sight for s in subjects], [s.camera for s in subjects], self._refiner)
        problem = self._problem(subjects, evidence)
        fits = [s.fit or self._begin(s) for s in subjects]
        poses = joined([fit.body for fit in fits])
        new = np.array([s.fit is None for s in subjects])
        spread = np.empty((len(subjects), 3, 3))
        if new.any():
            spread[new] = self._fit_new(problem, poses, np.nonzero(new)[0])
        if not new.all():
            spread[~new] = self._follow(subjects, problem, poses, np.nonzero(~new)[0])
        self._learn_shapes(problem, poses, fits)
        placed = forward(self.body, poses)
        for k, fit in enumerate(fits):
            fit.body, fit.joints, fit.turns = poses[np.array([k])], placed.T[k], placed.G[k]
            fit.spread = spread[k]
            fit.frames += 1
        self._fit_hands(subjects, fits)
        return fits

    def rotations(self, fit: Fit) -> Reals:
        """All 55 joints' rotations relative to their parents as axis-angle vectors, (55, 3)."""
        out = np.zeros((55, 3), np.float32)
        out[: rig.BODY_JOINTS] = to_vectors(fit.body.local[0])
        for side, joints in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
            fingers = to_vectors((fit.hands.get(side) or resting(self.hand)).local[0, 1:])
            # A mirror turns the other way about the axes that lie in it.
            out[joints] = fingers * (-MIRROR if side == "right" else 1)
        return out

    def resting(self) -> Reals:
        """The rotations (55, 3) of who is at rest: upright, arms hanging, legs straight, fingers half open."""
        return self.rotations(self._unfitted(resting(self.body)))

    def _begin(self, subject: Subject) -> Fit:
        pose = self._fresh(subject, np.zeros(len(rig.SHAPES)))
        return self._unfitted(pose)

    def _unfitted(self, pose: Pose) -> Fit:
        return Fit(pose, {}, np.zeros_like(self._loose), np.zeros((22, 3)), np.zeros((22, 3, 3)), np.zeros((3, 3)))

    def _fresh(self, subject: Subject, shape: Reals) -> Pose:
        """A pose from this frame's world landmarks alone, at the camera."""
        visible = subject.sight.visibility > parts.SEEN
        visible[[23, 24]] &= visible[[25, 26]].any()  # hips are guessed where no knee is seen
        return first_pose(self.body, self.rest, subject.sight.world.astype(np.float64), visible, shape)

    def _fit_new(self, problem: Problem, poses: Pose, rows: NDArray[np.intp]) -> Reals:
        """Fits people from poses at the camera, in place; returns the spread of their places."""
        part, pose = problem[rows], poses[rows]
        part.stay[:] = 1e-3
        self._bring(part, pose)
        solution = self._solver.solve(part, pose, self.options.first_steps)
        poses.put(rows, pose)
        return solution.spread()

    def _bring(self, problem: Problem, pose: Pose) -> None:
        """Moves poses at the camera to where their landmarks are seen, in place."""
        landmarks = forward(self.body, pose).landmarks[:, rig.BODY]
        seen = (problem.uv_weight[:, rig.BODY] > 0) * 1.0
        for k in range(len(pose)):
            pose.place[k] += place(landmarks[k], problem.uv[k, rig.BODY], seen[k])

    def _follow(self, subjects: Sequence[Subject], problem: Problem, poses: Pose, rows: NDArray[np.intp]) -> Reals:
        """Fits known people from where they were, in place; those whom the depths contradict also from elsewhere.

        Returns the spread of their places.

        A limb that points towards the camera and one that points away look alike, and so do a back and a front; no
        small step leads from one to the other (Sminchisescu and Triggs, "Kinematic jump processes", CVPR 2003). So the
        suspect limbs are tried from their other side, and the whole pose from this frame alone, and the best is kept.
        """
        pose = poses[rows]
        solution = self._solver.solve(problem[rows], pose, self.options.steps)
        poses.put(rows, pose)
        placed = forward(self.body, pose)
        owner, others = [], []
        for i, k in enumerate(rows):
            wrong = self._contradicted(problem, placed, i, k)
            if wrong:
                owner += [k, k]
                others.append(self._bent(subjects[k], pose[np.array([i])], placed.G[i], wrong))
                fresh = self._fresh(subjects[k], pose.shape[i])
                self._bring(problem[np.array([k])], fresh)
                others.append(fresh)
        if owner:
            self._take_better(problem, poses, np.array(owner), joined(others))
        return solution.spread()

    def _contradicted(self, problem: Problem, placed: Placed, i: int, k: int) -> set[tuple[int, int]]:
        """The pairs of the body's landmarks whose depths the evidence of row `k` contradicts in the pose of row `i`."""
        a, b = rig.PAIRS[: rig.REFINED_PAIRS].T
        M = rig.REFINED_PAIRS
        apart = placed.landmarks[i, a] - placed.landmarks[i, b]
        error = np.abs((problem.ray[k, :M] * apart).sum(-1) - problem.depth[k, :M])
        wrong = (error > CONTRADICTION) & (problem.depth_weight[k, :M] > 0)
        return {(int(x), int(y)) for x, y in rig.PAIRS[:M][wrong]}

    def _bent(self, subject: Subject, pose: Pose, G: Reals, wrong: set[tuple[int, int]]) -> Pose:
        """The pose with the limbs that the pairs `wrong` belong to as the world landmarks have them."""
        world = subject.sight.world.astype(np.float64)
        for limb in LIMBS:
            if {(limb.landmarks[1], limb.landmarks[0]), (limb.landmarks[2], limb.landmarks[1])} & wrong:
                bend(self.body, self.rest, limb, world, G[self.body.parents[JOINT[limb.root]]], pose)
        set_hinges(self.body, pose)
        return pose

    def _take_better(self, problem: Problem, poses: Pose, owner: NDArray[np.intp], others: Pose) -> None:
        """Replaces poses, in place, by those of `others` that explain their `owner`'s evidence clearly better."""
        part = problem[owner]
        part.stay[:] = 1e-3
        cost = self._solver.solve(part, others, JUMP_STEPS).cost
        followed = poses[owner]
        before = self._solver.solve(part, followed, 1).cost
        for k in np.unique(owner):
            mine = np.nonzero(owner == k)[0]
            best = mine[np.argmin(cost[mine])]
            if cost[best] < BETTER * before[best]:
                poses.put(np.array([k]), others[np.array([best])])

    def _learn_shapes(self, problem: Problem, poses: Pose, fits: Sequence[Fit]) -> None:
        """Adds now and then to what is known of the people's shapes."""
        due = np.nonzero([fit.frames % SHAPE_EVERY == 0 for fit in fits])[0]
        if len(due):
            for k, information in zip(due.tolist(), self._solver.information(problem[due], poses[due]), strict=True):
                fits[k].information = fits[k].information + self.options.shape_gain * SHAPE_EVERY * information

    def _problem(self, subjects: Sequence[Subject], evidence: Evidence) -> Problem:
        """The evidence with the priors of each subject."""
        o, chain, P = self.options, self.body, len(subjects)
        lean = np.empty((P, len(rig.LEANS), 3))
        lean_weight = np.zeros((P, len(rig.LEANS)))
        lean_weight[:, :2] = 1 / o.pelvis_upright, 1 / o.chest_upright
        problem = Problem(
            evidence.uv, evidence.uv_weight, evidence.depth, evidence.depth_weight, evidence.ray,
            mean=np.tile(chain.mean, (P, 1)), sure=np.tile(1 / chain.sigma, (P, 1)),
            stay=np.empty((P, chain.freedoms)), lean=lean, lean_weight=lean_weight,
            shape=np.zeros((P, len(rig.SHAPES))), shape_sure=np.tile(self._loose, (P, 1, 1)), anchor=np.zeros(P),
        )  # fmt: skip
        for k, subject in enumerate(subjects):
            lean[k, :2], lean[k, 2:] = subject.up, -subject.up
            problem.stay[k] = 1 / (o.stay * min(subject.dt, 0.5))
            self._hold(problem, k, subject)
            if subject.fit is not None:
                problem.anchor[k] = 1 / (FASTEST * subject.dt + PLACE)
                known = subject.fit.information
                problem.shape_sure[k] += known
                problem.shape[k] = np.linalg.solve(problem.shape_sure[k], known @ subject.fit.body.shape[0])
        return problem

    def _hold(self, problem: Problem, k: int, subject: Subject) -> None:
        """Says what becomes of the parts of subject `k` that are not seen: held, eased to rest, or hanging."""
        o = self.options
        easing = np.sqrt(o.ease / subject.dt)
        for part, freedoms in self._freedoms.items():
            unseen = subject.unseen[part]
            if unseen == 0:
                continue
            if part in parts.LIMBS:  # what is not measured is not bent by guesses
                problem.uv_weight[k, rig.LIMB_LANDMARKS[part]] = 0
                problem.depth_weight[k, rig.LIMB_PAIRS[part]] = 0
            if subject.fit is not None and unseen < o.hold:
                problem.stay[k, freedoms] = HELD
            elif part in parts.LIMBS:
                problem.sure[k, freedoms] = 1 / o.rest
                problem.stay[k, freedoms] = 1e-3 if subject.fit is None else easing / o.rest
            elif subject.fit is not None:
                problem.stay[k, freedoms] = easing / self.body.sigma[freedoms]
        for part, (_, end) in parts.LIMBS.items():
            half = subject.unseen[part] == 0 and subject.sight.visibility[end] < parts.SEEN
            if half and part.replace("_arm", "") not in subject.sight.hands:
                for joint, weight in zip(rig.HANGING[part], (0.5 / o.hang, 1 / o.hang), strict=True):
                    problem.lean_weight[k, rig.LEANS.index(joint)] = weight

    def _fit_hands(self, subjects: Sequence[Subject], fits: Sequence[Fit]) -> None:
        """Fits the fingers of the hands that are seen, and lets those that are not ease to rest."""
        jobs: list[tuple[int, str]] = []
        for k, (subject, fit) in enumerate(zip(subjects, fits, strict=True)):
            for side in ("left", "right"):
                hand = subject.sight.hands.get(side)
                if hand is not None and not hand.held:
                    jobs.append((k, side))
                elif side in fit.hands:
                    self.relax_hand(fit, side, subject.unseen[f"{side}_hand"], subject.dt)
        if jobs:
            self._fit_seen_hands(subjects, fits, jobs)

    def _fit_seen_hands(self, subjects: Sequence[Subject], fits: Sequence[Fit], jobs: list[tuple[int, str]]) -> None:
        o, chain, P = self.options, self.hand, len(jobs)
        new = np.array([side not in fits[k].hands for k, side in jobs])
        poses = joined([fits[k].hands.get(side) or resting(self.hand) for k, side in jobs])
        for i, (k, side) in enumerate(jobs):
            wrist = JOINT[f"{side}_wrist"]
            G, T = fits[k].turns[wrist], fits[k].joints[wrist]
            mirror = MIRROR if side == "right" else np.ones(3)
            poses.local[i, 0], poses.place[i] = G * np.outer(mirror, mirror), T * mirror
        rate = np.array(
            [
                1e-3 if fresh else 1 / (o.stay * min(subjects[k].dt, 0.5))
                for fresh, (k, _) in zip(new, jobs, strict=True)
            ]
        )
        hands = [subjects[k].sight.hands[side] for k, side in jobs]
        evidence = hand_evidence(hands, [side for _, side in jobs], [subjects[k].camera for k, _ in jobs])
        none = np.zeros((P, 0))
        problem = Problem(
            evidence.uv, evidence.uv_weight, evidence.depth, evidence.depth_weight, evidence.ray,
            mean=np.tile(chain.mean, (P, 1)), sure=np.tile(1 / chain.sigma, (P, 1)),
            stay=np.repeat(rate[:, None], chain.freedoms, 1), lean=np.zeros((P, 0, 3)), lean_weight=none, shape=none,
            shape_sure=np.zeros((P, 0, 0)), anchor=np.full(P, 1 / PALM),
        )  # fmt: skip
        for rows, steps in ((np.nonzero(new)[0], o.first_steps), (np.nonzero(~new)[0], 1)):
            if len(rows):
                pose = poses[rows]
                self._hand_solver.solve(problem[rows], pose, steps)
                poses.put(rows, pose)
        for i, (k, side) in enumerate(jobs):
            fits[k].hands[side] = poses[np.array([i])]

    def relax_hand(self, fit: Fit, side: str, unseen: float, dt: float) -> None:
        """Moves fingers that have not been seen for `unseen` seconds towards rest, once they were held long enough."""
        o, pose = self.options, fit.hands[side]
        left = o.hold + 2 * o.ease - unseen
        if unseen < o.hold:
            return
        if left <= 0:
            del fit.hands[side]
            return
        share = min(1.0, dt / (left + dt))
        rest = resting(self.hand)
        pose.angle += share * (rest.angle - pose.angle)
        balls = self.hand.joint[self.hand.ball[:, 0]]
        turn = to_vectors(pose.local[:, balls].swapaxes(2, 3) @ rest.local[:, balls])
        pose.local[:, balls] = pose.local[:, balls] @ to_matrices(share * turn)
        set_hinges(self.hand, pose)


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

    def learn(self, joints: Reals, knees: Reals, dt: float) -> None:
        """Takes in a person both of whose legs are seen: `joints` (22, 3), and `knees` (2,) bent by so many radians."""
        axis = joints[JOINT["neck"]] - (joints[JOINT["left_ankle"]] + joints[JOINT["right_ankle"]]) / 2
        axis = axis / np.linalg.norm(axis)
        if knees.max() > self.STRAIGHT or axis @ [0.0, -1.0, 0.0] < 0.8:
            return
        self._samples += 1
        rate = max(1 / self._samples, 1 - np.exp(-dt / self.MEMORY))
        up = self.up + rate * (axis - self.up)
        self.up = up / np.linalg.norm(up)
