"""How far each part of a person is to be trusted, and where it comes from."""

from collections.abc import Collection, Mapping

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import PARTS, Origin, Part, Track
from pymafx_live.engines.landmarks.parts import SEEN
from pymafx_live.engines.pymafx.memory import TrackMemory
from pymafx_live.engines.pymafx.views import SIDES, View
from pymafx_live.engines.pymafx.visibility import VISIBLE

LIMBS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg")


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
    }  # fmt: skip


def held_origins(last: Mapping[str, Part], recent: bool) -> dict[str, Part]:
    """The parts of a person who was not found in this frame: held while `recent`, then no longer trusted."""
    out = {}
    for name in PARTS:
        known = recent and name in last and last[name].origin is not Origin.DEFAULT
        out[name] = Part(0.0, Origin.HELD if known else Origin.DEFAULT)
    return out


def _limb(confidence: float) -> Part:
    return Part(confidence, Origin.MEASURED if confidence >= SEEN else Origin.DEFAULT)


def _hand(side: str, memory: TrackMemory, measured: Collection[str], visibility: float) -> Part:
    confidence = float(np.clip(visibility, 0, 1))
    if side not in memory.hands or visibility <= VISIBLE:  # the mean hand
        return Part(confidence, Origin.DEFAULT)
    return Part(confidence, Origin.MEASURED if side in measured else Origin.HELD)


def _face(view: View | None, memory: TrackMemory, measured: Collection[str]) -> Part:
    confidence = 0.0 if view is None else view.confidence["jaw"]
    if memory.face is None:
        return Part(confidence, Origin.DEFAULT)
    return Part(confidence, Origin.MEASURED if "face" in measured else Origin.HELD)
