"""Smooths people over time: who is still stands still, who is fast is followed, and single wrong frames are left out.

Each part has a 1€ filter (Casiez, Roussel and Vogel, CHI 2012): a low-pass filter whose cutoff grows with speed.
Rotations are filtered on their manifold: the step towards the new rotation is scaled along the shortest turn. Of the
place, distance and direction are filtered apart, as one camera sees directions far better.

Before the filters stands a gate. A part that jumps, faster than `JUMPS` and twice its recent speed allow, is held for
that one frame; in the next it is taken as it is. So a single wrong frame is never followed, and a real start that is as
sudden is one frame late.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from pymafx_live.core import kinematics
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT_NAMES, LEFT_HAND, RIGHT_HAND, SIDES
from pymafx_live.core.types import RAW_SHAPES, Frame, Origin, Person, Raw, Smoothing, pose_parameters

Preset = Literal["raw", "responsive", "smooth"]

SPEED_CUTOFF = 1.5
"""Hz at which speeds are themselves smoothed."""
GAP = 0.5
"""Seconds without a result after which a person starts anew."""


@dataclass(frozen=True, slots=True)
class Cutoff:
    """Of one filter: `still` Hz for what does not move, and `slope` Hz more for each radian or metre per second."""

    still: float
    slope: float


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """Of every part; `depth` is the distance from the camera, `across` the pelvis's place at right angles to it.

    `lag` is by how many seconds a moving body is late with them, as `python -m pymafx_live.bench.smoothing` measures.
    """

    torso: Cutoff
    limbs: Cutoff
    hands: Cutoff
    jaw: Cutoff
    eyes: Cutoff
    depth: Cutoff
    across: Cutoff
    lag: float


PRESETS: Mapping[Preset, Cutoffs] = {
    "responsive": Cutoffs(
        torso=Cutoff(1.0, 16.0), limbs=Cutoff(0.7, 12.0), hands=Cutoff(1.0, 10.0), jaw=Cutoff(3.0, 16.0),
        eyes=Cutoff(1.0, 3.0), depth=Cutoff(0.4, 8.0), across=Cutoff(0.6, 16.0), lag=0.02,
    ),
    "smooth": Cutoffs(
        torso=Cutoff(0.5, 5.0), limbs=Cutoff(0.4, 4.0), hands=Cutoff(0.5, 3.0), jaw=Cutoff(2.0, 8.0),
        eyes=Cutoff(0.5, 1.5), depth=Cutoff(0.2, 3.0), across=Cutoff(0.3, 6.0), lag=0.05,
    ),
}  # fmt: skip
"""Chosen on rendered people, seeds 0 and 1. `raw` has no filter."""

_PARTS: Sequence[tuple[str, Sequence[str]]] = (
    ("torso", ("pelvis", "spine1", "spine2", "spine3", "neck", "left_collar", "right_collar", "head")),
    *(("limbs", tuple(f"{side}_{name}" for name in limb))
      for limb in (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle", "foot")) for side in SIDES),
    *(("hands", JOINT_NAMES[hand]) for hand in (LEFT_HAND, RIGHT_HAND)),
    ("jaw", ("jaw",)),
    ("eyes", ("left_eye", "right_eye")),
)  # fmt: skip
"""What is gated as one: the name of its filter, and its joints. The pelvis's place comes after them."""
_PART: Indices = np.array(
    [next(k for k, (_, joints) in enumerate(_PARTS) if name in joints) for name in JOINT_NAMES], np.int64
)
"""The part (55,) that each joint belongs to."""
_PLACE = len(_PARTS)
JUMPS: Mapping[str, float] = {"torso": 8.0, "limbs": 15.0, "hands": 15.0, "jaw": 15.0, "eyes": 15.0}
"""Radians per second: a joint that turns faster, and faster than twice its recent speed besides, jumps."""
JUMP = 5.0
"""The same of the place, in metres per second."""
BRIEF = 0.04
"""Seconds: in less a part may turn or move as far as in these, as noise does not shrink with the time that passes."""
_JUMPS: Reals = np.array([JUMPS[_PARTS[part][0]] for part in _PART])


