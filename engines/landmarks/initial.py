"""A first pose from one frame's world landmarks, in closed form: where the fit of a new person starts."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.engines.landmarks.arrays import Reals
from pymafx_live.engines.landmarks.rig import BALL, Rig
from pymafx_live.engines.skeleton import JOINT

UPSIDE = np.diag([1.0, -1.0, -1.0])
"""From the rest pose's axes (y up, z forward) to the camera's (y down, z away) for a person who faces it."""

_ARMS = (("left", 11, 13, 15), ("right", 12, 14, 16))
_LEGS = (("left", 23, 25, 27), ("right", 24, 26, 28))


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
    return np.eye(3) + K + K @ K / (1 + c)


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


def first_pose(rig: Rig, world: Reals, visible: NDArray[np.bool_]) -> tuple[Reals, Reals]:
    """Local rotations (55, 3, 3) and angles (D,) from world landmarks (33, 3) of which some are `visible` (33,).

    What is not visible keeps the prior's mean: arms hanging, legs straight, the pelvis upright.
    """
    from pymafx_live.engines.landmarks.solver import locals_from_angles

    local = np.tile(np.eye(3), (55, 1, 1))
    angle = np.where(rig.kind == BALL, 0.0, rig.mean)
    _set_means(rig, local)
    up = (world[11] + world[12] - world[23] - world[24]) / 2
    across = world[11] - world[12]
    if visible[[23, 24]].all():
        across = across + world[23] - world[24]
    else:
        across, up = across * [1, 0, 1], np.array([0.0, -1.0, 0.0])
    torso = _frame(across, up)
    local[0] = torso
    for side, a, b, c in _ARMS:
        if visible[[a, b, c]].all():
            s = 1.0 if side == "left" else -1.0
            upper, lower = torso.T @ (world[b] - world[a]), torso.T @ (world[c] - world[b])
            rest = rig.rest[JOINT[f"{side}_elbow"]] - rig.rest[JOINT[f"{side}_shoulder"]]
            rotation, bend = _hinged(upper, lower, rest, np.array([0.0, -s, 0.0]))
            local[JOINT[f"{side}_shoulder"]] = rotation
            _set_angle(rig, angle, f"{side}_elbow", bend)
    for side, a, b, c in _LEGS:
        if visible[[a, b, c]].all():
            upper, lower = torso.T @ (world[b] - world[a]), torso.T @ (world[c] - world[b])
            rest = rig.rest[JOINT[f"{side}_knee"]] - rig.rest[JOINT[f"{side}_hip"]]
            rotation, bend = _hinged(upper, lower, rest, np.array([1.0, 0.0, 0.0]))
            local[JOINT[f"{side}_hip"]] = rotation
            _set_angle(rig, angle, f"{side}_knee", bend)
    locals_from_angles(rig.joint, rig.kind, rig.axis, angle, local)
    return local, angle


def _set_angle(rig: Rig, angle: Reals, name: str, value: float) -> None:
    """Sets the first degree of freedom of a joint, within its limits."""
    d = int(np.nonzero(rig.joint == JOINT[name])[0][0])
    angle[d] = np.clip(value, rig.low[d], rig.high[d])


def _set_means(rig: Rig, local: Reals) -> None:
    """Gives every ball joint the rotation of its prior's mean."""
    from scipy.spatial.transform import Rotation

    balls = np.nonzero(rig.kind == BALL)[0].reshape(-1, 3)
    local[rig.joint[balls[:, 0]]] = Rotation.from_rotvec(rig.mean[balls]).as_matrix()


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
