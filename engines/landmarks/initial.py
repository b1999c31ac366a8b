"""A first pose from one frame's world landmarks, in closed form: where the fit of a new person starts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.landmarks.chain import Chain, Pose, set_hinges

UPSIDE = np.diag([1.0, -1.0, -1.0])
"""From the rest pose's axes (y up, z forward) to the camera's (y down, z away) for a person who faces it."""


@dataclass(frozen=True, slots=True)
class Limb:
    """An arm or a leg: its ball joint `root`, its `hinge` with its rest `axis`, and the landmarks of its three ends."""

    root: str
    hinge: str
    axis: tuple[float, float, float]
    landmarks: tuple[int, int, int]


LIMBS = (
    Limb("left_shoulder", "left_elbow", (0.0, -1.0, 0.0), (11, 13, 15)),
    Limb("right_shoulder", "right_elbow", (0.0, 1.0, 0.0), (12, 14, 16)),
    Limb("left_hip", "left_knee", (1.0, 0.0, 0.0), (23, 25, 27)),
    Limb("right_hip", "right_knee", (1.0, 0.0, 0.0), (24, 26, 28)),
)


def _unit(v: Reals) -> Reals:
    unit: Reals = v / (np.linalg.norm(v) + 1e-9)
    return unit


def _frame(x: Reals, y: Reals) -> Reals:
    """An orthonormal frame with the first axis along `x` and the second towards `y`."""
    x = _unit(x)
    z = _unit(np.cross(x, y))
    return np.stack([x, np.cross(z, x), z], 1)


def swing(a: Reals, b: Reals) -> Reals:
    """The smallest rotation (3, 3) that takes the direction of `a` to that of `b`."""
    a, b = _unit(a), _unit(b)
    c, v = float(a @ b), np.cross(a, b)
    if c < -0.9999:
        axis = _unit(np.cross(a, [1, 0, 0] if abs(a[0]) < 0.9 else [0, 1, 0]))
        return 2 * np.outer(axis, axis) - np.eye(3)
    K = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    rotation: Reals = np.eye(3) + K + K @ K / (1 + c)
    return rotation


def _hinged(upper: Reals, lower: Reals, rest: Reals, hinge: Reals) -> tuple[Reals, float]:
    """The upper bone's rotation and the hinge's angle for bone directions in the parent's frame.

    `rest` is the upper bone's rest direction and `hinge` its hinge's rest axis. The more the joint is bent,
    the more the plane of the bend decides the twist about the upper bone.
    """
    rotation = swing(rest, upper)
    u, forearm = _unit(upper), _unit(lower)
    bend = float(np.arccos(np.clip(u @ forearm, -1, 1)))
    trust = float(np.clip(np.degrees(bend) / 15 - 1, 0, 1))
    axis, normal = rotation @ hinge, np.cross(u, forearm)
    x, y = _unit(axis - u * (axis @ u)), _unit(normal - u * (normal @ u))
    twist = trust * np.arctan2(np.cross(x, y) @ u, x @ y)
    K = np.array([[0, -u[2], u[1]], [u[2], 0, -u[0]], [-u[1], u[0], 0]])
    return (np.eye(3) + np.sin(twist) * K + (1 - np.cos(twist)) * K @ K) @ rotation, bend


def resting(chain: Chain) -> Pose:
    """A batch of one pose at the prior's mean, upright in the chain's own axes, at its origin."""
    J, S = len(chain.parents), chain.stretch.shape[1]
    pose = Pose(np.zeros((1, 3)), np.tile(np.eye(3), (1, J, 1, 1)), chain.mean[None].copy(), np.zeros((1, S)))
    if len(chain.ball):
        pose.local[:, chain.joint[chain.ball[:, 0]]] = to_matrices(chain.mean[chain.ball])
    set_hinges(chain, pose)
    return pose


def first_pose(chain: Chain, rest: Reals, world: Reals, visible: NDArray[np.bool_], shape: Reals | None = None) -> Pose:
    """A batch of one pose at the camera from world landmarks (33, 3) of which some are `visible` (33,).

    What is not visible keeps the prior's mean: arms hanging, legs straight, the pelvis upright.
    """
    pose = resting(chain)
    if shape is not None:
        pose.shape[:] = shape
    up = (world[11] + world[12] - world[23] - world[24]) / 2
    across = world[11] - world[12]
    if visible[[23, 24]].all():
        across = across + world[23] - world[24]
    else:
        across, up = across * [1, 0, 1], np.array([0.0, -1.0, 0.0])
    pose.local[0, 0] = _frame(across, up)
    for limb in LIMBS:
        if visible[list(limb.landmarks)].all():
            bend(chain, rest, limb, world, pose.local[0, 0], pose)
    set_hinges(chain, pose)
    return pose


def bend(chain: Chain, rest: Reals, limb: Limb, world: Reals, parent: Reals, pose: Pose) -> None:
    """Sets a limb's two joints, in place, to the directions of its world landmarks; `parent` (3, 3) carries it."""
    a, b, c = limb.landmarks
    upper, lower = parent.T @ (world[b] - world[a]), parent.T @ (world[c] - world[b])
    bone = rest[JOINT[limb.hinge]] - rest[JOINT[limb.root]]
    pose.local[0, JOINT[limb.root]], flexion = _hinged(upper, lower, bone, np.array(limb.axis))
    d = int(np.nonzero(chain.joint == JOINT[limb.hinge])[0][0])
    pose.angle[0, d] = np.clip(flexion, chain.low[d], chain.high[d])


def place(P: Reals, uv: Reals, weight: Reals) -> Reals:
    """The translation (3,) that best projects points (K, 3) onto normalised coordinates (K, 2), by least squares."""
    A = np.zeros((len(P), 2, 3))
    A[:, 0, 0] = A[:, 1, 1] = 1
    A[:, :, 2] = -uv
    b = uv * P[:, 2:] - P[:, :2]
    w = np.sqrt(np.maximum(weight, 0))[:, None]
    t = np.linalg.lstsq((A * w[..., None]).reshape(-1, 3), (b * w).ravel(), rcond=None)[0]
    t[2] = max(t[2], 0.3)
    return np.asarray(t)
