"""Anatomical joint angles to SMPL-X rotations: what a script of a motion is written in.

All angles are in radians, a number or one per frame (T,). Everything is defined for the left side of the body's
own frame (x to its left, y up, z forward) and mirrored for the right one, so that the same numbers make the
same gesture on both sides. Zero angles are the T-pose with the palms down.
"""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Floats
from scipy.spatial.transform import Rotation

Angle = float | NDArray[np.float64]

FINGERS = ("index", "middle", "ring", "pinky")
FULL_CURL = np.radians([78.0, 100.0, 62.0])
"""Flexion of a finger's three joints in a fist."""
THUMB_CURL = np.radians([28.0, 42.0, 58.0])
"""Flexion of the thumb's three joints, laid over the fingers of a fist."""
SPREAD = {"index": -1.0, "middle": -0.15, "ring": 0.6, "pinky": 1.2}
PALM = np.array([0.0, -1.0, 0.0])
THUMB_SIDE = np.array([0.0, -0.8, -0.6])
"""Where the thumb's tip goes when it bends: into the palm and towards the little finger."""

_AXES = np.eye(3)


class Figure:
    """The pose of one person over T frames, set limb by limb; `pose` is (T, 55, 3) axis-angle."""

    def __init__(self, frames: int, rest_joints: Floats) -> None:
        self.frames = frames
        self.pose = np.zeros((frames, 55, 3))
        self._rest = rest_joints.astype(np.float64)

    def root(self, yaw: Angle, pitch: Angle = 0.0, roll: Angle = 0.0) -> None:
        """Heading about the vertical (0 faces z, a quarter turn faces x), tilt forward, tilt to the right."""
        self._set("pelvis", ("y", yaw), ("x", pitch), ("z", roll))

    def spine(self, bend: Angle = 0.0, lean: Angle = 0.0, twist: Angle = 0.0) -> None:
        """Forward bend, lean to the right and twist to the left, shared by the three joints of the spine."""
        for name in ("spine1", "spine2", "spine3"):
            self._set(name, ("y", _third(twist)), ("z", _third(lean)), ("x", _third(bend)))

    def head(self, nod: Angle = 0.0, tilt: Angle = 0.0, turn: Angle = 0.0) -> None:
        """Nod down, tilt to the right, turn to the left, halved between neck and head."""
        for name in ("neck", "head"):
            self._set(name, ("y", _half(turn)), ("z", _half(tilt)), ("x", _half(nod)))

    def arm(
        self,
        side: str,
        lower: Angle,
        forward: Angle = 0.0,
        rotate: Angle = 0.0,
        elbow: Angle = 0.0,
        supinate: Angle = 0.0,
        collar: Angle = 0.0,
    ) -> None:
        """Place an arm.

        `lower` takes the upper arm down from the horizontal, `forward` swings it to the front, `rotate` turns
        it outwards about its own axis. The elbow is a hinge; `supinate` turns the forearm about its axis, the
        palm forward and up. `collar` shrugs.
        """
        self._set(f"{side}_collar", ("z", collar))
        self._set(f"{side}_shoulder", ("x", _minus(forward)), ("z", _minus(lower)), ("x", _minus(rotate)))
        self._set(f"{side}_elbow", ("y", _minus(elbow)), ("x", _minus(supinate)))

    def wrist(self, side: str, flex: Angle = 0.0, deviate: Angle = 0.0) -> None:
        """Bend the hand towards the palm, and towards the thumb."""
        self._set(f"{side}_wrist", ("z", _minus(flex)), ("y", _minus(deviate)))

    def hand(self, side: str, curl: Angle, spread: Angle = 0.0, thumb: Angle | None = None) -> None:
        """Close the fingers: `curl` is 0 for straight, 1 for a fist, (T,) or per finger (4, T).

        `spread` opens the fingers like a fan; `thumb` is the thumb's own curl (default: the fingers').
        """
        curls = np.broadcast_to(np.asarray(curl, np.float64), (len(FINGERS), self.frames))
        for finger, amount in zip(FINGERS, curls, strict=True):
            fan = SPREAD[finger] * np.asarray(spread)
            for k, full in enumerate(FULL_CURL):
                self._bend(side, finger, k, full * amount, PALM, fan if k == 0 else 0.0)
        amount = curls.mean(0) if thumb is None else np.broadcast_to(np.asarray(thumb), self.frames)
        for k, full in enumerate(THUMB_CURL):
            self._bend(side, "thumb", k, full * amount, THUMB_SIDE)

    def leg(
        self,
        side: str,
        flex: Angle = 0.0,
        abduct: Angle = 0.0,
        rotate: Angle = 0.0,
        knee: Angle = 0.0,
        ankle: Angle = 0.0,
        toes: Angle = 0.0,
    ) -> None:
        """Place a leg: hip forward, outwards and turned outwards; knee bent; foot raised; toes raised."""
        self._set(f"{side}_hip", ("x", _minus(flex)), ("z", abduct), ("y", rotate))
        self._set(f"{side}_knee", ("x", knee))
        self._set(f"{side}_ankle", ("x", _minus(ankle)))
        self._set(f"{side}_foot", ("x", _minus(toes)))

    def set_rotation(self, joint: str, rotation: Rotation) -> None:
        """Give a joint a rotation (T) about its parent that is written for the left side, as everything here."""
        self._store(joint, rotation)

    def _bend(
        self, side: str, finger: str, k: int, angle: Angle, towards: NDArray[np.float64], fan: Angle = 0.0
    ) -> None:
        """Flex joint k of a finger about the axis across its bone, after fanning it out about the vertical."""
        tip, base = JOINT[f"left_{finger}{min(k + 2, 3)}"], JOINT[f"left_{finger}{min(k + 1, 2)}"]
        axis = np.cross(self._rest[tip] - self._rest[base], towards)
        flexion = _turn(axis / np.linalg.norm(axis), angle, self.frames)
        fanning = _turn(_AXES[1], fan, self.frames)
        self._store(f"{side}_{finger}{k + 1}", fanning * flexion)

    def _set(self, joint: str, *turns: tuple[str, Angle]) -> None:
        rotation = Rotation.identity(self.frames)
        for axis, angle in turns:
            rotation = rotation * _turn(_AXES["xyz".index(axis)], angle, self.frames)
        self._store(joint, rotation)

    def _store(self, joint: str, rotation: Rotation) -> None:
        vector = rotation.as_rotvec()
        if joint.startswith("right"):  # the mirror image of a rotation about (x, y, z) is about (x, -y, -z)
            vector = vector * [1.0, -1.0, -1.0]
        self.pose[:, JOINT[joint]] = vector


def _turn(axis: NDArray[np.float64], angle: Angle, frames: int) -> Rotation:
    angles = np.broadcast_to(np.asarray(angle, np.float64), frames)
    return Rotation.from_rotvec(angles[:, None] * axis)


def _minus(angle: Angle) -> NDArray[np.float64]:
    return -np.asarray(angle, np.float64)


def _half(angle: Angle) -> NDArray[np.float64]:
    return np.asarray(angle, np.float64) / 2


def _third(angle: Angle) -> NDArray[np.float64]:
    return np.asarray(angle, np.float64) / 3
