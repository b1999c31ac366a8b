"""docs/examples of robots and ROS 2: they read what is sent, and their messages are of the kinds that ROS has."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import msgpack
import numpy as np
import pytest
from pymafx_live.core.names import JOINTS
from pymafx_live.core.types import Origin, TrackState
from pymafx_live.core.world import World
from pymafx_live.pipeline.robots.gmr import frame
from pymafx_live.pipeline.robots.message import encode
from pymafx_live.pipeline.robots.pose import pose_of
from pymafx_live.pipeline.robots.safety import Command, State
from scipy.spatial.transform import Rotation
from support.performers import CAMERA, performer, result_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
POINT = "float32 x\nfloat32 y\nfloat32 c"
HRI = {
    "IdsList": "std_msgs/Header header\nstring[] ids",
    "NormalizedPointOfInterest2D": POINT,
    "NormalizedRegionOfInterest2D": (
        "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c"
    ),
    "Skeleton2D": "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[18] skeleton",
}
"""The messages of hri_msgs 2 (ROS 2), which rosbags does not know."""


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLAIN = {"string": "", "bool": False, "float32": 0.0, "float64": 0.0}
"""Default values; all other plain values are whole numbers."""


class Ros:
    """Message classes that behave as rclpy's: made without arguments, with default values, and no other fields."""

    def __init__(self) -> None:
        typesys = pytest.importorskip("rosbags.typesys", reason="pip install rosbags")
        self.store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
        for name, text in HRI.items():
            self.store.register(typesys.get_types_from_msg(text, f"hri_msgs/msg/{name}"))
        self._classes: dict[str, type] = {}

    def kind(self, name: str) -> type:
        """The class of a message by its full name."""
        if name not in self._classes:
            constants, fields = self.store.fielddefs[name]

            def make(message: Any) -> None:
                for field, definition in fields:
                    setattr(message, field, self._default(definition))

            values = {key: value for key, _, value in constants}
            self._classes[name] = type(
                name.rpartition("/")[2],
                (),
                {"__slots__": [key for key, _ in fields], "__init__": make, "NAME": name, **values},
            )
        return self._classes[name]

    def _default(self, definition: tuple) -> Any:
        node, detail = int(definition[0]), definition[1]
        if node == 1:  # a plain value
            return PLAIN.get(detail[0], 0)
        if node == 2:  # another message
            return self.kind(detail)()
        return [self._default(detail[0]) for _ in range(detail[1])] if node == 3 else []

    def bytes_of(self, message: Any) -> bytes:
        """As it goes over the wire; a value of another kind than the definition has is an error."""
        return bytes(self.store.serialize_cdr(self._theirs(message, (2, message.NAME)), message.NAME))

    def read(self, message: Any) -> Any:
        """What another program reads of it."""
        return self.store.deserialize_cdr(self.bytes_of(message), message.NAME)

    def _theirs(self, value: Any, definition: tuple) -> Any:
        """The value as rosbags has it; one of another kind than the definition has is refused, as rclpy does."""
        node, detail = int(definition[0]), definition[1]
        if node == 1:
            assert type(value) is type(PLAIN.get(detail[0], 0)), (value, detail)
            return value
        if node == 2:
            assert detail == value.NAME
            fields = self.store.fielddefs[detail][1]
            return self.store.types[detail](**{key: self._theirs(getattr(value, key), of) for key, of in fields})
        if node == 3:
            assert len(value) == detail[1]
        if int(detail[0][0]) == 1 and detail[0][1][0] != "string":
            return np.array(value, detail[0][1][0])
        return [self._theirs(each, detail[0]) for each in value]


