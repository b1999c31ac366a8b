"""Files for Rerun, as Rerun's own program and its reader of chunks find them."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.errors import OutputError, UsageError
from pymafx_live.core.skeleton import JOINT_NAMES, PARENTS
from pymafx_live.core.types import Frame, Origin, Part, SourceEvent
from pymafx_live.core.world import World
from pymafx_live.pipeline.recordings.rrd import MESHES, Rrd
from support.full_disk import full_disk
from support.people import BODY
from support.recordings import CAMERA, recorded

WORLD = World.tilted(-0.2, 0.1, 1.4)
NS = 10**9


def read(file):
    """Of each entity and component the rows in their order, as (time, captured, value), in ns or None."""
    chunk = pytest.importorskip("rerun.chunk", reason="rerun, of the extra rerun, is not installed")
    found: dict[tuple[str, str], list] = {}
    for one in chunk.RrdReader(file).stream():
        batch = one.to_record_batch()
        times = [
            batch.column(name).cast("int64").to_pylist() if name in batch.schema.names else [None] * batch.num_rows
            for name in ("time", "captured")
        ]
        for column in set(batch.schema.names) - {"time", "captured"}:
            values = batch.column(column).to_pylist()
            rows = [row for row in zip(*times, values, strict=True) if row[2] is not None]
            found.setdefault((one.entity_path, column), []).extend(rows)
    return {key: sorted(rows, key=lambda row: row[1] or 0) for key, rows in found.items()}


def verify(file, folder):
    """What Rerun's program says of the file; it is not let to say anything to anybody else."""
    told = {"XDG_CONFIG_HOME": str(folder), "XDG_DATA_HOME": str(folder), "HOME": str(folder)}
    for arguments in (["analytics", "disable"], ["rrd", "verify", str(file)]):
        done = subprocess.run(
            [sys.executable, "-m", "rerun", *arguments], env=os.environ | told, capture_output=True, timeout=120
        )
    return done.returncode, done.stderr.decode()


@pytest.fixture
def items(clips):
    """Two people before a camera that looks down; of the second nobody knows where she is."""
    out = []
    for number, item in enumerate(recorded(12, source="front door")):
        if not isinstance(item, SourceEvent):
            frame = Frame(clips.picture(number), "front door", number, number / 25, 100.0, CAMERA)
            first, second = item[0].people
            second = replace(second, parts=second.parts | {"transl": Part(0.0, Origin.DEFAULT)})
            item = replace(item[0], world=WORLD, people=(first, second)), None if item[0].final else frame
        out.append(item)
    return out


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(UsageError, match=r"needs the extra `rerun`: python -m pip install"):
        Rrd()


def test_everything_is_where_it_is(items, tmp_path, clips):
    """Truth: what the results tell, and the body model's own vertices."""
    pytest.importorskip("rerun", reason="rerun, of the extra rerun, is not installed")
    (file,) = Rrd().write(items, tmp_path / "out.rrd", lambda path: path)
    assert not list(tmp_path.glob(".part*"))
    assert (said := verify(file, tmp_path / "home"))[0] == 0, said[1]
    results = [item[0] for item in items if not isinstance(item, SourceEvent)]
    found = read(file)
    root = r"/front\ door"
    joints = found[f"{root}/people/1/skeleton", "Points3D:positions"]
    assert len(joints) == len(results) - 1 == 12
    for result, (time, captured, places) in zip(results, joints, strict=False):
        assert (time, captured) == (round(result.time * NS), round(result.captured_at * NS))
        np.testing.assert_allclose(places, result.people[0].in_world(result).joints, atol=1e-4)
    ((_, _, ((person,),)),) = found[f"{root}/people/1", "AnnotationContext:context"]
    description = person["class_description"]
    assert [joint["label"] for joint in description["keypoint_annotations"]] == list(JOINT_NAMES)
    bones = [(bone["keypoint0"], bone["keypoint1"]) for bone in description["keypoint_connections"]]
    assert bones == [(parent, joint) for joint, parent in enumerate(PARENTS) if joint]
    meshes = found[f"{root}/people/1/mesh", "Mesh3D:vertex_positions"]
    assert [time for time, _, _ in meshes] == [round(at / 25 * NS) for at in (0, 5, 10)] and MESHES == 5
    first = results[0].people[0]
    vertices = BODY.vertices(first.full_pose, first.transl, bones=first.extra["bones"])[0]
    np.testing.assert_allclose(meshes[0][2], WORLD.points(vertices), atol=1e-4)
    assert (f"{root}/people/2/mesh", "Mesh3D:vertex_positions") not in found
    assert len(found[f"{root}/people/2/skeleton", "Points3D:positions"]) == 12
    for id_ in (1, 2):
        assert [time for time, _, _ in found[f"{root}/people/{id_}", "Clear:is_recursive"]] == [results[-1].time * NS]
    np.testing.assert_allclose(found[f"{root}/timing/estimate", "Scalars:scalars"][3][2], [20.0])
    texts = [row[2] for row in found[f"{root}/status", "TextLog:text"]]
    assert texts == [["live"], ["ended"]]