@dataclass(slots=True)
class _Memory:
    """What is known of a track: its last pose as it was taken in and as it was smoothed (55, 3, 3); so its pelvis (3,).

    `spin` (55, 3) are the joints' smoothed speeds in radians per second, `drift` (3,) the pelvis's in metres. `taken`
    (P + 1,) is when each part, and the place, was last taken in, and `held` whether it was left out of the last frame.
    """

    time: float
    raw: Reals
    smooth: Reals
    spin: Reals
    place: Reals
    smooth_place: Reals
    drift: Reals
    taken: Reals
    held: Mask


class Smoother:
    """Smooths the pose and place of each track.

    `how` is a preset, or how many times as slow as `responsive` the filters are: 0 does nothing. Where `keep_raw`,
    people also carry what was estimated of them (`Person.raw`).
    """

    def __init__(self, how: Preset | float = "responsive", keep_raw: bool = True) -> None:
        preset, strength = (how, 1.0) if isinstance(how, str) else ("responsive", float(how))
        self._cutoffs = PRESETS.get(preset) if strength > 0 else None
        self._strength, self._keep_raw = strength, keep_raw
        self._memory: dict[int, _Memory] = {}
        self.smoothing = Smoothing(_named(how), 0.0 if self._cutoffs is None else self._cutoffs.lag * strength)
        """What is told of it."""
        if self._cutoffs is not None:
            parts = [getattr(self._cutoffs, _PARTS[part][0]) for part in _PART]
            self._still, self._slope = np.array([(part.still, part.slope) for part in parts]).T / strength

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed."""
        if frame.cut:
            self._memory.clear()
        if self._cutoffs is None or not people:
            return list(people)
        poses = to_matrices(np.stack([person.full_pose for person in people]).astype(np.float64))
        smooth = [
            self._one(person, pose, frame.time, self._cutoffs) for person, pose in zip(people, poses, strict=True)
        ]
        return _rebuilt(people, poses, smooth, self._keep_raw)

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""
        for key in ids:
            self._memory.pop(key, None)

    def _one(self, person: Person, pose: Reals, time: float, cutoffs: Cutoffs) -> tuple[Reals, Reals] | None:
        """The pose (55, 3, 3) and the pelvis (3,) that are published, None where they are the estimated ones."""
        part = person.parts.get("transl")
        if part is not None and part.origin is Origin.DEFAULT:  # a guess: whoever is found starts anew
            self._memory.pop(person.id, None)
            return None
        place = person.pelvis.astype(np.float64)
        memory = self._memory.get(person.id)
        if memory is None or not 0 < time - memory.time < GAP:
            taken, held = np.full(_PLACE + 1, time), np.zeros(_PLACE + 1, bool)
            spin, drift = np.zeros((len(pose), 3)), np.zeros(3)
            self._memory[person.id] = _Memory(time, pose, pose, spin, place, place, drift, taken, held)
            return None
        memory.time = time
        self._turn(memory, pose, time)
        self._move(memory, place, time, cutoffs)
        return memory.smooth, memory.smooth_place

    def _turn(self, memory: _Memory, pose: Reals, time: float) -> None:
        """Takes the smoothed rotations one step on towards `pose` (55, 3, 3)."""
        dt = (time - memory.taken[:_PLACE])[_PART]
        steps = to_vectors(np.stack([memory.raw, memory.smooth]).swapaxes(-1, -2) @ pose)
        jumps = _norms(steps[0]) > (_JUMPS + 2 * _norms(memory.spin)) * np.maximum(dt, BRIEF)
        taken = np.ones(len(pose), bool)
        if jumps.any() or memory.held[:_PLACE].any():
            jumped = np.bincount(_PART, jumps, _PLACE) > 0
            hold = (jumped | jumped[0]) & ~memory.held[:_PLACE]  # limbs hang on the trunk: what turned that is wrong
            memory.held[:_PLACE] = hold
            taken = ~hold[_PART]
        memory.taken[:_PLACE][~memory.held[:_PLACE]] = time
        memory.spin += (taken * share(SPEED_CUTOFF, dt))[:, None] * (steps[0] / dt[:, None] - memory.spin)
        rates = self._still + self._slope * _norms(memory.spin)
        memory.smooth = memory.smooth @ to_matrices(steps[1] * (taken * share(rates, dt))[:, None])
        memory.raw = pose if taken.all() else np.where(taken[:, None, None], pose, memory.raw)

    def _move(self, memory: _Memory, place: Reals, time: float, cutoffs: Cutoffs) -> None:
        """Takes the smoothed pelvis one step on towards `place` (3,)."""
        dt, step = float(time - memory.taken[_PLACE]), place - memory.place
        jumped = math.hypot(*step) > (JUMP + 2 * math.hypot(*memory.drift)) * max(dt, BRIEF)
        memory.held[_PLACE] = hold = jumped and not memory.held[_PLACE]
        if hold:
            return
        memory.taken[_PLACE], memory.place = time, place
        memory.drift += share(SPEED_CUTOFF, dt) * (step / dt - memory.drift)
        ray, off = place / max(math.hypot(*place), 1e-6), place - memory.smooth_place
        depth, speed = float(ray @ off) * ray, float(ray @ memory.drift)
        rate = cutoffs.depth.still + cutoffs.depth.slope * abs(speed)
        rate_across = cutoffs.across.still + cutoffs.across.slope * math.hypot(*(memory.drift - speed * ray))
        shares = share(rate / self._strength, dt), share(rate_across / self._strength, dt)
        memory.smooth_place = memory.smooth_place + shares[0] * depth + shares[1] * (off - depth)


def share(cutoff: ArrayLike, dt: ArrayLike) -> Reals:
    """The part of a step that a first-order low-pass filter of `cutoff` Hz takes in `dt` seconds."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * np.asarray(dt) * np.asarray(cutoff))))


