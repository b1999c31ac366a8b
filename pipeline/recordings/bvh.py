"""Biovision hierarchies (`.bvh`): y up, centimetres, degrees, rotations in the order ZXY, a file for each track.

The skeleton rests in a T, its joints are called as SMPL-X calls them, and the root stands where the pelvis is.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.pipeline.recordings.motion import Motion, OneFileEach

_CENTIMETRES = 100.0
_TIP = 0.5
"""How long the end of a limb is drawn, as a ratio to the bone that leads to it."""


class Bvh(OneFileEach):
    """The format `.bvh`."""

    def save(self, motion: Motion, file: Path) -> None:
        """See `OneFileEach.save`."""
        with file.open("w", encoding="ascii", newline="\n") as stream:
            stream.writelines(lines(motion))


def lines(motion: Motion) -> Iterator[str]:
    """The lines of a file."""
    order: list[int] = []
    yield "HIERARCHY\n"
    yield from _joint(motion, 0, 0, order)
    yield f"MOTION\nFrames: {len(motion)}\nFrame Time: {1 / motion.rate:.9f}\n"
    angles = _degrees(motion.turns)[:, order].reshape(len(motion), -1)
    for row in np.hstack([motion.pelvis * _CENTIMETRES, angles]):
        yield " ".join([f"{number:.6f}" for number in row.tolist()]) + "\n"


def _joint(motion: Motion, joint: int, depth: int, order: list[int]) -> Iterator[str]:
    """A joint's block with all below it; `order` takes the joints as they come."""
    order.append(joint)
    tab, inner = "\t" * depth, "\t" * (depth + 1)
    children = [child for child, parent in enumerate(PARENTS) if parent == joint]
    kind, channels = ("JOINT", "3") if depth else ("ROOT", "6 Xposition Yposition Zposition")
    yield f"{tab}{kind} {JOINT_NAMES[joint]}\n{tab}{{\n{inner}OFFSET {_offset(motion.bones[joint])}\n"
    yield f"{inner}CHANNELS {channels} Zrotation Xrotation Yrotation\n"
    for child in children:
        yield from _joint(motion, child, depth + 1, order)
    if not children:
        tip = _offset(_TIP * motion.bones[joint])
        yield f"{inner}End Site\n{inner}{{\n{inner}\tOFFSET {tip}\n{inner}}}\n"
    yield f"{tab}}}\n"


def _offset(bone: Reals) -> str:
    return " ".join(f"{number:.6f}" for number in (bone * _CENTIMETRES).tolist())


def _degrees(turns: Reals) -> Reals:
    """The angles (N, 55, 3) about z, x and y, in this order each about an axis that the one before has turned.

    Of the angles that are the same turn each is the one nearest to the frame before.
    """
    from scipy.spatial.transform import Rotation

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a middle angle of 90 degrees, where one of the others may be chosen
        angles = Rotation.from_quat(turns.reshape(-1, 4)).as_euler("ZXY", degrees=True)
    return np.asarray(np.unwrap(angles.reshape(turns.shape[0], -1, 3), axis=0, period=360))
