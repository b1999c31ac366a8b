"""SONIC's stream, read as its documentation says (docs/source/tutorials/zmq.md of NVlabs/GR00T-WholeBodyControl)."""

import json
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core.skeleton import JOINT
from pymafx_live.pipeline.robots.pose import pose_of, standing
from pymafx_live.pipeline.robots.safety import TICK, Command, Safety, State
from pymafx_live.pipeline.robots.sonic import Sonic, frame, pack
from scipy.spatial.transform import Rotation
from support.people import BODY
from support.performers import performer, result_of, tilted

DTYPES = {"f32": "<f4", "f64": "<f8", "i32": "<i4", "i64": "<i8"}
SHAPES = {
    "smpl_joints": (24, 3), "smpl_pose": (21, 3), "joint_pos": (29,), "joint_vel": (29,), "body_quat": (4,),
    "frame_index": (),
}  # fmt: skip
HALF = Rotation.from_quat([0.5, 0.5, 0.5, 0.5])
SEED = st.integers(0, 2**31)


def read(message: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    """The header and the arrays of a message on the topic `pose`."""
    assert message[:4] == b"pose"
    text, _, padding = message[4 : 4 + 1280].partition(b"\0")
    assert not padding.strip(b"\0")
    header = json.loads(text)
    assert header["v"] == 3 and header["endian"] == "le"
    arrays, data = {}, message[4 + 1280 :]
    for each in header["fields"]:
        dtype = np.dtype(DTYPES[each["dtype"]])
        size = dtype.itemsize * int(np.prod(each["shape"]))
        arrays[each["name"]], data = np.frombuffer(data[:size], dtype).reshape(each["shape"]), data[size:]
    assert not data
    for name, shape in SHAPES.items():
        assert arrays[name].shape == (header["count"], *shape), name
        assert np.isfinite(arrays[name]).all(), name
    return header, arrays


@dataclass
class Reader:
    """How SONIC merges windows (`streamed_motion_merger.hpp`): what begins after the end that it has, or brings nothing
    new, resets the playback, and with it the robot's heading."""

    resets: int = 0
    start: int = -1
    end: int = -1
    played: float = 0.0
    messages: list[tuple[dict, dict[str, np.ndarray]]] = field(default_factory=list)

    def hear(self, message: bytes) -> None:
        header, arrays = read(message)
        index = arrays["frame_index"]
        first, last = int(index[0]), int(index[-1])
        if self.end < 0 or first <= self.start or last <= self.end or first > self.end + 1:
            self.resets += 1
            self.start = self.played = first
        else:
            self.start = min(int(self.played) - 5, first)
        self.end = last
        self.messages.append((header, arrays))

    def tick(self) -> None:
        self.played = min(self.played + 1, self.end)


def mover(time: float):
    """Somebody who waves and turns, as a camera that is tilted sees them."""
    world = tilted(0.2, 0.1, 1.4)
    vectors = np.zeros((55, 3))
    vectors[0] = 0, 0.4 * np.sin(time), 0
    vectors[JOINT["left_shoulder"]] = 0, 0, 0.5 * np.sin(3 * time)
    vectors[JOINT["right_elbow"]] = 0.3 * np.sin(2 * time), 0.8, 0
    person = performer(vectors, (0.3 * time % 1, 1, -3), world)
    return pose_of(person, result_of(person, world=world))


def streamed(times: list[float], until: float, lost: float = 0.0) -> tuple[Reader, list[tuple[float, Command, bool]]]:
    """What a reader hears of frames that were taken at `times`, when the part `lost` of all messages is lost."""
    safety, sonic, reader, rng = Safety(), Sonic(), Reader(), np.random.default_rng(1)
    left, log = list(times), []
    for number in range(round(until / TICK)):
        now = number * TICK
        while left and left[0] + 0.06 <= now:
            time = left.pop(0)
            safety.feed(mover(time), time, now, ("cam", 1))
        command = safety.step(now)
        sonic.add(command)
        message = sonic.message()
        if message is not None and rng.uniform() >= lost:
            reader.hear(message)
        reader.tick()
        log.append((now, command, message is not None))
    return reader, log


STUTTER = [k / 25 for k in range(75) if k % 25 not in range(10, 16)]
RETURNS = [*STUTTER, *(6 + k / 25 for k in range(75))]


@pytest.mark.parametrize("lost", [0.0, 0.1])
def test_frames_are_counted_without_a_gap_whatever_the_source_does(lost):
    """It stutters, dies, and comes back after the robot was stopped; a tenth of the messages is lost."""
    reader, log = streamed(RETURNS, 9.0, lost)
    seen = {index: arrays for _, arrays in reader.messages for index in arrays["frame_index"].tolist()}
    assert sorted(seen) == list(range(len(seen)))
    for _, arrays in reader.messages:
        assert (np.diff(arrays["frame_index"]) == 1).all()
    assert reader.resets == 1, "but for the first message"
    states = {header["state"] for header, _ in reader.messages}
    assert states == {"ramping", "following", "holding"}
    silent = [now for now, command, sent in log if not sent]
    assert all(now < 0.3 or 2.96 + 1.45 < now < 6.1 for now in silent), "silence is the only stop"
    assert any(5 < now < 5.1 for now in silent)


def test_nothing_jumps_in_the_stream_over_all_that():
    reader, _ = streamed(RETURNS, 9.0)
    frames = {index: (arrays["smpl_joints"][k], arrays["body_quat"][k], arrays["joint_pos"][k], arrays["joint_vel"][k])
              for _, arrays in reader.messages for k, index in enumerate(arrays["frame_index"].tolist())}  # fmt: skip
    joints, quats, positions, speeds = (np.stack([frames[k][i] for k in sorted(frames)]) for i in range(4))
    assert np.linalg.norm(np.diff(joints, axis=0), axis=-1).max() < 0.15
    assert (np.sum(quats[1:] * quats[:-1], 1) > np.cos(2 * np.pi * TICK / 2) - 1e-6).all(), "also no flip of the sign"
    np.testing.assert_allclose(speeds[1:], np.diff(positions, axis=0) / TICK, atol=1e-3)
    assert not positions[:, :23].any() and positions[:, 23:].any()


def test_a_window_repeats_nine_frames_of_the_one_before():
    reader, _ = streamed(STUTTER, 2.0)
    for (_, a), (_, b) in zip(reader.messages, reader.messages[1:], strict=False):
        for name in ("smpl_joints", "smpl_pose", "joint_pos", "body_quat", "frame_index"):
            np.testing.assert_array_equal(a[name][1:], b[name][:-1])
    assert len(reader.messages[0][1]["frame_index"]) == 10 and reader.messages[0][1]["frame_index"][0] == 0


@settings(deadline=None, max_examples=30)
@given(SEED, st.floats(-1, 1), st.floats(-0.4, 0.4))
def test_joints_are_those_of_the_body_in_the_axes_of_its_pelvis(seed, pitch, roll):
    rng = np.random.default_rng(seed)
    vectors, world = rng.normal(0, 0.5, (55, 3)), tilted(pitch, roll, 1.2)
    person = performer(vectors, world=world)
    made = frame(pose_of(person, result_of(person, world=world)))
    joints = BODY.joints(vectors[None], np.zeros((1, 3)))[0][0]
    chosen = joints[[*range(22), 39, 54]] - joints[0]
    expected = HALF.apply(Rotation.from_rotvec(vectors[0]).inv().apply(chosen))
    np.testing.assert_allclose(made.smpl_joints, expected, atol=3e-5)
    np.testing.assert_allclose(
        Rotation.from_rotvec(made.smpl_pose).as_matrix(), Rotation.from_rotvec(vectors[1:22]).as_matrix(), atol=1e-5
    )
    root = Rotation.from_euler("x", 90, degrees=True) * Rotation.from_rotvec(vectors[0]) * HALF.inv()
    got = Rotation.from_quat(made.body_quat, scalar_first=True)
    assert (got.inv() * root).magnitude() < 1e-4


@settings(deadline=None, max_examples=30)
@given(st.floats(-1.2, 1.2), st.floats(-0.6, 0.6), st.floats(-3, 3))
def test_who_stands_upright_is_upright_whatever_the_camera_does(pitch, roll, heading):
    vectors, world = np.zeros((55, 3)), tilted(pitch, roll, 2.0)
    vectors[0] = 0, heading, 0
    person = performer(vectors, world=world)
    made = frame(pose_of(person, result_of(person, world=world)))
    robot = Rotation.from_quat(made.body_quat, scalar_first=True).as_matrix()
    np.testing.assert_allclose(robot[:, 2], [0, 0, 1], atol=1e-5, err_msg="its z is up")
    np.testing.assert_allclose(
        robot[:, 0], [np.sin(heading), -np.cos(heading), 0], atol=1e-5, err_msg="its x is where they face"
    )
    head, left = made.smpl_joints[JOINT["head"]], made.smpl_joints[JOINT["left_shoulder"]]
    assert head[2] > 0.6 and left[1] > 0.15, "z is up and y left in the pelvis's axes"
    assert made.smpl_joints[JOINT["left_foot"], 0] > 0.05, "and x front"


@settings(deadline=None, max_examples=50)
@given(SEED)
def test_the_wrists_are_those_of_the_elbows_swing_and_the_wrist(seed):
    """By quaternions: of the elbow's q = swing twist with the twist about y the swing, and XYZ angles."""
    vectors = np.random.default_rng(seed).normal(0, 0.4, (55, 3))
    person = performer(vectors)
    got = frame(pose_of(person, result_of(person))).wrists

    def angles(side: str) -> np.ndarray:
        elbow = Rotation.from_rotvec(vectors[JOINT[f"{side}_elbow"]])
        _x, y, _z, w = elbow.as_quat()
        swing = elbow * Rotation.from_quat([0, y, 0, w]).inv()
        wrist = Rotation.from_rotvec(vectors[JOINT[f"{side}_wrist"]]).as_euler("XYZ")
        return np.array([swing.as_euler("XYZ")[0], 0, swing.as_euler("XYZ")[2]]) + wrist

    left, right = angles("left"), angles("right") * [-1, -1, 1]
    np.testing.assert_allclose(got, np.stack([left, right], 1).ravel(), atol=1e-5)


def test_a_bent_elbow_alone_turns_no_wrist_and_a_turned_forearm_rolls_both_the_same_way():
    vectors = np.zeros((55, 3))
    vectors[JOINT["left_elbow"]], vectors[JOINT["right_elbow"]] = (0, -1.4, 0), (0, 1.4, 0)
    bent = performer(vectors)
    np.testing.assert_allclose(frame(pose_of(bent, result_of(bent))).wrists, 0, atol=1e-6)
    vectors[JOINT["left_wrist"]], vectors[JOINT["right_wrist"]] = (0.5, 0, 0), (0.5, 0, 0)
    turned = performer(vectors)
    np.testing.assert_allclose(
        frame(pose_of(turned, result_of(turned))).wrists, [0.5, -0.5, 0, 0, 0, 0], atol=1e-6,
        err_msg="both thumbs down: what is a mirror image in people has opposite signs in a G1's roll",
    )  # fmt: skip


def test_nothing_is_sent_while_nothing_is_commanded():
    sonic, person = Sonic(), performer(np.zeros((55, 3)))
    pose = standing(pose_of(person, result_of(person)))
    for _ in range(20):
        sonic.add(Command(State.WAITING, None))
        assert sonic.message() is None
    for number in range(1, 12):
        sonic.add(Command(State.RAMPING, pose))
        assert (sonic.message() is not None) == (number >= 10)
        assert sonic.message() is None, "the same is not sent twice"
    sonic.add(Command(State.STOPPED, None))
    assert sonic.message() is None


def test_a_scalar_has_the_shape_of_one():
    message = pack({"heading_increment": np.zeros(1, np.float32)}, count=1)
    assert json.loads(message[4 : 4 + 1280].rstrip(b"\0"))["fields"] == [
        {"name": "heading_increment", "dtype": "f32", "shape": [1]}
    ]
