"""People of whom place, tilt and posture are known, on the floor of a world."""

import numpy as np
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import PARTS, Camera, Frame, Origin, Part, Person, TrackState
from pymafx_live.core.world import World
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.legs import SOLE

BODY = BodyModel.embedded()
FPS = 25
FRAME = Frame(np.zeros((48, 64, 3), np.uint8), "cam", 0, 0.0, 0.0, Camera(64, 48, 50, 50, 31.5, 23.5))
SEEN = {name: Part(1.0, Origin.MEASURED) for name in PARTS}


def somebody(
    world: World, place: tuple[float, float], turned: float = 0.0, lean: float = 0.0, knees: float = 0.0, **more
) -> Person:
    """Who stands at `place` (x, z) of the world, turned by so many radians; the trunk leans, the knees are bent."""
    pose = np.zeros((55, 3))
    thigh = lean + knees / 2
    for side in ("left", "right"):
        pose[JOINT[f"{side}_hip"], 0] = -thigh
        pose[JOINT[f"{side}_knee"], 0] = knees
        pose[JOINT[f"{side}_ankle"], 0] = thigh - knees - lean
    upright = to_matrices(np.array([0, turned, 0])) @ to_matrices(np.array([lean, 0, 0]))
    pose[0] = to_vectors(world.rotation.T.astype(np.float64) @ upright)
    stood = BODY.joints(np.concatenate([to_vectors(upright)[None], pose[1:]])[None], np.zeros((1, 3)))[0][0]
    height = stood[0, 1] - stood[[JOINT["left_ankle"], JOINT["right_ankle"]], 1].min() - SOLE[0, 1]
    pelvis = np.array([place[0], height, place[1]])
    transl = world.seen(pelvis) - BODY.rest_joints[0]
    joints = BODY.joints(pose[None], transl[None])[0][0]
    told = {"parts": SEEN, **more}
    return Person(
        1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "landmarks",
        pelvis=joints[0].astype(np.float32), joints=joints[:22].astype(np.float32), transl=transl.astype(np.float32),
        global_orient=pose[0].astype(np.float32), body_pose=pose[1:22].ravel().astype(np.float32), **told,
    )  # fmt: skip
