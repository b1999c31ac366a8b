"""A folder that `ros2 bag play` plays (`.bag`): rosbag2 with SQLite, of standard messages.

    /tf                          <source>/world -> the camera -> of everybody body_<id> and each joint, <joint>_<id>
    /<source>/skeletons          visualization_msgs/MarkerArray
    /<source>/camera_info        sensor_msgs/CameraInfo
    /<source>/image/compressed   sensor_msgs/CompressedImage, where the frames were recorded

World and body have x forward, y left and z up (REP 103; body_<id> as REP 155 has it, at the pelvis), the joints the
axes of SMPL-X. Of a second source the ids have its name before them, as each source counts for itself.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from pymafx_live.core import kinematics, quaternions
from pymafx_live.core.arrays import Reals
from pymafx_live.core.axes import ROS
from pymafx_live.core.errors import LiveError, OutputError, UsageError, first_line
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.core.types import Frame, FrameResult, Person, SourceEvent, TrackState
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place
from pymafx_live.pipeline.recordings.foxglove import frame_of
from pymafx_live.pipeline.recordings.journal import Clock, jpeg
from pymafx_live.pipeline.writing import writing

_FORMAT = 8
"""Of rosbag2's metadata."""
_BODY = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
"""The axes x forward, y left, z up, as columns in a joint's own (x left, y up, z forward)."""
_LINE_LIST, _ADD, _DELETE = 5, 0, 2
_KINDS = {
    "/tf": "tf2_msgs/msg/TFMessage", "skeletons": "visualization_msgs/msg/MarkerArray",
    "camera_info": "sensor_msgs/msg/CameraInfo", "image/compressed": "sensor_msgs/msg/CompressedImage",
}  # fmt: skip
logger = logging.getLogger(__name__)

Transform = tuple[str, str, Reals, Reals]
"""Parent, child, and how the child's axes (3, 3) and origin (3,) stand in the parent."""


