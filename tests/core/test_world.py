"""The level frame: its axes and signs, and people in it."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import Camera, FrameResult, Person, TrackState
from pymafx_live.core.world import LEVEL, World, tilt
from pymafx_live.engines.body.model import BodyModel
from scipy.spatial.transform import Rotation

ANGLE = st.floats(-1.5, 1.5)
BODY = BodyModel.embedded()


def test_a_level_camera_looks_along_minus_z_from_its_height():
    world = World.tilted(0, 0, 2)
    np.testing.assert_allclose(
        world.points(np.array([[0, 0, 3], [1, 0, 3], [0, 2, 3]])), [[0, 2, -3], [1, 2, -3], [0, 0, -3]]
    )
    np.testing.assert_allclose(LEVEL.up, [0, -1, 0])


def test_the_signs_of_pitch_and_roll():
    looks_down = World.tilted(-0.3, 0, 1)
    assert looks_down.points(np.array([0.0, 0, 1]))[1] < 1, (
        "what is in the middle of the picture is lower than the lens"
    )
    clockwise = World.tilted(0, 0.3, 1)
    assert clockwise.points(np.array([1.0, 0, 0]))[1] < 1, "the right side of the camera is its lower one"
    assert clockwise.up[0] < 0, "and up is to the left in its picture"


@given(ANGLE, st.floats(-3.1, 3.1))
def test_up_says_how_the_camera_is_tilted(pitch, roll):
    np.testing.assert_allclose(tilt(World.tilted(pitch, roll, 1).up), [pitch, roll], atol=1e-4)


@settings(deadline=None)
@given(ANGLE, ANGLE, st.integers(0, 2**31))
def test_a_person_in_the_world_is_the_same_body_there(pitch, roll, seed):
    """SMPL-X's own forward kinematics with the new parameters give the joints that were turned and moved."""
    rng = np.random.default_rng(seed)
    pose, transl = rng.normal(0, 0.7, (55, 3)).astype(np.float32), rng.normal(0, 2, 3).astype(np.float32)
    joints = BODY.joints(pose[None], transl[None])[0][0]
    camera = Camera(640, 480, 500, 500, 320, 240)
    person = Person(
        1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "landmarks", {}, transl=transl, pelvis=joints[0],
        joints=joints, global_orient=pose[0], body_pose=pose[1:22].ravel(), jaw_pose=pose[22], leye_pose=pose[23],
        reye_pose=pose[24], left_hand_pose=pose[25:40].ravel(), right_hand_pose=pose[40:].ravel(),
        velocity=np.array([0, 0, 1], np.float32), pelvis_covariance=np.diag([1.0, 2, 3]).astype(np.float32),
    )  # fmt: skip
    world = World.tilted(pitch, roll, 1.2)
    result = FrameResult("cam", 0, "run", 0.0, 0.0, 0.0, camera, (person,), world=world)
    moved = person.in_world(result)
    there = BODY.joints(moved.full_pose[None], moved.transl[None])[0][0]
    np.testing.assert_allclose(there, world.points(joints), atol=2e-5)
    np.testing.assert_allclose(moved.joints, there, atol=2e-5)
    np.testing.assert_allclose(moved.pelvis, there[0], atol=2e-5)
    np.testing.assert_allclose(world.seen(moved.joints), joints, atol=2e-5)
    np.testing.assert_allclose(
        moved.global_rotation("head"), world.rotation @ person.global_rotation("head"), atol=1e-5
    )
    across = moved.pelvis_covariance @ world.rotation[:, 2]
    np.testing.assert_allclose(across, 3 * world.rotation[:, 2], atol=1e-5)
    np.testing.assert_allclose(moved.velocity, world.rotation[:, 2])
    assert moved.in_world(result) is moved


def test_who_is_upright_before_a_tilted_camera_faces_it_level():
    """In the camera's frame such a head nods by the camera's pitch."""
    world = World.tilted(-0.4, 0.1, 2)
    turn = Rotation.from_euler("y", 0.5).as_matrix()
    orient = Rotation.from_matrix(world.rotation.T @ turn).as_rotvec().astype(np.float32)
    person = Person(1, TrackState.TRACKED, np.zeros(4, np.float32), 1.0, "landmarks", {}, global_orient=orient)
    result = FrameResult("cam", 0, "run", 0.0, 0.0, 0.0, Camera(640, 480, 500, 500, 320, 240), (person,), world=world)
    np.testing.assert_allclose(person.in_world(result).facing("pelvis"), [0.5, 0, 0], atol=1e-5)
    assert abs(person.facing("pelvis")[1]) > 0.25
