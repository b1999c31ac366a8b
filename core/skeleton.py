"""SMPL-X's 55 joints: names, parents and the order that every pose of this project follows."""

import numpy as np
from numpy.typing import NDArray

JOINT_NAMES: tuple[str, ...] = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle",
    "right_ankle", "spine3", "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "jaw", "left_eye", "right_eye",
    *(f"{side}_{finger}{k}" for side in ("left", "right")
      for finger in ("index", "middle", "pinky", "ring", "thumb") for k in (1, 2, 3)),
)  # fmt: skip

PARENTS: tuple[int, ...] = (
    -1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 15, 15, 15,
    20, 25, 26, 20, 28, 29, 20, 31, 32, 20, 34, 35, 20, 37, 38,
    21, 40, 41, 21, 43, 44, 21, 46, 47, 21, 49, 50, 21, 52, 53,
)  # fmt: skip

SIDES = ("left", "right")
"""The person's own, and the order of two wherever they stand in one array."""
JOINT: dict[str, int] = {name: index for index, name in enumerate(JOINT_NAMES)}
LEFT_HAND = slice(25, 40)
RIGHT_HAND = slice(40, 55)

MIRROR: NDArray[np.intp] = np.array(
    [JOINT[n.replace("left", "right") if "left" in n else n.replace("right", "left")] for n in JOINT_NAMES],
    dtype=np.intp,
)
"""The joint on the other side of the body, shape (55,)."""
