"""SMPL-X parameters as NumPy arrays (`.npz`), with the keys of AMASS that Blender's add-on and most loaders read.

z is up, and who faces the viewer looks along -y. `poses` (N, 165) has all joints in SMPL-X's order; the same stands in
`root_orient`, `pose_body`, `pose_jaw` and `pose_eye`, the hands in `pose_lhand` and `pose_rhand`: some loaders take a
file with `pose_hand` for one of another model. `trans` is of the body whose pelvis at rest is `rest_pelvis`: SMPL-X
turns a body about its pelvis, which stands at `pelvis` = `trans` + `rest_pelvis`. For another body, such as the
licensed one of these betas, take `pelvis` - its own rest pelvis, or it stands some centimetres off.
"""

from pathlib import Path

import numpy as np
from pymafx_live.core.axes import Z_UP
from pymafx_live.core.names import BLENDSHAPES
from pymafx_live.core.types import SHAPES
from pymafx_live.pipeline.recordings.motion import Motion, OneFileEach

BETAS = 16
"""How many AMASS has."""


class Npz(OneFileEach):
    """The format `.npz`."""

    def save(self, motion: Motion, file: Path) -> None:
        """See `OneFileEach.save`."""
        with file.open("wb") as stream:
            np.savez_compressed(stream, **arrays(motion))  # type: ignore[arg-type]


def arrays(motion: Motion) -> dict[str, object]:
    """What the file of a motion holds."""
    there = motion.turned(Z_UP)
    pose = there.pose.reshape(len(there), -1).astype(np.float32)
    return {
        "poses": pose, "root_orient": pose[:, :3], "pose_body": pose[:, 3:66], "pose_jaw": pose[:, 66:69],
        "pose_eye": pose[:, 69:75], "pose_lhand": pose[:, 75:120], "pose_rhand": pose[:, 120:],
        "trans": there.pelvis - there.rest_pelvis, "pelvis": there.pelvis, "rest_pelvis": there.rest_pelvis,
        "body": "SMPL-X" if motion.engine == "pymafx" else "the embedded body of pymafx-live",
        "betas": np.pad(motion.betas, (0, BETAS - SHAPES["betas"])).astype(np.float32), "num_betas": BETAS,
        "expression": motion.expression.astype(np.float32), "gender": "neutral", "surface_model_type": "smplx",
        "mocap_frame_rate": float(motion.rate), "mocap_framerate": float(motion.rate),
        "mocap_time_length": len(motion) / motion.rate,
        "bones": motion.bones, "blendshapes": motion.face.astype(np.float32), "blendshape_names": list(BLENDSHAPES),
        "source": motion.source, "track": motion.id, "start": motion.start,
    }  # fmt: skip
