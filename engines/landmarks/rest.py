"""What need not be looked at again: because nothing moves, or because it is to be looked at less often."""

from dataclasses import dataclass

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.engines.landmarks.regions import Regions
from pymafx_live.engines.landmarks.sight import Face, Hand

HEAD = slice(0, 11)
"""The nose, eyes, ears and mouth among the body's landmarks."""
# The networks' own noise: 0.010 and 0.07, the medians from frame to frame of people whose heads hardly move.
STILL_POINTS, STILL_BLENDSHAPES, STILL_HEAD = 0.02, 0.1, 0.03
"""Shares of the face's size, and a difference of coefficients, up to which nothing has moved."""


@dataclass(slots=True)
class FaceRest:
    """Lets the face of the frame before do for every second frame, while two looks agree and the head stays.

    With `every` it does for all but every n-th frame, and goes where the head goes.
    """

    every: int = 1
    _still: bool = False
    _held: int = 0
    _face: Face | None = None
    _head: Reals | None = None

    @property
    def due(self) -> bool:
        """Whether the last face will do for the next frame, as far as is known before that."""
        return self._face is not None and (self._still or self._held + 1 < self.every)

    def take(self, xy: Reals) -> Face | None:
        """The last face, held, or None where it has to be looked at; for a body's landmarks (K, 2)."""
        still, self._still = self._still, False
        if self._face is None or self._head is None:
            return None
        step = xy[HEAD].mean(0) - self._head
        if self._held + 1 >= self.every and not (still and np.abs(step).max() <= STILL_HEAD * _size(self._face)):
            return None
        self._held += 1
        return self._face.moved(step if self.every > 1 else np.zeros(2, np.float32))

    def lost(self) -> None:
        """The body was not found: where the head is by now nobody knows."""
        self._held = self.every

    def note(self, face: Face | None, xy: Reals) -> None:
        """Takes in what was seen of the face, if it was found, and the body's landmarks (K, 2)."""
        before, self._face, self._head = self._face, face, xy[HEAD].mean(0)
        self._still, self._held = face is not None and before is not None and _same(before, face), 0


@dataclass(slots=True)
class HandRest:
    """Lets a followed hand do for all but every n-th frame, moved along with the wrist."""

    every: int = 1
    _held: int = 0
    _hand: Hand | None = None
    _wrist: Reals | None = None
    _region: Regions | None = None

    @property
    def due(self) -> bool:
        """Whether the last hand will do for the next frame."""
        return self._hand is not None and self._held + 1 < self.every

    def take(self, wrist: Reals) -> tuple[Hand, Regions] | None:
        """The last hand, held, and where it is followed, or None where it has to be looked at; for a wrist (2,)."""
        if not self.due:
            return None
        assert self._hand is not None and self._wrist is not None and self._region is not None
        self._held += 1
        step, region = wrist - self._wrist, self._region
        return self._hand.moved(step), Regions(region.centre + step, region.side, region.angle)

    def lost(self) -> None:
        """The body was not found: where the hand is by now nobody knows."""
        self._hand = None

    def note(self, hand: Hand | None, wrist: Reals, region: Regions | None) -> None:
        """Takes in what was seen of the hand, if it was found, the wrist (2,), and where it is followed."""
        self._hand, self._wrist, self._region, self._held = hand, wrist.copy(), region, 0


def _size(face: Face) -> float:
    return float(np.ptp(face.xyz[:, :2], axis=0).max())


def _same(a: Face, b: Face) -> bool:
    if np.abs(a.blendshapes - b.blendshapes).max() > STILL_BLENDSHAPES:
        return False
    return bool(np.abs(a.xyz[:, :2] - b.xyz[:, :2]).max() <= STILL_POINTS * _size(b))
