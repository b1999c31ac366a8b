"""A bag for ROS 2, as its reader finds it."""

from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.skeleton import JOINT_NAMES
from pymafx_live.core.types import Frame, SourceEvent
from pymafx_live.core.world import World
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.recordings.bag import Bag
from scipy.spatial.transform import Rotation
from support.recordings import CAMERA, recorded


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rosbags.typesys", None)
    with pytest.raises(UsageError, match=r"needs the extra `bag`: python -m pip install"):
        Bag()


def test_another_bag_stays(tmp_path, caplog):
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags, of the extra bag, is not installed")
    made = [
        Bag().write(recorded(n), tmp_path / "out.bag", lambda path: Targets(overwrite=True).file(path, "FILE"))
        for n in (2, 3)
    ]
    assert made == [[tmp_path / "out.bag"], [tmp_path / "out-2.bag"]] and "goes to" in caplog.text
    for n, (folder,) in zip((2, 3), made, strict=True):
        with rosbag2.Reader(folder) as bag:
            assert bag.topics["/cam/camera_info"].msgcount == n


def test_every_joint_is_where_it_is(tmp_path, clips):
    """Truth: the places that the results tell, by the tree of frames of reference in the bag."""
    rosbag2 = pytest.importorskip("rosbags.rosbag2", reason="rosbags, of the extra bag, is not installed")
    typesys = pytest.importorskip("rosbags.typesys")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    world = World.tilted(-0.2, 0.1, 1.4)
    items = []
    for number, item in enumerate(recorded(8)):
        if not isinstance(item, SourceEvent):
            frame = Frame(clips.picture(number), "cam", number, number / 25, 100.0, CAMERA)
            item = (replace(item[0], world=world), None if item[0].final else frame)
        items.append(item)
    (folder,) = Bag().write(items, tmp_path / "out.bag", lambda file: file)
    assert not list(tmp_path.glob(".part*"))
    told: dict[str, list] = {}
    with rosbag2.Reader(folder) as bag:
        for connection, time, data in bag.messages():
            told.setdefault(connection.topic, []).append((time, store.deserialize_cdr(data, connection.msgtype)))
    assert {topic: len(messages) for topic, messages in told.items()} == {
        "/tf": 9, "/cam/skeletons": 9, "/cam/camera_info": 8, "/cam/image/compressed": 8
    }  # fmt: skip
    results = [item[0] for item in items if not isinstance(item, SourceEvent)]
    for result, (time, message) in zip(results[:-1], told["/tf"], strict=False):
        assert time == round(result.captured_at * 1e9)
        placed = {"cam/world": (Rotation.identity(), np.zeros(3))}
        for frame in message.transforms:
            turn, place = placed[frame.header.frame_id]
            t, q = frame.transform.translation, frame.transform.rotation
            local = Rotation.from_quat([q.x, q.y, q.z, q.w])
            placed[frame.child_frame_id] = turn * local, place + turn.apply([t.x, t.y, t.z])
        for person in result.people:
            there = person.in_world(result)
            expected = np.stack([-there.joints[:, 2], -there.joints[:, 0], there.joints[:, 1]], 1)
            found = [placed[f"{joint}_{person.id}"][1] for joint in JOINT_NAMES]
            np.testing.assert_allclose(found, expected, atol=1e-4)
            forward = there.global_rotation("pelvis")[:, 2]
            ahead = placed[f"body_{person.id}"][0].apply([1, 0, 0])
            np.testing.assert_allclose(ahead, [-forward[2], -forward[0], forward[1]], atol=1e-5)
    assert [marker.action for marker in told["/cam/skeletons"][-1][1].markers] == [2, 2]
    points = told["/cam/skeletons"][3][1].markers[0].points
    np.testing.assert_allclose([points[1].x, points[1].y, points[1].z], results[3].people[0].joints[1], atol=1e-5)
    assert told["/cam/camera_info"][0][1].k.tolist() == CAMERA.matrix.ravel().tolist()
