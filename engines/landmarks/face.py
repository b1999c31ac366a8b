"""Jaw and gaze from the face network's landmarks and blendshapes."""

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.engines.landmarks.sight import Face

JAW_LEFT, JAW_OPEN, JAW_RIGHT = 24, 25, 26
JAW_RANGE = np.radians(25.0)
JAW_SIDEWAYS = np.radians(8.0)
# iris centre, outer and inner corner, upper and lower lid
_EYES = np.array([(473, 263, 362, 386, 374), (468, 33, 133, 159, 145)])  # of the left eye and the right
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
    across = face.xyz[263, :2] - face.xyz[33, :2]
    right = across / max(float(np.hypot(*across)), 1e-6)  # the person's left is the image's right
    axes = np.stack([right, [-right[1], right[0]]], 1)
    iris, outer, inner, upper, lower = face.xyz[_EYES, :2].swapaxes(0, 1)  # each (2, 2): left eye, right eye
    middle = (outer + inner) / 2
    radius = _EYEBALL * np.maximum(np.hypot(*(outer - inner).T), 1e-6)[:, None]
    offset = (iris - middle) / radius @ axes
    lids = ((upper + lower) / 2 - middle) / radius @ axes
    yaw = np.arcsin(np.clip(offset[:, 0], -0.6, 0.6))
    pitch = float(np.arcsin(np.clip(offset[:, 1] - lids[:, 1], -0.5, 0.5)).mean())
    left, right_eye = (np.array([pitch, angle, 0], np.float32) for angle in yaw)
    return left, right_eye
