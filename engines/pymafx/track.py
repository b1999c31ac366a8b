"""What the engine keeps of each track, how far each part of it is to be trusted, and where that comes from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import SIDES
from pymafx_live.core.types import PARTS, Floats, Origin, Part, Person, Track
from pymafx_live.engines.landmarks.parts import SEEN
from pymafx_live.engines.pymafx.spec import HAND_VISIBLE
from pymafx_live.engines.pymafx.views import View

LIMBS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg")
EXTRA = ("keypoints", "blendshapes")
"""What goes out only with those who are seen."""
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

    def is_due(self, known: HandEstimate | FaceEstimate | None, every: int, time: float) -> bool:
        """Whether a part that is seen now is to be estimated, if that is done in every n-th frame.

        Where frames are so few that it would be dropped before that, it is estimated earlier.
        """
        return known is None or self.frame - known.frame >= every or time - known.time > HOLD / 2

    def forget_stale(self, time: float) -> None:
        """Drops hands and face that have been held for too long."""
        for side in SIDES:
            if side in self.hands and time - self.hands[side].time > HOLD:
                del self.hands[side]
        if self.face is not None and time - self.face.time > HOLD:
            self.face = None


def origins(
    track: Track, view: View | None, memory: TrackMemory, measured: Collection[str], visibility: Reals
) -> dict[str, Part]:
    """The parts of a person whose body was estimated in this frame, and of `left`, `right` and `face` the `measured`.

    The network always gives a whole body; a limb that no keypoint shows is its guess, and `default`. A hand's
    confidence is the network's own visibility (2: left, right). Without a view the detector's score is all there is.
    """
    if view is None:
        limbs = {name: Part(track.score, Origin.MEASURED) for name in LIMBS}
    else:
        limbs = {name: _limb(view.confidence[name]) for name in LIMBS}
    hands = {f"{side}_hand": _hand(side, memory, measured, float(visibility[k])) for k, side in enumerate(SIDES)}
    face = _face(view, memory, measured)
    body = track.score if view is None else view.confidence["transl"]
    betas = Origin.HELD if memory.shape.frozen else Origin.MEASURED
    return {
        **limbs, **hands, "jaw": face, "eyes": face, "expression": face,
        "betas": Part(body, betas), "transl": Part(body, Origin.MEASURED),
        **{name: _extra(view, name) for name in EXTRA},
    }  # fmt: skip


def held_origins(last: Mapping[str, Part], recent: bool) -> dict[str, Part]:
    """The parts of a person who was not found in this frame: held while `recent`, then no longer trusted."""
    out = {}
    for name in PARTS:
        known = recent and name not in EXTRA and name in last and last[name].origin is not Origin.DEFAULT
        out[name] = Part(0.0, Origin.HELD if known else Origin.DEFAULT)
    return out


def _extra(view: View | None, name: str) -> Part:
    if view is None or name not in view.extra:
        return Part(0.0, Origin.DEFAULT)
    confidence = view.confidence.get(name, view.confidence["transl"])
    return Part(confidence, Origin.HELD if name in view.held else Origin.MEASURED)


def _limb(confidence: float) -> Part:
    return Part(confidence, Origin.MEASURED if confidence >= SEEN else Origin.DEFAULT)


def _hand(side: str, memory: TrackMemory, measured: Collection[str], visibility: float) -> Part:
    confidence = float(np.clip(visibility, 0, 1))
    if side not in memory.hands or visibility <= HAND_VISIBLE:  # the mean hand
        return Part(confidence, Origin.DEFAULT)
    return Part(confidence, Origin.MEASURED if side in measured else Origin.HELD)


def _face(view: View | None, memory: TrackMemory, measured: Collection[str]) -> Part:
    confidence = 0.0 if view is None else view.confidence["jaw"]
    if memory.face is None:
        return Part(confidence, Origin.DEFAULT)
    return Part(confidence, Origin.MEASURED if "face" in measured else Origin.HELD)
