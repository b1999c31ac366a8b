"""What General Motion Retargeting is given, held against its own arithmetic."""

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT
from pymafx_live.engines.body.rest import rest_bones
from pymafx_live.pipeline.robots.flesh import height
from pymafx_live.pipeline.robots.gmr import NAMES, Gmr, frame
from pymafx_live.pipeline.robots.pose import pose_of
from pymafx_live.pipeline.robots.safety import Command, State
from scipy.spatial.transform import Rotation
from support.people import BODY
from support.performers import performer, result_of, tilted

OFFSETS = {
    "pelvis": (0.5, -0.5, -0.5, -0.5), "spine3": (0.5, -0.5, -0.5, -0.5), "left_knee": (0.5, -0.5, -0.5, -0.5),
    "right_knee": (0.5, -0.5, -0.5, -0.5), "left_foot": (0.5, -0.5, -0.5, -0.5), "right_foot": (0.5, -0.5, -0.5, -0.5),
}  # fmt: skip
"""What its `smplx_to_g1.json` turns a human joint by (w x y z, on the right) to have the robot's link."""
SEED = st.integers(0, 2**31)


def of(vectors: np.ndarray, place=(0.0, 1.0, -3.0)):
    world = tilted(-0.4, 0.1, 1.5)
    person = performer(vectors, place, world)
    pose = pose_of(person, result_of(person, world=world))
    assert pose is not None
    return pose


@settings(deadline=None, max_examples=30)
@given(SEED)
def test_places_and_rotations_are_global_with_z_up(seed):
    vectors = np.random.default_rng(seed).normal(0, 0.5, (55, 3))
    joints, turned = BODY.joints(vectors[None], np.array([[0.2, 1.1, -2]]) - BODY.rest_joints[0])
    up = Rotation.from_euler("x", 90, degrees=True)
    made = frame(of(vectors, (0.2, 1.1, -2)))
    assert list(made) == list(NAMES) and len(NAMES) == 14
    for name, (place, quaternion) in made.items():
        np.testing.assert_allclose(place, up.apply(joints[0, JOINT[name]]), atol=3e-5)
        expected = up * Rotation.from_matrix(turned[0, JOINT[name]])
        assert (Rotation.from_quat(quaternion, scalar_first=True).inv() * expected).magnitude() < 1e-4


@pytest.mark.parametrize("heading", [0.0, 1.2, -2.0])
def test_who_stands_in_a_t_makes_gmr_put_a_robot_upright_that_faces_the_same_way(heading):
    vectors = np.zeros((55, 3))
    vectors[0] = 0, heading, 0
    made = frame(of(vectors))
    for name, offset in OFFSETS.items():
        link = Rotation.from_quat(made[name][1], scalar_first=True) * Rotation.from_quat(offset, scalar_first=True)
        np.testing.assert_allclose(link.as_matrix()[:, 2], [0, 0, 1], atol=1e-5)
        np.testing.assert_allclose(link.as_matrix()[:, 0], [np.sin(heading), -np.cos(heading), 0], atol=1e-5)
    left = np.subtract(made["left_hip"][0], made["right_hip"][0])
    np.testing.assert_allclose(left / np.linalg.norm(left), [np.cos(heading), np.sin(heading), 0], atol=1e-5)


def test_feet_stand_on_the_floor():
    pose = of(np.zeros((55, 3)), (0, float(BODY.rest_joints[0, 1] - BODY.v_template[:, 1].min()), -3))
    made = frame(pose)
    assert made["left_foot"][0][2] == pytest.approx(0.01, abs=2e-3)
    assert made["pelvis"][0][2] == pytest.approx(0.99, abs=0.01)


def test_the_height_is_the_embedded_bodys_as_much_as_bones_are_longer():
    assert height(rest_bones()) == pytest.approx(np.ptp(BODY.v_template[:, 1]), abs=1e-6)
    assert height(0.9 * rest_bones()) == pytest.approx(0.9 * np.ptp(BODY.v_template[:, 1]), abs=1e-6)


def test_a_message_says_the_state_and_holds_a_frame_where_there_is_a_pose():
    gmr, pose = Gmr(), of(np.zeros((55, 3)))
    assert gmr.message() is None
    gmr.add(Command(State.FOLLOWING, pose, 0.08, ("cam", 7)))
    topic, _, body = gmr.message().partition(b"\0")
    content = msgpack.unpackb(body)
    assert topic == b"robot/gmr"
    assert (content["version"], content["state"], content["source"], content["id"]) == (1, "following", "cam", 7)
    assert content["age"] == 0.08 and content["height"] == pytest.approx(height(pose.bones))
    assert {name: (tuple(p), tuple(q)) for name, (p, q) in content["frame"].items()} == {
        name: (tuple(p), tuple(q)) for name, (p, q) in frame(pose).items()
    }
    assert gmr.message() is None, "the same is not sent twice"
    gmr.add(Command(State.WAITING, None))
    content = msgpack.unpackb(gmr.message().partition(b"\0")[2])
    assert content["state"] == "waiting" and content["age"] is None and content["id"] is None
    assert "frame" not in content and "height" not in content
