"""What the engine keeps of each track: its shape, what its hands and face last were, and when they were looked at."""

from dataclasses import dataclass, field

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import Floats, Person
from pymafx_live.engines.pymafx.views import SIDES

HOLD = 1.0
"""Seconds for which a hand, a face or a whole person that is no longer seen keeps its last estimate."""


@dataclass(frozen=True, slots=True, eq=False)
class HandEstimate:
    """A hand's `state` (109,) and `votes` (4,) as the body's graph takes them, its `time` and `frame` of estimation."""

    state: Reals
    votes: Reals
    time: float
    frame: int


@dataclass(frozen=True, slots=True, eq=False)
class FaceEstimate:
    """Jaw and eyes of all iterations (4, 18), the expression (50,), and when."""

    poses: Reals
    expression: Reals
    time: float
    frame: int


@dataclass(slots=True)
class MeanShape:
    """The mean of a track's betas so far; after `freeze` frames it stays as it is (0: never)."""

    freeze: int
    total: Reals = field(default_factory=lambda: np.zeros(10))
    count: int = 0

    @property
    def frozen(self) -> bool:
        """Whether no further frame counts."""
        return 0 < self.freeze <= self.count

    def add(self, betas: Reals) -> Floats:
        """Takes another frame's betas (10,) in, and returns the mean."""
        if not self.frozen:
            self.total, self.count = self.total + betas, self.count + 1
        return (self.total / self.count).astype(np.float32)


@dataclass(slots=True)
class TrackMemory:
    """All that is kept of one track."""

    shape: MeanShape
    hands: dict[str, HandEstimate] = field(default_factory=dict)
    face: FaceEstimate | None = None
    person: Person | None = None
    """As last published."""
    measured: float = -np.inf
    """When its body was last estimated."""
    frame: int = 0
    """How many frames it has been estimated in."""

    def is_due(self, known: HandEstimate | FaceEstimate | None, every: int) -> bool:
        """Whether a part that is seen now is to be estimated, if that is done in every n-th frame."""
        return known is None or self.frame - known.frame >= every

    def forget_stale(self, time: float) -> None:
        """Drops hands and face that have been held for too long."""
        for side in SIDES:
            if side in self.hands and time - self.hands[side].time > HOLD:
                del self.hands[side]
        if self.face is not None and time - self.face.time > HOLD:
            self.face = None
