"""Measures where the networks' landmarks sit on the skeleton, and writes `engines/data/landmark_offsets.npy`.

    python -m pymafx_live.bench.landmark_offsets

The networks' hips, shoulders, wrists and ankles are not SMPL-X's joints. On rendered people whose joints are
known, each landmark's constant offset in its bone's frame is the least-squares answer to what the networks
reported: reprojection and depth, robustly weighted. Only `SEEDS` are read, which `bench.mannequin` calls tuned,
never those that are reported; the answer is made symmetric.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.arrays import Indices, Reals
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.evidence import Evidence, body_evidence, hand_evidence
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.refine import Refiner, untrained
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.sight import Sight

CLIPS = ("front", "side", "walk", "wave", "squat", "turn", "hands")
SEEDS, FRAMES = range(3), 24
PRIOR = 0.1
"""Metres: how far a landmark may be from its joint before the evidence must be strong."""
BASE, TURNED = (np.array([JOINT[pair[k]] for pair in rig.OFFSET_ANCHORS]) for k in (0, 1))


@dataclass(frozen=True, slots=True)
class Observation:
    """One body or left hand in one frame: the evidence on the file's `rows` (K,), and where their joints truly are.

    `base` (K, 3) is the joint's place, `turn` (K, 3, 3) the rotation of its offset; `pairs` (M, 2) index the rows.
    """

    evidence: Evidence
    rows: Indices
    pairs: Indices
    base: Reals
    turn: Reals


def observe(clips: tuple[str, ...], seeds: range, frames: int) -> Iterator[Observation]:
    """What the networks report on rendered people whose truth is known, fed the true boxes."""
    body, perception = BodyModel.embedded(), Perception()
    for name in clips:
        for seed in seeds:
            gaze = Gaze()
            for image, truth in render_clip(name, seed, frames):
                person = truth.people[0]
                ((sight,), _) = perception.look(ImageBatch.single(image, 1), person.box[None], [gaze])
                if sight is not None:
                    T, G = body.joints(person.pose, person.transl, person.betas[None], person.bones)
                    yield from _observations(sight, truth.camera, T[0], G[0])


def _observations(sight: Sight, camera: Camera, T: Reals, G: Reals) -> Iterator[Observation]:
    """The body and the hands of one person whose joints are at `T` (55, 3), turned by `G` (55, 3, 3)."""
    refiner = Refiner(untrained(), rig.PAIRS[: rig.REFINED_PAIRS])
    rows = rig.IN_OFFSETS
    yield Observation(body_evidence([sight], [camera], refiner), rows, rig.PAIRS, T[BASE[rows]], G[TURNED[rows]])
    left = np.arange(33, 33 + rig.HAND_LANDMARKS)
    for side, hand in sight.hands.items():
        rows = left + rig.HAND_LANDMARKS if side == "right" else left
        mirror = np.array([-1.0, 1.0, 1.0]) if side == "right" else np.ones(3)
        base, turn = T[BASE[rows]] * mirror, G[TURNED[rows]] * np.outer(mirror, mirror)
        yield Observation(hand_evidence([hand], [side], [camera]), left, rig.HAND_PAIRS, base, turn)


def solve(observations: list[Observation], rounds: int = 4) -> Reals:
    """The offsets (91, 3) in metres by iteratively reweighted least squares; those of the right hand stay 0."""
    offset: Reals = np.zeros((len(BASE), 3))
    for _ in range(rounds):
        offset = _round(observations, offset)
    return offset


def _round(observations: list[Observation], before: Reals) -> Reals:
    """One weighted Gauss-Newton solve for all offsets, linearised at `before`."""
    K = len(BASE)
    A, b = np.eye(3 * K) / PRIOR**2, np.zeros(3 * K)
    for seen in observations:
        e, R, row = seen.evidence, seen.turn, seen.rows
        P = seen.base + np.einsum("kij,kj->ki", R, before[row])
        for k in np.nonzero(e.uv_weight[0] > 0)[0].tolist():
            lines = np.array([[1, 0, -e.uv[0, k, 0]], [0, 1, -e.uv[0, k, 1]]]) / P[k, 2]
            _add(A, b, [(row[k], lines @ R[k])], -lines @ seen.base[k], before, e.uv_weight[0, k])
        for m in np.nonzero(e.depth_weight[0] > 0)[0]:
            i, j = seen.pairs[m]
            ray = e.ray[0, m]
            target = e.depth[0, m] - ray @ (seen.base[i] - seen.base[j])
            blocks = [(row[i], ray[None] @ R[i]), (row[j], -ray[None] @ R[j])]
            _add(A, b, blocks, np.array([target]), before, e.depth_weight[0, m])
    return np.linalg.solve(A, b).reshape(K, 3)


def _add(A: Reals, b: Reals, blocks: list[tuple[int, Reals]], target: Reals, before: Reals, weight: float) -> None:
    """Adds rows (R, 3) per landmark, whose sum on the offsets is to be `target` (R,), with a Cauchy weight."""
    residual = sum((J @ before[k] for k, J in blocks), -target) * weight
    w = weight**2 / (1 + (residual / 3) ** 2)
    for k, J in blocks:
        b[3 * k : 3 * k + 3] += J.T @ (w * target)
        for q, L in blocks:
            A[3 * k : 3 * k + 3, 3 * q : 3 * q + 3] += J.T @ (w[:, None] * L)


def symmetric(offset: Reals) -> Reals:
    """The mean of the offsets and their mirror image; the right hand's are the left one's in a mirror."""
    body = np.arange(33)
    mirror = body.copy()
    for a, b in ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((k, k + 1) for k in range(11, 33, 2))):
        mirror[[a, b]] = b, a
    points = rig.FACE_POINTS
    face = 75 + np.array([points.index(_MIRROR_FACE.get(p, p)) for p in points])
    order = np.concatenate([mirror, np.arange(33, 75), face])
    out = np.asarray((offset + offset[order] * [-1, 1, 1]) / 2)
    left, right = slice(33, 54), slice(54, 75)
    out[left], out[right] = offset[left], offset[left] * [-1, 1, 1]
    return out


# The face points that are not on the middle line, and their counterparts.
_PAIRS = ((33, 263), (133, 362), (234, 454), (127, 356))
_MIRROR_FACE = {**dict(_PAIRS), **{b: a for a, b in _PAIRS}}


def main() -> None:
    """Writes the offsets beside the networks."""
    observations = list(observe(CLIPS, SEEDS, FRAMES))
    offset = symmetric(solve(observations))
    path = Path(__file__).resolve().parent.parent / "engines" / "data" / rig.OFFSETS
    np.save(path, offset.astype(np.float32))
    print(f"{len(observations)} observations; landmarks are {1e3 * np.linalg.norm(offset, axis=1).mean():.0f} mm off")


if __name__ == "__main__":
    main()
