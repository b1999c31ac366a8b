"""Jaw and gaze from the face network's landmarks and blendshapes."""

import numpy as np
from pymafx_live.engines.arrays import Reals
from pymafx_live.engines.landmarks.perception import Face

JAW_LEFT, JAW_OPEN, JAW_RIGHT = 24, 25, 26
JAW_RANGE = np.radians(25.0)
JAW_SIDEWAYS = np.radians(8.0)
# iris centre, outer and inner corner, upper and lower lid
_EYES = {"left": (473, 263, 362, 386, 374), "right": (468, 33, 133, 159, 145)}
_EYEBALL = 0.42
"""The eyeball's radius as a part of the distance between an eye's corners (12 of about 29 mm)."""


def jaw(face: Face) -> Reals:
    """The jaw's axis-angle (3,): opening about +x, and to the person's left about +y, from the blendshapes."""
    b = face.blendshapes
    return np.array([b[JAW_OPEN] * JAW_RANGE, (b[JAW_LEFT] - b[JAW_RIGHT]) * JAW_SIDEWAYS, 0], np.float32)


def gaze(face: Face) -> tuple[Reals, Reals]:
    """The left and right eye's axis-angle (3,) in the head's frame, from where the irises stand between the corners.

    In SMPL-X's rest frame +y turns an eye to the person's left and +x turns it down. The head's own turn
    foreshortens corners and iris alike, so that it cancels to first order.
    """
    across = face.xyz[263] - face.xyz[33]
    right = across[:2] / max(float(np.hypot(*across[:2])), 1e-6)  # the person's left is the image's right
    down = np.array([-right[1], right[0]])
    angles = []
    for iris, outer, inner, upper, lower in _EYES.values():
        corners = face.xyz[[outer, inner], :2]
        width = max(float(np.linalg.norm(corners[0] - corners[1])), 1e-6)
        offset = (face.xyz[iris, :2] - corners.mean(0)) / (_EYEBALL * width)
        lids = (face.xyz[[upper, lower], :2].mean(0) - corners.mean(0)) / (_EYEBALL * width)
        yaw = np.arcsin(np.clip(offset @ right, -0.6, 0.6))
        pitch = np.arcsin(np.clip((offset - lids) @ down, -0.5, 0.5))
        angles.append((pitch, yaw))
    pitch, (left_yaw, right_yaw) = np.mean([p for p, _ in angles]), (angles[0][1], angles[1][1])
    return (
        np.array([pitch, left_yaw, 0], np.float32),
        np.array([pitch, right_yaw, 0], np.float32),
    )