def _norms(vectors: Reals) -> Reals:
    return np.asarray(np.sqrt((vectors * vectors).sum(-1)))


def _named(how: Preset | float) -> str:
    """The preset's name; `custom` for a number that is none."""
    if isinstance(how, str):
        return how
    return {0.0: "raw", 1.0: "responsive"}.get(float(how), "custom")


def _rebuilt(
    people: Sequence[Person], poses: Reals, smooth: Sequence[tuple[Reals, Reals] | None], keep_raw: bool
) -> list[Person]:
    """The people whose `poses` were estimated (P, 55, 3, 3), with smoothed ones; `transl` and joints follow."""
    out, known = list(people), {k: pair for k, pair in enumerate(smooth) if pair is not None}
    for k, (pose, place) in known.items():
        person, pelvis = people[k], place.astype(np.float32)
        parameters = pose_parameters(to_vectors(pose).astype(np.float32))
        raw = Raw(**{name: getattr(person, name) for name in RAW_SHAPES}) if keep_raw else None
        moved = person.transl + (pelvis - person.pelvis)
        out[k] = replace(person, **parameters, transl=moved, pelvis=pelvis, raw=raw)
    jointed = [k for k in known if len(people[k].joints)]
    if jointed:
        turned, places = (np.stack([known[k][i] for k in jointed]) for i in (0, 1))
        was, now = kinematics.global_rotations(np.stack([poses[jointed], turned]))
        bones = kinematics.bones(was, np.stack([people[k].joints for k in jointed]).astype(np.float64))
        for k, joints in zip(jointed, kinematics.positions(now, places, bones), strict=True):
            out[k] = replace(out[k], joints=joints.astype(np.float32))
    return out
