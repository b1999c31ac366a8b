"""Measures where the networks' landmarks sit on the skeleton, and writes `engines/data/landmark_offsets.npy`.

    python -m pymafx_live.export.landmark_offsets

The networks' hips, shoulders, wrists and ankles are not SMPL-X's joints. On rendered people whose joints are
known, each landmark's constant offset in its bone's frame is the least-squares answer to what the networks
reported: reprojection and depth, robustly weighted. Only `SEEDS` are read, which `bench/mannequin.py` calls tuned,
never those that are reported; the answer is made symmetric.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pymafx_live.engines.arrays import Reals
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks.fit import Evidence, FitOptions, gather
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.rig import BASE, FACE_POINTS, OFFSETS, PAIRS, TURNED
from pymafx_live.engines.mannequin.scene import render_clip

CLIPS = ("front", "side", "walk", "wave", "squat", "turn", "hands")
SEEDS, FRAMES = range(3), 24
PRIOR = 0.1
"""Metres: how far a landmark may be from its joint before the evidence must be strong."""


@dataclass(frozen=True, slots=True)
class Observation:
    """One person in one frame: the evidence, and the true joints `T` (55, 3) and global rotations `G` (55, 3, 3)."""

    evidence: Evidence
    G: Reals
    T: Reals


def observe(clips: tuple[str, ...], seeds: range, frames: int) -> Iterator[Observation]:
    """What the networks report on rendered people whose truth is known, fed the true boxes."""
    body, perception = BodyModel.embedded(), Perception()
    for name in clips:
        for seed in seeds:
            gaze = Gaze()
            for image, truth in render_clip(name, seed, frames):
                person = truth.people[0]
                sight = perception.look(image, person.box[None], [gaze])[0]
                if sight is not None:
                    T, G = body.joints(person.pose, person.transl, person.betas[None], person.bones)
                    yield Observation(gather(sight, truth.camera, FitOptions()), G[0], T[0])


def solve(observations: list[Observation], rounds: int = 4) -> Reals:
    """The offsets (K, 3) in metres by iteratively reweighted least squares."""
    offset: Reals = np.zeros((len(BASE), 3))
    for _ in range(rounds):
        offset = _round(observations, offset)
    return symmetric(offset)


def _round(observations: list[Observation], before: Reals) -> Reals:
    """One weighted Gauss-Newton solve for all offsets, linearised at `before`."""
    K = len(BASE)
    A, b = np.eye(3 * K) / PRIOR**2, np.zeros(3 * K)
    for seen in observations:
        e, R = seen.evidence, seen.G[TURNED]
        P = seen.T[BASE] + np.einsum("kij,kj->ki", R, before)
        for k in np.nonzero(e.uv_weight > 0)[0].tolist():
            rows = np.array([[1, 0, -e.uv[k, 0]], [0, 1, -e.uv[k, 1]]]) / P[k, 2]
            _add(A, b, [(k, rows @ R[k])], -rows @ seen.T[BASE[k]], before, e.uv_weight[k])
        for m in np.nonzero(e.depth_weight > 0)[0]:
            i, j = PAIRS[m]
            target = e.depth[m] - e.ray[m] @ (seen.T[BASE[i]] - seen.T[BASE[j]])
            blocks = [(i, e.ray[m, None] @ R[i]), (j, -e.ray[m, None] @ R[j])]
            _add(A, b, blocks, np.array([target]), before, e.depth_weight[m])
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
    """The mean of the offsets and their mirror image."""
    body = np.arange(33)
    mirror = body.copy()
    for a, b in ((1, 4), (2, 5), (3, 6), (7, 8), (9, 10), *((k, k + 1) for k in range(11, 33, 2))):
        mirror[[a, b]] = b, a
    hands = np.concatenate([np.arange(54, 75), np.arange(33, 54)])
    face = 75 + np.array([FACE_POINTS.index(_MIRROR_FACE.get(p, p)) for p in FACE_POINTS])
    order = np.concatenate([mirror, hands, face])
    return np.asarray((offset + offset[order] * [-1, 1, 1]) / 2)


# The face points that are not on the middle line, and their counterparts.
_PAIRS = ((33, 263), (133, 362), (234, 454), (127, 356))
_MIRROR_FACE = {**dict(_PAIRS), **{b: a for a, b in _PAIRS}}


def main() -> None:
    """Writes the offsets beside the networks."""
    observations = list(observe(CLIPS, SEEDS, FRAMES))
    offset = solve(observations)
    path = Path(__file__).resolve().parent.parent / "engines" / "data" / OFFSETS
    np.save(path, offset.astype(np.float32))
    print(f"{len(observations)} observations; landmarks are {1e3 * np.linalg.norm(offset, axis=1).mean():.0f} mm off")


if __name__ == "__main__":
    main()