class FakeNode:
    """Keeps what is published, by topic."""

    def __init__(self, name: str) -> None:
        self.sent: dict[str, list[Any]] = {}
        self.open: set[str] = set()

    def create_publisher(self, kind: type, topic: str, depth: int) -> SimpleNamespace:
        self.open.add(topic)
        said = self.sent.setdefault(topic, [])

        def publish(message: Any) -> None:
            assert isinstance(message, kind)
            said.append(message)

        return SimpleNamespace(publish=publish, topic=topic)

    def destroy_publisher(self, publisher: SimpleNamespace) -> None:
        self.open.remove(publisher.topic)

    def declare_parameter(self, name: str, value: Any) -> None:
        self._value = value

    def get_parameter(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(value=self._value)


@pytest.fixture
def ros(monkeypatch) -> Ros:
    """The modules that the node imports, with message classes as ROS defines them."""
    made = Ros()
    names = {
        "builtin_interfaces": ["Time"],
        "geometry_msgs": ["Point", "TransformStamped"],
        "hri_msgs": list(HRI),
        "visualization_msgs": ["Marker", "MarkerArray"],
    }
    for package, kinds in names.items():
        module = SimpleNamespace(**{kind: made.kind(f"{package}/msg/{kind}") for kind in kinds})
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f"{package}.msg", module)

    class Broadcaster:
        def __init__(self, node: FakeNode) -> None:
            self._said = node.sent.setdefault("/tf", [])

        def sendTransform(self, transforms: list[Any]) -> None:  # noqa: N802
            self._said.append(transforms)

    monkeypatch.setitem(sys.modules, "rclpy", ModuleType("rclpy"))
    monkeypatch.setitem(sys.modules, "rclpy.node", SimpleNamespace(Node=FakeNode))
    monkeypatch.setitem(sys.modules, "tf2_ros", SimpleNamespace(TransformBroadcaster=Broadcaster))
    return made


def person_with_keypoints(number: int = 3, **fields: Any):
    rng = np.random.default_rng(number)
    world = World.tilted(-0.3, 0.1, 1.4)
    person = performer(rng.normal(0, 0.4, (55, 3)), (0.2, 1.0, -3), world, number=number, **fields)
    person.extra["keypoints"] = rng.uniform(0, 400, (33, 3)).astype(np.float32)
    return person, world


def test_the_ros_node_publishes_what_rep_155_says(ros):
    node = loaded(EXAMPLES / "ros2" / "people_node.py").PeopleNode()
    assert node.address == "tcp://127.0.0.1:5555"
    person, world = person_with_keypoints()
    result = result_of(person, world=world, source="front door")
    object.__setattr__(result, "captured_at", 1000.25)
    node.publish(result)
    body = "b_front_door_3"
    (ids,) = map(ros.read, node.sent["/humans/bodies/tracked"])
    assert ids.ids == [body] and (ids.header.stamp.sec, ids.header.stamp.nanosec) == (1000, 250_000_000)
    (region,) = map(ros.read, node.sent[f"/humans/bodies/{body}/roi"])
    np.testing.assert_allclose([region.xmax, region.ymax], [100 / CAMERA.width, 200 / CAMERA.height], rtol=1e-5)
    (skeleton,) = map(ros.read, node.sent[f"/humans/bodies/{body}/skeleton2d"])
    keypoints = person.extra["keypoints"]
    nose, neck = skeleton.skeleton[0], skeleton.skeleton[1]
    np.testing.assert_allclose([nose.x * CAMERA.width, nose.y * CAMERA.height], keypoints[0, :2], rtol=1e-4)
    np.testing.assert_allclose(neck.x * CAMERA.width, keypoints[[11, 12], 0].mean(), rtol=1e-4)
    (markers,) = map(ros.read, node.sent["/humans/bodies/markers"])
    (lines,) = markers.markers
    assert (lines.type, lines.action, lines.header.frame_id) == (5, 0, "front_door") and len(lines.points) == 2 * 54
    np.testing.assert_allclose([lines.points[0].x, lines.points[0].z], person.joints[1, [0, 2]], rtol=1e-5)


def test_the_frames_of_the_ros_node_lead_to_the_joints(ros):
    """Chained as TF chains them, from the world on."""
    node = loaded(EXAMPLES / "ros2" / "people_node.py").PeopleNode()
    person, world = person_with_keypoints()
    node.publish(result_of(person, world=world))
    frames = {each.child_frame_id: ros.read(each) for each in node.sent["/tf"][0]}

    def chained(name: str) -> tuple[np.ndarray, Rotation]:
        if name == "world":
            return np.zeros(3), Rotation.identity()
        told = frames[name]
        moved, turned = told.transform.translation, told.transform.rotation
        place, rotation = chained(told.header.frame_id)
        return (
            place + rotation.apply([moved.x, moved.y, moved.z]),
            rotation * Rotation.from_quat([turned.x, turned.y, turned.z, turned.w]),
        )

    there = person.in_world(result_of(person, world=world))
    axes = np.array([[0, 0, -1], [-1, 0, 0], [0, 1, 0]])
    for frame_, joint in {"torso": "spine3", "head": "head", "l_wrist": "left_wrist", "r_knee": "right_knee"}.items():
        place, rotation = chained(f"{frame_}_b_cam_3")
        np.testing.assert_allclose(place, axes @ there.joints[JOINTS.index(joint)], atol=1e-4)
        own = there.global_rotation(joint)
        np.testing.assert_allclose(rotation.as_matrix()[:, 0], axes @ own[:, 2], atol=1e-4)
        np.testing.assert_allclose(rotation.as_matrix()[:, 2], axes @ own[:, 1], atol=1e-4)
    middle, _ = chained("body_b_cam_3")
    np.testing.assert_allclose(middle, axes @ there.joints[[1, 2]].mean(0), atol=1e-4)


