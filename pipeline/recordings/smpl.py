"""Meshcapade's `.smpl`, as its codec reads it (https://pypi.org/project/smplcodec, version 2): a NumPy archive, y up.

`bodyTranslation` is, as SMPL-X's `transl`, of the body that the motion was estimated on; see `npz.py`.
"""

from pathlib import Path

import numpy as np
from pymafx_live.pipeline.recordings.motion import Motion, OneFileEach

_VERSION, _SMPLX, _NEUTRAL = 2, 2, 0


class Smpl(OneFileEach):
    """The format `.smpl`."""

    def save(self, motion: Motion, file: Path) -> None:
        """See `OneFileEach.save`."""
        with file.open("wb") as stream:
            np.savez_compressed(stream, **arrays(motion))  # type: ignore[arg-type]


def arrays(motion: Motion) -> dict[str, object]:
    """What the file of a motion holds."""
    pose = motion.pose.astype(np.float32)
    return {
        "codecVersion": _VERSION, "smplVersion": _SMPLX, "gender": _NEUTRAL,
        "shapeParameters": motion.betas.astype(np.float32),
        "frameCount": len(motion), "frameRate": float(motion.rate),
        "bodyTranslation": (motion.pelvis - motion.rest_pelvis).astype(np.float32), "bodyPose": pose[:, :22],
        "headPose": pose[:, 22:25], "leftHandPose": pose[:, 25:40], "rightHandPose": pose[:, 40:],
        "expressionParameters": motion.expression.astype(np.float32),
    }  # fmt: skip
