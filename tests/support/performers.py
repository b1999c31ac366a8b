"""People whose pose is known, before a camera whose tilt is known."""

from collections.abc import Sequence

import numpy as np
from pymafx_live.core.rotations import to_matrices, to_vectors
from pymafx_live.core.types import Camera, FrameResult, Origin, Part, Person, TrackState
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin
from support.people import person

PARTS = ("torso", "head", "left_arm", "right_arm", "left_leg", "right_leg", "left_hand", "right_hand", "transl")
CAMERA = Camera(640, 480, 500, 500, 320, 240)


def tilted(pitch: float, roll: float, height: float, floor: FloorOrigin = FloorOrigin.GIVEN) -> World:
    """The world of a camera that somebody has measured."""
    return World.tilted(pitch, roll, height, WorldOrigin.GIVEN, floor)


LEVEL = tilted(0, 0, 1.5)


def performer(
    pose: np.ndarray,
    place: Sequence[float] = (0, 1, -3),
    world: World = LEVEL,
    number: int = 1,
    state: TrackState = TrackState.TRACKED,
    origin: Origin = Origin.MEASURED,
    joints: int = 55,
    bones: np.ndarray | None = None,
) -> Person:
    """Somebody whose pose (55, 3) and pelvis (3,) are those of the world, as the camera of `world` sees them."""
    seen = np.array(pose, np.float64)
    seen[0] = to_vectors(world.rotation.T @ to_matrices(seen[0]))
    pelvis = world.seen(np.asarray(place, np.float64)).astype(np.float32)
    parts = {name: Part(0.9, origin) for name in PARTS}
    return person(seen, pelvis, bones, number, parts, joints, state=state)


def result_of(*people: Person, world: World = LEVEL, sequence: int = 0, source: str = "cam") -> FrameResult:
    return FrameResult(source, sequence, "run", sequence / 25, 0.0, 0.0, CAMERA, people, world=world)
