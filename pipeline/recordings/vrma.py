"""VRM animations (`.vrma`), which play on any VRM model: a glTF file with the extension VRMC_vrm_animation 1.0.

https://github.com/vrm-c/vrm-specification/tree/master/specification/VRMC_vrm_animation-1.0: the humanoid's bones rest
in a T and face z; an expression's weight is the x of its node's translation. Eyes are no bones of it: they look where
the expressions say. A file holds one track and begins with its first frame.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pymafx_live.core.names import BLENDSHAPES
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.pipeline.recordings.glb import add_skeleton
from pymafx_live.pipeline.recordings.gltf import Gltf
from pymafx_live.pipeline.recordings.motion import Motion, OneFileEach

_FINGERS = {"index": "Index", "middle": "Middle", "pinky": "Little", "ring": "Ring", "thumb": "Thumb"}
_PARTS = ("Proximal", "Intermediate", "Distal")
HUMANOID: Mapping[str, str] = {
    "hips": "pelvis", "spine": "spine1", "chest": "spine2", "upperChest": "spine3", "neck": "neck", "head": "head",
    "jaw": "jaw",
    **{f"{side}{bone}": f"{side}_{joint}" for side in SIDES for bone, joint in (
        ("UpperLeg", "hip"), ("LowerLeg", "knee"), ("Foot", "ankle"), ("Toes", "foot"), ("Shoulder", "collar"),
        ("UpperArm", "shoulder"), ("LowerArm", "elbow"), ("Hand", "wrist"))},
    **{f"{side}{bone}{part}": f"{side}_{finger}{k}" for side in SIDES for finger, bone in _FINGERS.items()
       for k, part in enumerate(("Metacarpal", "Proximal", "Distal") if finger == "thumb" else _PARTS, 1)},
}  # fmt: skip
"""VRM 1.0's bones and the joints that they are."""
PRESETS: Mapping[str, str] = {
    "aa": "jawOpen", "ou": "mouthPucker", "blinkLeft": "eyeBlinkLeft", "blinkRight": "eyeBlinkRight"
}  # fmt: skip
"""VRM 1.0's expressions that are one shape; all 52 are there besides, by ARKit's names."""
_SOLE = 0.0807
"""Metres from the ankle down to the sole of the embedded body."""


class Vrma(OneFileEach):
    """The format `.vrma`."""

    def save(self, motion: Motion, file: Path) -> None:
        """See `OneFileEach.save`."""
        gltf = Gltf()
        times = gltf.array((motion.times - motion.start).astype(np.float32), bounds=True)
        height = _SOLE - float(motion.rest[[JOINT["left_ankle"], JOINT["right_ankle"]], 1].min())
        joints = add_skeleton(gltf, motion, height, times)
        shapes = {name: name for name in BLENDSHAPES[1:]}  # not `_neutral`
        expressions = {
            kind: {name: {"node": _expression(gltf, name, shape, motion, times)} for name, shape in names.items()}
            for kind, names in (("preset", PRESETS), ("custom", shapes))
        }  # fmt: skip
        gltf.content["extensionsUsed"] = ["VRMC_vrm_animation"]
        gltf.content["extensions"] = {"VRMC_vrm_animation": {
            "specVersion": "1.0", "expressions": expressions,
            "humanoid": {"humanBones": {bone: {"node": joints[JOINT[joint]]} for bone, joint in HUMANOID.items()}},
        }}  # fmt: skip
        gltf.save(file, f"{motion.source} person {motion.id}")


def _expression(gltf: Gltf, name: str, shape: str, motion: Motion, times: int) -> int:
    """A node whose x is the weight of a shape."""
    node = gltf.node(name)
    weights = np.zeros((len(motion), 3))
    weights[:, 0] = np.clip(motion.face[:, BLENDSHAPES.index(shape)], 0, 1)
    gltf.animate(node, "translation", times, weights)
    return node
