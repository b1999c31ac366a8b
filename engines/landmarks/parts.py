"""Which parts of a person were measured in a frame, and which joints and landmarks each part stands for."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.skeleton import JOINT_NAMES
from pymafx_live.core.types import Origin, Part
from pymafx_live.engines.landmarks.chain import Chain
from pymafx_live.engines.landmarks.sight import Sight

SEEN = 0.5
"""The confidence from which a part counts as measured."""
ARM_SEEN = 0.2
"""The same of arms: what the network makes of one that is half hidden is better than nothing, other than of legs."""
BODY_PARTS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "left_hand", "right_hand")

FACE_PARTS = ("jaw", "eyes", "blendshapes")

LIMBS = {"left_arm": (13, 15), "right_arm": (14, 16), "left_leg": (25, 27), "right_leg": (26, 28)}
"""The body's landmarks at the middle and the end of each limb."""
ARMS = ("left_arm", "right_arm")
HALF_SEEN = 0.6
"""The confidence of a limb of which only the middle or the end is surely seen."""


def part_of_joint(name: str) -> str:
    """The part that a joint belongs to."""
    side, _, rest = name.partition("_")
    if rest in ("collar", "shoulder", "elbow"):
        return f"{side}_arm"
    if rest in ("hip", "knee", "ankle", "foot"):
        return f"{side}_leg"
    if side in ("left", "right") and rest != "eye":
        return f"{side}_hand"
    return "head" if name in ("neck", "head", "jaw", "left_eye", "right_eye") else "torso"


def freedoms_by_part(chain: Chain) -> dict[str, NDArray[np.intp]]:
    """The body's degrees of freedom of each part."""
    owner = [part_of_joint(JOINT_NAMES[j]) for j in chain.joint]
    return {part: np.nonzero([o == part for o in owner])[0] for part in BODY_PARTS}


def confidences(sight: Sight | None) -> dict[str, float]:
    """How well each part is seen, 0..1."""
    if sight is None:
        return dict.fromkeys((*BODY_PARTS, "jaw", "eyes", "transl", "keypoints", "blendshapes"), 0.0)
    v = sight.visibility
    face = 0.0 if sight.face is None else sight.face.score
    ends = {part: (float(v[middle]), float(v[end])) for part, (middle, end) in LIMBS.items()}
    seen = {part: max(min(pair), HALF_SEEN * max(pair)) for part, pair in ends.items()}
    seen["torso"] = float(np.sort(v[[11, 12, 23, 24]])[-3:].mean())
    seen["head"] = max(face, float(v[[0, 2, 5]].min()))
    for side in ("left", "right"):
        hand = sight.hands.get(side)
        seen[f"{side}_hand"] = 0.0 if hand is None else hand.score
    place = sight.score * max(seen["torso"], seen["head"])
    return {**seen, "jaw": face, "eyes": face, "transl": place, "keypoints": sight.score, "blendshapes": face}


def measured(sight: Sight | None) -> dict[str, bool]:
    """Which parts are measured in this frame."""
    seen = {part: value >= (ARM_SEEN if part in ARMS else SEEN) for part, value in confidences(sight).items()}
    if sight is not None:
        seen["keypoints"] = True
        if sight.face is None or sight.face.held:
            seen |= dict.fromkeys(FACE_PARTS, False)
        seen |= {f"{side}_hand": False for side, hand in sight.hands.items() if hand.held}
    return seen


def origins(sight: Sight | None, since: Mapping[str, float], time: float, keep: float) -> dict[str, Part]:
    """The parts' origins: `since` holds when each was last measured, `keep` for how long it is then `held`.

    What this engine never estimates, the betas and the expression, is default.
    """
    parts = {}
    seen = measured(sight)
    for name, value in confidences(sight).items():
        if seen[name]:
            parts[name] = Part(value, Origin.MEASURED)
        elif time - since.get(name, -np.inf) <= keep:
            parts[name] = Part(value, Origin.HELD)
        else:
            parts[name] = Part(value, Origin.DEFAULT)
    return {**parts, "betas": Part(0.0, Origin.DEFAULT), "expression": Part(0.0, Origin.DEFAULT)}