def test_the_camera_sees_people_where_they_are(items, tmp_path, clips):
    """Truth: our own projection, half a pixel away, as Rerun's pixels begin at their corner."""
    cv2 = pytest.importorskip("cv2")
    pytest.importorskip("rerun", reason="rerun, of the extra rerun, is not installed")
    found = read(Rrd().write(items, tmp_path / "out.rrd", lambda path: path)[0])
    root = r"/front\ door/camera"
    ((_, _, (turn,)),), ((_, _, (step,)),), ((_, _, (lens,)),) = (
        found[root, name] for name in ("Transform3D:mat3x3", "Transform3D:translation", "Pinhole:image_from_camera")
    )
    R, K = np.reshape(turn, (3, 3)).T, np.reshape(lens, (3, 3)).T
    result = items[3][0]
    there = np.array(found[r"/front\ door/people/1/skeleton", "Points3D:positions"][2][2])
    seen = (there - step) @ R @ K.T
    joints = result.people[0].joints @ CAMERA.matrix.T
    np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], joints[:, :2] / joints[:, 2:] + 0.5, atol=1e-3)
    np.testing.assert_allclose(found[root, "Pinhole:resolution"][0][2], [[CAMERA.width, CAMERA.height]])
    pictures = found[root, "EncodedImage:blob"]
    assert len(pictures) == 12 and found[root, "EncodedImage:media_type"][0][2] == ["image/jpeg"]
    image = cv2.imdecode(np.array(pictures[4][2][0], np.uint8), cv2.IMREAD_COLOR)
    assert clips.number(image) == 5
    centres, halves = (np.array(found[f"{root}/boxes", f"Boxes2D:{name}"][0][2]) for name in ("centers", "half_sizes"))
    boxes = np.array([person.box for person in result.people])
    np.testing.assert_allclose(np.hstack([centres - halves, centres + halves]), boxes + 0.5, atol=1e-4)


def test_a_full_disk_ends_in_a_sentence(items, tmp_path):
    pytest.importorskip("rerun", reason="rerun, of the extra rerun, is not installed")
    with full_disk(), pytest.raises(OutputError, match=r"cannot write .*out\.rrd \([^\n]*\): free some space$"):
        Rrd().write(items, tmp_path / "out.rrd", lambda path: path)
    assert not list(tmp_path.iterdir())


def test_rerun_that_is_switched_off(tmp_path):
    """Its library would write nothing, and say nothing; in a process of its own, as it looks once."""
    pytest.importorskip("rerun", reason="rerun, of the extra rerun, is not installed")
    script = (
        "from pathlib import Path; from pymafx_live.pipeline.recordings.rrd import Rrd; "
        "Rrd().write([], Path('out.rrd'), lambda path: path)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=os.environ | {"RERUN": "off"}, capture_output=True, text=True
    )
    assert done.stderr.splitlines()[-1].endswith("needs Rerun, which RERUN in the environment switches off: unset it")
    assert not list(tmp_path.iterdir())
