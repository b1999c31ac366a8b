"""What people's legs say of the floor: where their soles are and how fast, which way feet point, and who stands."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Origin, Person
from pymafx_live.pipeline.smoothing import GAP, share

LEGS = np.array([[JOINT[f"{side}_{name}"] for name in ("hip", "knee", "ankle", "foot")] for side in SIDES])
"""The joints of the left and the right leg, (2, 4)."""
SOLE = np.array([[0, -0.081, -0.055], [0, -0.010, 0.060]])
"""Heel and ball (2, 3) in metres: from the ankle in its own axes, and from the foot's joint in its own, as the embedded
body has them at rest."""
BODY_JOINTS = 22
SPEED_CUTOFF = 6.0
"""Hz at which the speeds of soles are smoothed."""

_NECK, _PELVIS = JOINT["neck"], JOINT["pelvis"]


@dataclass(frozen=True, slots=True, eq=False)
class Legs:
    """The legs of P people in one frame, left and right, in the camera's frame.

    `ids` (P,); `ankles` (P, 2, 3); `turns` (P, 2, 4, 3, 3), the global rotations of hip, knee, ankle and foot; `soles`
    (P, 2, 2, 3), heel and ball of each foot, without a shoe; `seen` (P, 2): whether they are measured; `knees` and
    `hips` (P,): by how many radians the straighter knee is bent, and the trunk against the legs; `neck` (P, 3).
    """

    ids: Sequence[int]
    ankles: Reals
    turns: Reals
    soles: Reals
    seen: Mask
    knees: Reals
    hips: Reals
    neck: Reals

    @property
    def forward(self) -> Reals:
        """Which way the feet point (P, 2, 3): level when they are flat on a level floor."""
        return np.asarray(self.turns[:, :, 2, :, 2])


def has_legs(person: Person) -> bool:
    """Whether it is known where the legs are, or would be."""
    return len(person.joints) >= BODY_JOINTS


def legs_of(people: Sequence[Person]) -> Legs:
    """The legs of people who all have some."""
    joints = np.stack([person.joints[:BODY_JOINTS] for person in people]).astype(np.float64)
    pose = np.stack([np.concatenate([person.global_orient, person.body_pose]) for person in people])
    local = to_matrices(pose.reshape(len(people), -1, 3)[:, [_PELVIS, *LEGS.ravel()]].astype(np.float64))
    turns = local[:, 1:].reshape(-1, 2, 4, 3, 3).copy()
    turns[:, :, 0] = local[:, None, 0] @ turns[:, :, 0]
    for k in range(1, 4):
        turns[:, :, k] = turns[:, :, k - 1] @ turns[:, :, k]
    places = joints[:, LEGS]
    hip, knee, ankle = (places[:, :, k] for k in range(3))
    middle, neck = hip.mean(1), joints[:, _NECK]
    return Legs(
        [person.id for person in people], ankle, turns,
        places[:, :, 2:] + (turns[:, :, 2:] @ SOLE[..., None])[..., 0],
        np.array([[_is_measured(person, f"{side}_leg") for side in SIDES] for person in people]),
        _angle(knee - hip, ankle - knee).min(1), _angle(middle - ankle.mean(1), neck - middle), neck,
    )  # fmt: skip


def _is_measured(person: Person, name: str) -> bool:
    part = person.parts.get(name)  # what a replay has of another sender may lack it
    return part is not None and part.origin is Origin.MEASURED


def _angle(a: Reals, b: Reals) -> Reals:
    lengths = np.sqrt((a * a).sum(-1) * (b * b).sum(-1)) + 1e-9
    return np.asarray(np.arccos(np.clip((a * b).sum(-1) / lengths, -1, 1)))


class Speeds:
    """How fast soles move, over time."""

    def __init__(self) -> None:
        self._memory: dict[int, tuple[float, Reals, Reals | None]] = {}

    def __call__(self, legs: Legs, time: float) -> tuple[Reals, Reals]:
        """The seconds (P,) since each person was seen last, and the velocities (P, 2, 2, 3) of their soles in m/s.

        Both are not-a-number for whom they are not known.
        """
        dt, out = np.full(len(legs.ids), np.nan), np.full(legs.soles.shape, np.nan)
        for k, (id_, soles) in enumerate(zip(legs.ids, legs.soles, strict=True)):
            then, before, velocity = self._memory.get(id_, (-np.inf, soles, None))
            if 0 < time - then < GAP:
                dt[k] = time - then
                step = (soles - before) / dt[k]
                velocity = step if velocity is None else velocity + share(SPEED_CUTOFF, dt[k]) * (step - velocity)
                out[k] = velocity
            else:
                velocity = None
            self._memory[id_] = (time, soles, velocity)
        return dt, out

    def forget(self, ids: Collection[int] | None = None) -> None:
        """Drops what it remembers of these tracks, or of all."""
        for id_ in list(self._memory) if ids is None else ids:
            self._memory.pop(id_, None)