def test_the_ros_node_ends_the_topics_of_who_has_ended(ros):
    node = loaded(EXAMPLES / "ros2" / "people_node.py").PeopleNode()
    (one, world), (other, _) = person_with_keypoints(1), person_with_keypoints(2)
    node.publish(result_of(one, other, world=world))
    assert "/humans/bodies/b_cam_1/roi" in node.open
    ended, _ = person_with_keypoints(1, state=TrackState.ENDED)
    node.publish(result_of(ended, other, world=world, sequence=1))
    assert "/humans/bodies/b_cam_1/roi" not in node.open and "/humans/bodies/b_cam_2/roi" in node.open
    assert ros.read(node.sent["/humans/bodies/tracked"][-1]).ids == ["b_cam_2"]
    guessed, _ = person_with_keypoints(2, joints=0, origin=Origin.DEFAULT)
    node.publish(result_of(guessed, world=world, sequence=2))
    assert [each.child_frame_id for each in node.sent["/tf"][-1]] == ["cam"], "no frames of whom nobody has estimated"


class EndedError(Exception):
    """Nothing more is sent."""


def sending(monkeypatch, module: ModuleType, messages: list[bytes]) -> None:
    """Lets an example read these messages from its socket."""
    left = list(messages)

    class Socket:
        setsockopt = connect = subscribe = lambda self, *args: None

        def recv(self) -> bytes:
            if not left:
                raise EndedError
            return left.pop(0)

    monkeypatch.setattr(module.zmq.Context, "instance", lambda: SimpleNamespace(socket=lambda kind: Socket()))


def test_the_gmr_example_retargets_what_is_sent(monkeypatch, capsys):
    """A GMR that takes what GMR takes, as GMR itself is on no package index."""
    person = performer(np.zeros((55, 3)))
    pose = pose_of(person, result_of(person))
    seen = []

    class Retargeting:
        def __init__(self, src_human: str, tgt_robot: str, actual_human_height: float, verbose: bool) -> None:
            seen.append((src_human, tgt_robot, round(actual_human_height, 1)))

        def retarget(self, human_data: dict[str, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
            seen.append(human_data)
            return np.arange(36.0)

    class Viewer:
        def __init__(self, robot_type: str, motion_fps: int) -> None:
            pass

        def step(self, root_pos: np.ndarray, root_rot: np.ndarray, dof_pos: np.ndarray) -> None:
            assert (len(root_pos), len(root_rot), len(dof_pos)) == (3, 4, 29)

    monkeypatch.setitem(
        sys.modules, "general_motion_retargeting",
        SimpleNamespace(GeneralMotionRetargeting=Retargeting, RobotMotionViewer=Viewer),
    )  # fmt: skip
    example = loaded(EXAMPLES / "robots" / "gmr_robot.py")
    told = frame(pose)
    sending(monkeypatch, example, [
        encode("gmr", Command(State.WAITING, None)),
        encode("gmr", Command(State.FOLLOWING, pose), height=1.75, frame=told),
    ])  # fmt: skip
    with pytest.raises(EndedError):
        example.main("unitree_g1", "tcp://127.0.0.1:5557")
    assert seen[0] == ("smplx", "unitree_g1", 1.8)
    assert {name: (list(place), list(turn)) for name, (place, turn) in seen[1].items()} == {
        name: (list(place), list(turn)) for name, (place, turn) in told.items()
    }
    assert capsys.readouterr().out.split() == ["waiting", "following"]
    sending(monkeypatch, example, [b"robot/gmr\0" + msgpack.packb({"version": 2})])
    with pytest.raises(SystemExit, match="version 2"):
        example.main("unitree_g1", "tcp://127.0.0.1:5557")
