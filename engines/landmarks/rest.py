"""What need not be looked at again because nothing moves."""

from dataclasses import dataclass, replace

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.engines.landmarks.sight import Face

HEAD = slice(0, 11)
"""The nose, eyes, ears and mouth among the body's landmarks."""
# The networks' own noise: 0.010 and 0.07, the medians from frame to frame of people whose heads hardly move.
STILL_POINTS, STILL_BLENDSHAPES, STILL_HEAD = 0.02, 0.1, 0.03
"""Shares of the face's size, and a difference of coefficients, up to which nothing has moved."""


@dataclass(slots=True)
class FaceRest:
    """Lets the face of the frame before do for every second frame, while two looks agree and the head stays."""

    due: bool = False
    """Whether the last face will do for the next frame, as far as is known before that."""
    _face: Face | None = None
    _head: Reals | None = None

    def take(self, xy: Reals) -> Face | None:
        """The last face, marked as held, or None where it has to be looked at; for a body's landmarks (K, 2)."""
        due, self.due = self.due, False
        if not due or self._face is None or self._head is None:
            return None
        step = np.abs(xy[HEAD].mean(0) - self._head).max()
        return replace(self._face, held=True) if step <= STILL_HEAD * _size(self._face) else None

    def note(self, face: Face | None, xy: Reals) -> None:
        """Takes in what was seen of the face, if it was found, and the body's landmarks (K, 2)."""
        before, self._face, self._head = self._face, face, xy[HEAD].mean(0)
        self.due = face is not None and before is not None and _same(before, face)


def _size(face: Face) -> float:
    return float(np.ptp(face.xyz[:, :2], axis=0).max())


def _same(a: Face, b: Face) -> bool:
    if np.abs(a.blendshapes - b.blendshapes).max() > STILL_BLENDSHAPES:
        return False
    return bool(np.abs(a.xyz[:, :2] - b.xyz[:, :2]).max() <= STILL_POINTS * _size(b))
