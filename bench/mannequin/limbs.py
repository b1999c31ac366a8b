"""Hands where a script wants them: two-bone inverse kinematics for arms, within the limits of human joints."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pymafx_live.bench.mannequin.anatomy import Figure
from pymafx_live.bench.mannequin.build import Skeleton
from pymafx_live.core.skeleton import JOINT
from scipy.spatial.transform import Rotation

Vectors = NDArray[np.float64]

ELBOW = np.radians([6.0, 146.0])
STOPPING = np.radians(4.0)
"""Within this angle of its ends an elbow slows down rather than stop."""
SUPINATION = np.radians([-85.0, 88.0])
FLEXION = np.radians([-62.0, 66.0])
DEVIATION = np.radians([-28.0, 20.0])
"""The range of each joint; zero supination has the thumb on the side to which the elbow bends (AAOS 1965)."""
SWIVELS = np.radians([0.0, 15.0, -15.0, 30.0, -30.0, 45.0, 60.0])
"""How far the elbow may stray from where it was asked to point, about the line from shoulder to wrist."""

MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Grip:
    """Where a hand is to be, over T frames, in metres and directions of the room.

    `wrist` (T, 3) is the joint's place; `fingers` and `palm` (T, 3) or (3,) say where the fingers point and where
    the palm faces; `elbow` (T, 3) or (3,) where the elbow points as seen from the line between shoulder and wrist.
    """

    wrist: Vectors
    fingers: Vectors
    palm: Vectors
    elbow: Vectors


def reach(figure: Figure, side: str, skeleton: Skeleton, pelvis: ArrayLike, grip: Grip) -> None:
    """Set the arm of `side` so that its hand is as the grip says, as nearly as the joints allow.

    The trunk and the collars are as the figure has them already, with the pelvis at `pelvis` (T, 3).
    """
    joints, rotations = skeleton.joints(figure.pose, np.broadcast_to(np.asarray(pelvis), (figure.frames, 3)))
    shoulder = joints[:, JOINT[f"{side}_shoulder"]].astype(np.float64)
    parent = rotations[:, JOINT[f"{side}_collar"]].astype(np.float64)
    wanted = [np.broadcast_to(v, shoulder.shape) for v in (grip.wrist, grip.fingers, grip.palm, grip.elbow)]
    if side == "right":  # solved as the left arm of the mirrored person
        shoulder, *wanted = (v * MIRROR for v in (shoulder, *wanted))
        parent = parent * np.outer(MIRROR, MIRROR)
    wrist, fingers, palm, elbow = wanted
    line, fingers, palm, elbow = (np.einsum("tba,tb->ta", parent, v) for v in (wrist - shoulder, fingers, palm, elbow))
    upper, fore = skeleton.bone("left_elbow"), skeleton.bone("left_wrist")
    hinge = _turns([0, -1, 0], _bend(upper, fore, _within_reach(line, upper, fore)))
    hand = Rotation.from_matrix(_frame(fingers, -palm))

    def bent(swivel: float, every: int = 1) -> tuple[Rotation, Vectors]:
        """The shoulder's rotation, and supination, flexion and deviation, with the elbow turned by `swivel`."""
        arm = _point(upper, hinge[::every], fore, line[::every], elbow[::every], swivel)
        return arm, ((arm * hinge[::every]).inv() * hand[::every]).as_euler("XZY") * -1.0

    swivel = min(SWIVELS.tolist(), key=lambda s: _excess(bent(s, 6)[1]) + 0.4 * s * s)
    arm, angles = bent(swivel)
    supinate, flex, deviate = (
        _within(angle, *limits) for angle, limits in zip(angles.T, (SUPINATION, FLEXION, DEVIATION), strict=True)
    )
    figure.set_rotation(f"{side}_shoulder", arm)
    figure.set_rotation(f"{side}_elbow", hinge * _turns([-1, 0, 0], supinate))
    figure.wrist(side, flex, deviate)


def _within_reach(line: Vectors, upper: Vectors, fore: Vectors) -> Vectors:
    """The distance (T,) from shoulder to wrist that an arm makes of one of `line` (T, 3): it never snaps straight."""
    length = np.linalg.norm(line, axis=1)
    whole = float(np.linalg.norm(upper) + np.linalg.norm(fore))
    near, rest = 0.92 * whole, 0.07 * whole
    beyond = np.maximum(length - near, 0)
    return np.asarray(np.minimum(length, near) + rest * (1 - np.exp(-beyond / rest)))


def _bend(upper: Vectors, fore: Vectors, length: Vectors) -> Vectors:
    """The elbow's angle (T,) at which shoulder and wrist are `length` (T,) apart, or as nearly as it bends.

    |u + R_y(-a) f|² = |u|² + |f|² + 2 (u_y f_y + (u_x f_x + u_z f_z) cos a + (u_z f_x - u_x f_z) sin a).
    """
    along, across = upper[0] * fore[0] + upper[2] * fore[2], upper[2] * fore[0] - upper[0] * fore[2]
    rest = (length**2 - upper @ upper - fore @ fore) / 2 - upper[1] * fore[1]
    angle = np.arctan2(across, along) + np.arccos((rest / np.hypot(along, across)).clip(-1, 1))
    bent = ELBOW[0] + STOPPING * np.logaddexp(0, (angle - ELBOW[0]) / STOPPING)
    return np.asarray(ELBOW[1] - STOPPING * np.logaddexp(0, (ELBOW[1] - bent) / STOPPING))


def _point(upper: Vectors, hinge: Rotation, fore: Vectors, line: Vectors, elbow: Vectors, swivel: float) -> Rotation:
    """The shoulder's rotation that lays shoulder to wrist along `line` (T, 3), the elbow towards `elbow` (T, 3)."""
    mine = _frame(upper + hinge.apply(fore), np.broadcast_to(upper, line.shape))
    theirs = _frame(line, elbow)
    turn = _turns([1, 0, 0], np.full(len(line), swivel)).as_matrix()
    return Rotation.from_matrix(theirs @ turn @ np.swapaxes(mine, 1, 2))


def _frame(first: Vectors, second: Vectors) -> Vectors:
    """Right-handed orthonormal axes (T, 3, 3) as columns: along `first`, then as near to `second` as it can be."""
    x = first / np.linalg.norm(first, axis=1, keepdims=True)
    y = second - (second * x).sum(1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], 2)


def _turns(axis: list[float], angles: Vectors) -> Rotation:
    return Rotation.from_rotvec(angles[:, None] * np.array(axis, np.float64))


def _excess(angles: Vectors) -> float:
    """How far supination, flexion and deviation (T, 3) lie beyond their limits, in radians."""
    limits = np.array([SUPINATION, FLEXION, DEVIATION])
    return float((np.maximum(limits[:, 0] - angles, 0) + np.maximum(angles - limits[:, 1], 0)).sum(1).mean())


def _within(angle: Vectors, low: float, high: float) -> Vectors:
    """The angle bent into its range; smooth, and unchanged well inside."""
    middle, half = (low + high) / 2, (high - low) / 2
    x = (np.unwrap(angle) - middle) / half
    soft = np.sign(x) * np.where(np.abs(x) < 0.8, np.abs(x), 0.8 + 0.2 * np.tanh((np.abs(x) - 0.8) / 0.2))
    return np.asarray(middle + half * soft)
