"""What is seen of people, weighed: where landmarks are in the picture, and how much deeper one is than another."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.types import Camera
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.refine import Reading, Refiner
from pymafx_live.engines.landmarks.sight import Hand, Sight

HAND_PIXELS, FACE_PIXELS = 0.03, 0.02
"""The deviations of the landmarks of hands and faces, as fractions of their extent."""
BODY_TRUST = np.full(33, 1.5)
BODY_TRUST[11:17] = 0.8
DEPTH_TRUST = 1.3
"""How many times as large as the refiner says the body's deviations are taken to be, in the picture and in depth:
people are not rendered, and on real ones shoulders and arms are seen better."""
HAND_SCALE, FACE_HEIGHT = 1.05, 0.2
"""The hand network's metres against the embedded body's, and a face mesh's height in metres."""
GUESSED = (0.2, 0.6)
"""Visibilities below which a landmark says nothing, and above which it says all that it can."""
LEGS, LEGS_GUESSED = slice(25, 33), (0.5, 0.9)
"""The same of the legs, which the network draws into the picture where it does not see them."""
LEAST_PIXELS = 0.5
MIRROR = np.array([-1.0, 1.0, 1.0])
"""Takes a right hand to a left one."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of P people or hands: `uv` (P, K, 2), the landmarks in normalised image coordinates, and for M pairs of them
    `depth` (P, M), how much deeper the first is than the second along `ray` (P, M, 3), in metres; each with a weight,
    one over its deviation, 0 where nothing is known."""

    uv: Reals
    uv_weight: Reals
    depth: Reals
    depth_weight: Reals
    ray: Reals

    def __getitem__(self, rows: NDArray[np.intp] | Mask) -> "Evidence":
        return Evidence(*(getattr(self, f.name)[rows] for f in fields(self)))


def normalise(xy: Reals, camera: Camera) -> Reals:
    """Pixels (..., 2) to normalised image coordinates x / z, y / z, free of the lens's distortion."""
    if any(camera.distortion):
        import cv2

        flat = np.asarray(xy, np.float64).reshape(-1, 1, 2)
        straight = cv2.undistortPoints(flat, camera.matrix, np.array(camera.distortion))
        return np.asarray(straight, np.float64).reshape(xy.shape)
    return np.asarray((xy - np.array([camera.cx, camera.cy])) / np.array([camera.fx, camera.fy]))


def ramp(visibility: Reals, low: float, high: float) -> Reals:
    """0 below `low`, 1 above `high`, linear between."""
    return np.asarray(np.clip((visibility - low) / (high - low), 0, 1))


def body_evidence(sights: Sequence[Sight], cameras: Sequence[Camera], refiner: Refiner) -> Evidence:
    """The evidence of P people for the body's chain: their bodies' landmarks, refined, their faces and their palms."""
    P, K = len(sights), rig.LANDMARKS
    uv, z = np.zeros((P, K, 2)), np.zeros((P, K))
    weight, rays = np.zeros((P, K)), np.zeros((P, K, 3))
    rays[..., 2] = 1
    reading = _reading(sights, cameras)
    refined = refiner(reading)
    seen = ramp(reading.visibility, *GUESSED)
    seen[:, LEGS] = ramp(reading.visibility[:, LEGS], *LEGS_GUESSED)
    for k, (sight, camera) in enumerate(zip(sights, cameras, strict=True)):
        focal = (camera.fx + camera.fy) / 2
        pixels = np.maximum(refined.xy_sigma[k] * BODY_TRUST, LEAST_PIXELS)
        uv[k, rig.BODY] = normalise(refined.xy[k], camera)
        weight[k, rig.BODY], rays[k, rig.BODY] = seen[k] * focal / pixels, _ray(sight.centre, camera)
        for where, side in ((rig.LEFT, "left"), (rig.RIGHT, "right")):
            if (hand := sight.hands.get(side)) is not None:
                palm = list(rig.PALM_POINTS)
                uv[k, where], z[k, where] = normalise(hand.xy[palm], camera), hand.world[palm, 2] * HAND_SCALE
                weight[k, where], rays[k, where] = _hand_weight(hand, focal), _ray(hand.centre, camera)
        if (face := sight.face) is not None:
            points, extent = face.xyz[list(rig.FACE_POINTS)], float(np.ptp(face.xyz[:, :2], 0).max())
            uv[k, rig.FACE] = normalise(points[:, :2], camera)
            z[k, rig.FACE] = points[:, 2] * FACE_HEIGHT / max(extent, 1.0)
            weight[k, rig.FACE] = face.score * focal / max(FACE_PIXELS * extent, LEAST_PIXELS)
            rays[k, rig.FACE] = _ray(face.centre, camera)
    a, b = rig.PAIRS.T
    depth, known = z[:, a] - z[:, b], (weight[:, a] > 0) & (weight[:, b] > 0)
    depth_weight = known / rig.PAIR_SIGMA
    M = refined.depth.shape[1]
    depth[:, :M] = refined.depth
    depth_weight[:, :M] = np.minimum(seen[:, a[:M]], seen[:, b[:M]]) / (refined.depth_sigma * DEPTH_TRUST)
    return Evidence(uv, weight, depth, depth_weight, rays[:, a])


def _reading(sights: Sequence[Sight], cameras: Sequence[Camera]) -> Reading:
    """What the refiner is shown of P people."""
    centre, side = np.array([s.centre for s in sights]), np.array([s.side for s in sights])
    middle = np.array([normalise(s.centre, camera) for s, camera in zip(sights, cameras, strict=True)])
    focal = np.array([camera.fx for camera in cameras])
    return Reading(
        np.array([s.xy for s in sights]), np.array([s.world for s in sights]),
        np.array([s.visibility for s in sights]), centre, side, np.column_stack([middle, side / focal]),
    )  # fmt: skip


def hand_evidence(hands: Sequence[Hand], sides: Sequence[str], cameras: Sequence[Camera]) -> Evidence:
    """The evidence of P hands for a left hand's chain; right ones as in a mirror."""
    uv, z, weight, rays = [], [], [], []
    for hand, side, camera in zip(hands, sides, cameras, strict=True):
        sign = MIRROR if side == "right" else np.ones(3)
        uv.append(normalise(hand.xy, camera) * sign[:2])
        rays.append(_ray(hand.centre, camera) * sign)
        z.append(hand.world[:, 2] * HAND_SCALE)
        weight.append(np.full(rig.HAND_LANDMARKS, _hand_weight(hand, (camera.fx + camera.fy) / 2)))
    a, b = rig.HAND_PAIRS.T
    depths = np.array(z)
    depth_weight = np.array([hand.score for hand in hands])[:, None] / rig.HAND_PAIR_SIGMA
    return Evidence(
        np.array(uv), np.array(weight), depths[:, a] - depths[:, b], depth_weight,
        np.repeat(np.array(rays)[:, None], len(a), 1),
    )  # fmt: skip


def _hand_weight(hand: Hand, focal: float) -> float:
    return float(hand.score * focal / max(HAND_PIXELS * float(np.ptp(hand.xy, 0).max()), 1.0))


def _ray(centre: Reals, camera: Camera) -> Reals:
    """The direction (3,) in which a region's middle is seen."""
    direction = np.append(normalise(centre, camera), 1.0)
    return np.asarray(direction / np.linalg.norm(direction))