class Bag:
    """The format `.bag`."""

    def __init__(self) -> None:
        try:
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise UsageError("a .bag needs the extra `bag`: python -m pip install 'pymafx-live[bag]'") from error
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        self._types = self._store.types

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        from rosbags.rosbag2 import Writer

        file, clock = place(_free(file)), Clock()
        with writing(file), TemporaryDirectory(dir=file.parent, prefix=".part-") as part:
            try:
                with Writer(Path(part) / file.name, version=_FORMAT) as bag:
                    connections: dict[str, Any] = {}
                    for topic, kind, message, time in self._told(items, clock):
                        if topic not in connections:
                            connections[topic] = bag.add_connection(topic, kind, typestore=self._store)
                        bag.write(connections[topic], time, self._store.serialize_cdr(message, kind))
            except (LiveError, OSError):
                raise
            except Exception as error:  # of its database, as where the disk is full
                raise OutputError(f"cannot write {file} ({first_line(error)}): free some space") from error
            (Path(part) / file.name).rename(file)
        return [file]

    def _told(self, items: Iterable[Item], clock: Clock) -> Iterator[tuple[str, str, Any, int]]:
        """Topic, type and content of each message, and when it is, in nanoseconds."""
        first = ""
        for item in items:
            if isinstance(item, SourceEvent):
                continue
            result, frame = item
            first = first or result.source
            prefix = "" if result.source == first else f"{result.source}_"
            time = clock.of(result)
            for topic, message in self._of_result(result, frame, prefix, time):
                yield topic if topic[0] == "/" else f"/{_topic(result.source)}/{topic}", _KINDS[topic], message, time

    def _of_result(self, result: FrameResult, frame: Frame | None, prefix: str, time: int) -> Iterator[tuple[str, Any]]:
        stamp = self._new("builtin_interfaces/msg/Time", sec=time // 10**9, nanosec=time % 10**9)
        camera = frame_of(result)
        yield "/tf", self._transforms(result, prefix, stamp)
        header = self._new("std_msgs/msg/Header", stamp=stamp, frame_id=camera)
        yield "skeletons", self._markers(result, header)
        if not result.final:
            yield "camera_info", self._camera(result, header)
        if frame is not None:
            data = np.frombuffer(jpeg(frame), np.uint8)
            yield (
                "image/compressed",
                self._new("sensor_msgs/msg/CompressedImage", header=header, format="jpeg", data=data),
            )

    def _transforms(self, result: FrameResult, prefix: str, stamp: Any) -> Any:
        camera, world = frame_of(result), result.world
        told = [(f"{result.source}/world", camera, ROS @ world.rotation, ROS @ world.translation)]
        for person in result.people:
            if person.state != TrackState.ENDED:
                told += _joints(person, camera, f"{prefix}{person.id}")
        turns = quaternions.from_matrices(np.stack([rotation for _, _, rotation, _ in told]))
        return self._new("tf2_msgs/msg/TFMessage", transforms=[
            self._new(
                "geometry_msgs/msg/TransformStamped",
                header=self._new("std_msgs/msg/Header", stamp=stamp, frame_id=parent), child_frame_id=child,
                transform=self._new(
                    "geometry_msgs/msg/Transform", translation=self._vector(step), rotation=self._turn(turn)
                ),
            )
            for (parent, child, _, step), turn in zip(told, turns, strict=True)
        ])  # fmt: skip

    def _markers(self, result: FrameResult, header: Any) -> Any:
        return self._new(
            "visualization_msgs/msg/MarkerArray", markers=[self._marker(person, header) for person in result.people]
        )

    def _marker(self, person: Person, header: Any) -> Any:
        """A person's bones as lines a centimetre thick."""
        count = len(person.joints)
        ends = [end for joint in range(1, count) for end in (PARENTS[joint], joint)]
        gone = person.state == TrackState.ENDED
        point = "geometry_msgs/msg/Point"
        return self._new(
            "visualization_msgs/msg/Marker", header=header, ns="skeletons", id=int(person.id) % 2**31, type=_LINE_LIST,
            action=_DELETE if gone else _ADD, points=[self._vector(person.joints[end], point) for end in ends],
            pose=self._new("geometry_msgs/msg/Pose", position=self._vector(np.zeros(3), point),
                           orientation=self._turn(quaternions.IDENTITY)),
            scale=self._vector(np.array([0.01, 0.0, 0.0])),
            color=self._new("std_msgs/msg/ColorRGBA", r=0.2, g=0.7, b=0.9, a=1.0),
            lifetime=self._new("builtin_interfaces/msg/Duration", sec=1, nanosec=0), frame_locked=False, colors=[],
            texture_resource="", texture=self._new("sensor_msgs/msg/CompressedImage", header=header, format="",
                                                   data=np.zeros(0, np.uint8)),
            uv_coordinates=[], text="", mesh_resource="",
            mesh_file=self._new("visualization_msgs/msg/MeshFile", filename="", data=np.zeros(0, np.uint8)),
            mesh_use_embedded_materials=False,
        )  # fmt: skip

    def _camera(self, result: FrameResult, header: Any) -> Any:
        camera = result.camera
        K = camera.matrix
        return self._new(
            "sensor_msgs/msg/CameraInfo", header=header, height=camera.height, width=camera.width,
            distortion_model="plumb_bob" if len(camera.distortion) <= 5 else "rational_polynomial",
            d=np.array(camera.distortion, np.float64), k=K.ravel(), r=np.eye(3).ravel(),
            p=np.pad(K, ((0, 0), (0, 1))).ravel(), binning_x=0, binning_y=0,
            roi=self._new("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0,
                          do_rectify=False),
        )  # fmt: skip

    def _new(self, kind: str, **fields: Any) -> Any:
        return self._types[kind](**fields)

    def _vector(self, values: Reals, kind: str = "geometry_msgs/msg/Vector3") -> Any:
        return self._new(kind, **dict(zip("xyz", np.asarray(values, np.float64).tolist(), strict=True)))

    def _turn(self, turn: Reals) -> Any:
        return self._new("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", turn.tolist(), strict=True)))


def _free(file: Path) -> Path:
    """The file, or the first name that is free: a bag is a folder, and none is ever replaced."""
    names = (file.with_name(f"{file.stem}-{n}{file.suffix}") for n in count(2))
    free = next(name for name in chain([file], names) if not name.is_dir())
    if free != file:
        logger.warning("%s is there already: this one goes to %s", file, free)
    return free


def _joints(person: Person, camera: str, name: str) -> Sequence[Transform]:
    """The body's frame, and each joint's in its parent's."""
    local = to_matrices(person.full_pose.astype(np.float64))
    pelvis = person.pelvis.astype(np.float64)
    told: list[Transform] = [
        (camera, f"body_{name}", local[0] @ _BODY, pelvis), (camera, f"pelvis_{name}", local[0], pelvis)
    ]  # fmt: skip
    count = len(person.joints)
    joints = np.zeros((55, 3))
    joints[:count] = person.joints
    steps = kinematics.bones(kinematics.global_rotations(local), joints)
    for joint in range(1, count):
        parent = f"{JOINT_NAMES[PARENTS[joint]]}_{name}"
        told.append((parent, f"{JOINT_NAMES[joint]}_{name}", local[joint], steps[joint]))
    return told


def _topic(source: str) -> str:
    """The name as a part of a ROS topic: letters, digits and underscores, no digit first."""
    text = "".join(c if c.isascii() and c.isalnum() else "_" for c in source)
    return text if text[:1].isalpha() else f"source_{text}"
