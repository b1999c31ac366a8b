"""VRChat's trackers, received over UDP and turned back as Unity does."""

import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT
from pymafx_live.pipeline.avatars import follower, stage
from pymafx_live.pipeline.avatars.figure import figure_of
from pymafx_live.pipeline.avatars.trackers import unity_angles
from pymafx_live.pipeline.outputs.osc_trackers import TrackerOutput, TrackerSettings
from pythonosc.osc_packet import OscPacket
from scipy.spatial.transform import Rotation
from support.people import person, random_pose, result

S = np.diag([-1.0, 1.0, 1.0])


@given(st.integers(0, 2**31), st.sampled_from([None, 90.0, -90.0]))
def test_angles_turn_back_in_unitys_order(seed, pitch):
    """Unity turns about z, then x, then y, which all stay where they are: scipy's extrinsic `zxy`."""
    turns = Rotation.random(4, random_state=seed)
    if pitch is not None:
        angles = np.random.default_rng(seed).uniform(-180, 180, (4, 3))
        angles[:, 1] = pitch
        turns = Rotation.from_euler("zxy", angles, degrees=True)
    x, y, z = unity_angles(S @ turns.as_matrix() @ S).T
    back = Rotation.from_euler("zxy", np.stack([z, x, y], 1), degrees=True)
    assert (back.inv() * turns).magnitude().max() < 1e-5


@pytest.fixture
def received(monkeypatch):
    """Sends a result with some settings and gives the messages by address."""
    for module in (stage, follower):
        monkeypatch.setattr(module, "LET_GO", 0.05)

    def send(frame, **settings):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
            receiver.bind(("127.0.0.1", 0))
            receiver.settimeout(5)
            output = TrackerOutput(TrackerSettings(osc_trackers=f"127.0.0.1:{receiver.getsockname()[1]}", **settings))
            try:
                output.write(frame, None)
                return {m.message.address: np.array(m.message.params) for m in OscPacket(receiver.recv(9999)).messages}
            finally:
                output.close()

    return send


def test_trackers_are_on_their_bones_in_metres_and_degrees(received):
    someone = person(random_pose(np.random.default_rng(2)), (0.4, 0.3, 2.5))
    frame = result(someone)
    told = received(frame)
    assert len(told) == 18
    joints, turned = figure_of(someone, frame).joints()
    joints = joints - joints[0] * [1, 0, 1]
    for tracker, at, of in (
        ("1", "pelvis", "pelvis"), ("2", "spine3", "spine3"), ("3", "left_ankle", "left_ankle"),
        ("6", "right_knee", "right_hip"), ("7", "left_elbow", "left_shoulder"), ("head", "head", "head"),
    ):  # fmt: skip
        place = told[f"/tracking/trackers/{tracker}/position"]
        assert np.allclose(place, joints[JOINT[at]] * [-1, 1, 1], atol=1e-5)
        x, y, z = told[f"/tracking/trackers/{tracker}/rotation"]
        turn = Rotation.from_euler("zxy", [z, x, y], degrees=True)
        meant = Rotation.from_matrix(S @ turned[JOINT[of]] @ S)
        assert (turn.inv() * meant).magnitude() < 1e-4


def test_who_stands_and_faces_the_camera_has_no_angles(received):
    told = received(result(person()))
    for address, numbers in told.items():
        if address.endswith("rotation"):
            assert np.allclose(numbers, 0, atol=1e-3)
    assert told["/tracking/trackers/3/position"][0] < 0 < told["/tracking/trackers/4/position"][0]


def test_only_those_that_are_wanted_are_sent(received):
    told = received(result(person()), osc_trackers_parts="hip,feet")
    assert {address.split("/")[3] for address in told} == {"1", "3", "4"}
