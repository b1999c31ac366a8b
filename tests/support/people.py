"""People with a pose that is given, without an engine."""

import numpy as np
from pymafx_live.core.types import PARTS, Camera, FrameResult, Origin, Part, Person, pose_parameters
from pymafx_live.core.world import FloorOrigin, World
from pymafx_live.engines.body.model import BodyModel

BODY = BodyModel.embedded()
CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
STANDS = World.tilted(0.0, 0.0, 1.4, floor=FloorOrigin.GIVEN)
MEASURED = {name: Part(1.0, Origin.MEASURED) for name in PARTS}


def random_pose(rng, angle=1.5):
    """55 rotations (55, 3) of up to `angle` radians about any axes."""
    axes = rng.normal(size=(55, 3))
    pose = axes / np.linalg.norm(axes, axis=1, keepdims=True) * rng.uniform(0, angle, (55, 1))
    return pose.astype(np.float32)


def person(pose=None, pelvis=(0.1, 0.3, 3.0), bones=None, number=1, parts=None, joints=55, score=0.9, **more):
    """A person in the camera's frame, whose first `joints` follow from the pose and the embedded body."""
    if pose is None:
        pose = np.zeros((55, 3), np.float32)
        pose[0] = np.pi, 0, 0
    ratios = np.ones(55, np.float32) if bones is None else bones.astype(np.float32)
    transl = np.asarray(pelvis, np.float64) - BODY.rest_joints[0]
    places, _ = BODY.joints(pose[None], transl[None], bones=ratios[None])
    extra = more.pop("extra", {}) | {"bones": ratios}
    return Person(
        number, more.pop("state", "tracked"), np.array(more.pop("box", (0, 0, 100, 200)), np.float32), score,
        "landmarks", MEASURED if parts is None else parts, **pose_parameters(pose.astype(np.float32)),
        transl=transl.astype(np.float32), pelvis=np.array(pelvis, np.float32),
        joints=places[0, :joints].astype(np.float32), extra=extra, **more,
    )  # fmt: skip


def result(*people, source="camera", sequence=0, world=STANDS, **more):
    """A frame's result."""
    return FrameResult(source, sequence, "run", sequence / 30, 1e9, 1e9, CAMERA, list(people), world=world, **more)
