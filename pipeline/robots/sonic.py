"""NVIDIA's whole-body controller SONIC (GR00T-WholeBodyControl): its stream of poses over ZeroMQ, protocol version 3.

Sources: docs/source/tutorials/zmq.md of NVlabs/GR00T-WholeBodyControl (fields, shapes, the header), and its readers
(how windows are merged). A message is the topic `pose`, a JSON header of 1280 bytes padded with NUL, and the arrays
that it names, little-endian, one after the other.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.core.axes import Z_UP
from pymafx_live.core.rotations import to_vectors
from pymafx_live.core.skeleton import JOINT
from pymafx_live.pipeline.robots.pose import Pose
from pymafx_live.pipeline.robots.quaternions import to_quaternions
from pymafx_live.pipeline.robots.safety import TICK, Command

TOPIC = b"pose"
HEADER = 1280
VERSION = 3
WINDOW = 10
"""Frames of a message: nine of them were in the one before, so that what is lost leaves no gap."""

TO_ROBOT = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""The quaternion (.5, .5, .5, .5): from a body's axes (x left, y up, z front) to a robot's (x front, y left, z up)."""
_JOINTS = np.array([*range(22), JOINT["left_thumb3"], JOINT["right_thumb3"]])
"""SMPL's 24 joints, whose two hands are SMPL-X's last joints of the thumbs."""
_WRISTS = slice(23, 29)
"""In Isaac Lab's order of the G1's 29 joints: wrist roll left and right, then pitch, then yaw."""
_DTYPES = {"f4": "f32", "i8": "i64"}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of the stream; all but the index are float32."""

    body_quat: NDArray[np.float32]
    """(4,) w x y z, the pelvis as a robot has it (x front, y left, z up) in a world with z up."""
    smpl_joints: NDArray[np.float32]
    """(24, 3) metres from the pelvis, in those axes of the pelvis."""
    smpl_pose: NDArray[np.float32]
    """(21, 3) axis-angle vectors of SMPL-X's `body_pose`."""
    wrists: NDArray[np.float32]
    """(6,) radians of `_WRISTS`."""


def frame(pose: Pose) -> Frame:
    """What the stream says of a pose."""
    vectors = to_vectors(pose.rotations[1:22])
    return Frame(
        body_quat=to_quaternions(Z_UP @ pose.rotations[0] @ TO_ROBOT.T).astype(np.float32),
        smpl_joints=(pose.inner_joints()[_JOINTS] @ TO_ROBOT.T).astype(np.float32),
        smpl_pose=vectors.astype(np.float32),
        wrists=wrists(pose.rotations).astype(np.float32),
    )


def wrists(rotations: Reals) -> Reals:
    """Roll, pitch and yaw of a G1's wrists, left and right in turns, (6,) in radians, from rotations (55, 3, 3).

    A human forearm turns in its whole length, a G1's at its end: roll and yaw are those of the wrist and of what the
    elbow turns but for its flexion, which is its twist about y (as `pico_manager_thread_server.py` of
    GR00T-WholeBodyControl has it). The right wrist's roll and pitch axes point the other way.
    """
    elbows, hands = (rotations[[JOINT[f"{side}_{name}"] for side in ("left", "right")]] for name in ("elbow", "wrist"))
    swing, wrist = _angles(elbows @ _flexion(elbows).swapaxes(-1, -2)), _angles(hands)
    mirror = np.array([1.0, -1.0])
    return np.concatenate([
        mirror * (swing[:, 0] + wrist[:, 0]), mirror * wrist[:, 1], swing[:, 2] + wrist[:, 2],
    ])  # fmt: skip


def _flexion(rotations: Reals) -> Reals:
    """The twist about y (..., 3, 3) of rotations: the part of the quaternion along that axis."""
    angle = 2 * np.arctan2(rotations[..., 0, 2] - rotations[..., 2, 0], 1 + np.trace(rotations, axis1=-2, axis2=-1))
    out = np.zeros(rotations.shape)
    out[..., 1, 1] = 1
    out[..., 0, 0] = out[..., 2, 2] = np.cos(angle)
    out[..., 0, 2] = np.sin(angle)
    out[..., 2, 0] = -out[..., 0, 2]
    return out


def _angles(m: Reals) -> Reals:
    """The angles (..., 3) about x, then the turned y, then the turned z of rotations (..., 3, 3)."""
    x, z = np.arctan2(-m[..., 1, 2], m[..., 2, 2]), np.arctan2(-m[..., 0, 1], m[..., 0, 0])
    return np.stack([x, np.arcsin(np.clip(m[..., 0, 2], -1, 1)), z], -1)


def pack(fields: Mapping[str, NDArray[Any]], count: int, **more: str) -> bytes:
    """A message of these arrays; `more` stands in its header too, where readers do not look for it."""
    header = {
        "v": VERSION,
        "endian": "le",
        "count": count,
        "fields": [
            {"name": name, "dtype": _DTYPES[values.dtype.str[1:]], "shape": list(values.shape)}
            for name, values in fields.items()
        ],
        **more,
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    if len(text) >= HEADER:
        raise ValueError(f"the header has {len(text)} bytes")
    arrays = [np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes() for values in fields.values()]
    return TOPIC + text.ljust(HEADER, b"\0") + b"".join(arrays)


class Sonic:
    """Windows of the last ten frames, which are counted without a gap, whatever happens between them.

    While nothing is commanded nothing is sent: that is the only stop that the reader knows.
    """

    port = 5556

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque(maxlen=WINDOW + 1)  # one more, for the speed of the first
        self._count = 0
        self._state = ""
        self._new = False

    def add(self, command: Command) -> None:
        """Appends a frame, where there is one."""
        self._state = str(command.state)
        if command.pose is None:
            return
        made = frame(command.pose)
        if self._frames and self._frames[-1].body_quat @ made.body_quat < 0:
            made.body_quat[:] *= -1  # of the two quaternions of a rotation the nearer one, for who mixes them
        self._frames.append(made)
        self._count += 1
        self._new = True

    def message(self) -> bytes | None:
        """The newest window, if it is a new one: the first when there are ten frames."""
        if not self._new or len(self._frames) < WINDOW:
            return None
        self._new = False
        before, shown = list(self._frames)[-WINDOW - 1 : -WINDOW], list(self._frames)[-WINDOW:]
        wrists = np.stack([each.wrists for each in (before or shown[:1]) + shown])
        position, speed = (np.zeros((WINDOW, 29), np.float32) for _ in range(2))
        position[:, _WRISTS] = wrists[1:]
        speed[:, _WRISTS] = np.diff(wrists, axis=0) / TICK
        return pack({
            "smpl_joints": np.stack([each.smpl_joints for each in shown]),
            "smpl_pose": np.stack([each.smpl_pose for each in shown]),
            "joint_pos": position,
            "joint_vel": speed,
            "body_quat": np.stack([each.body_quat for each in shown]),
            "frame_index": np.arange(self._count - WINDOW, self._count, dtype=np.int64),
        }, count=WINDOW, state=self._state)  # fmt: skip
