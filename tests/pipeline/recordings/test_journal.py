"""The journal, read by the library's own reader and by ours, and cut, killed and damaged."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from pymafx_live.core.errors import OutputError, SourceError
from pymafx_live.core.types import Frame, SourceEvent
from pymafx_live.core.wire import decode, decode_event, from_map
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import foxglove
from pymafx_live.pipeline.recordings.journal import Journal, Mcap
from support.full_disk import full_disk
from support.npm import installed
from support.recordings import CAMERA, recorded, told

COMMAND = [sys.executable, "-c", "from pymafx_live.pipeline.cli import main; main()"]
READER = Path(__file__).parents[2] / "support" / "mcap_reader.mjs"
VECTORS = sorted(p for p in (Path(__file__).parents[2] / "vectors").glob("*.bin") if p.stem != "directory")


def write(file: Path, items: list[Item], video: bool = False) -> Path:
    journal = Journal(file, video)
    for item in items:
        if isinstance(item, SourceEvent):
            journal.tell(item)
        else:
            journal.write(*item)
    journal.close()
    return file


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("journal") / "whole.mcap", recorded())


def test_nothing_is_lost(whole):
    assert told(list(Mcap().read(whole))) == told(recorded())


@pytest.mark.parametrize("vector", VECTORS, ids=lambda file: file.stem)
def test_every_kind_of_message_is_kept(tmp_path, vector):
    message = vector.read_bytes()
    first: Item = (recorded(1)[1][0], None)
    item: Item = decode_event(message) if message.startswith(b"status/") else (decode(message), None)
    file = write(tmp_path / "out.mcap", [first, item])
    assert told(list(Mcap().read(file))) == told([first, item])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_numbers_are_kept(tmp_path, data):
    floats = st.floats(-1e6, 1e6, width=32)
    items = recorded(3, ids=(1,))
    for item in items:
        if not isinstance(item, SourceEvent):
            for person in item[0].people:
                person.body_pose[:] = data.draw(st.lists(floats, min_size=63, max_size=63))
                person.extra["anything"] = np.array(data.draw(st.lists(floats, max_size=5)), np.float32)
    assert told(list(Mcap().read(write(tmp_path / "out.mcap", items)))) == told(items)


def test_another_reader_finds_it_all_by_its_index(whole):
    """The library's own reader, over the index, with all checksums."""
    with whole.open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True)
        summary = reader.get_summary()
        messages = list(reader.iter_messages())
    topics = {channel.topic: channel for channel in summary.channels.values()}
    assert set(topics) == {"smplx/cam", "status/cam", "cam/scene", "cam/tf", "cam/camera"}
    assert topics["smplx/cam"].message_encoding == "msgpack" and topics["smplx/cam"].metadata == {"version": "1"}
    assert summary.statistics.message_count == len(messages) == 41 * 3 + 2 + 1
    times = [message.log_time for _, channel, message in messages if channel.topic == "smplx/cam"]
    assert times[:-1] == [1_700_000_000_000_000_000 + number * 40_000_000 for number in range(40)]


def test_a_clip_is_logged_at_its_own_pace(tmp_path):
    """Its frames were taken when they were read, which may be at any pace."""
    items = [item for item in recorded(5) if not isinstance(item, SourceEvent)]
    for number, (result, _) in enumerate(items):
        object.__setattr__(result, "captured_at", 1000.0 + number**2)
    with write(tmp_path / "out.mcap", items).open("rb") as stream:
        times = [message.log_time for _, channel, message in make_reader(stream).iter_messages(["smplx/cam"])]
    assert np.diff(times).tolist() == [40_000_000] * 4 + [0]


def test_what_foxglove_shows(whole):
    """The box is seen where it is in the picture, and the joints where they are."""
    shown: dict[str, list] = {}
    with whole.open("rb") as stream:
        for schema, _, message in make_reader(stream).iter_messages():
            if schema.encoding == "jsonschema":
                shown.setdefault(schema.name, []).append(json.loads(message.data))
                assert set(json.loads(schema.data)["required"]) <= set(shown[schema.name][-1])
    (camera,) = shown["foxglove.CameraCalibration"]
    result = recorded()[1][0]
    for entity, person in zip(shown["foxglove.SceneUpdate"][0]["entities"], result.people, strict=True):
        assert (entity["id"], entity["frame_id"]) == (str(person.id), "cam")
        box, skeleton = entity["lines"]
        corners = np.array([[p[k] for k in "xyz"] for p in box["points"]])
        seen = np.hstack([corners, np.ones((4, 1))]) @ np.reshape(camera["P"], (3, 4)).T
        np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], person.box[[[0, 1], [2, 1], [2, 3], [0, 3]]], atol=0.05)
        joints = np.array([[p[k] for k in "xyz"] for p in skeleton["points"]])
        np.testing.assert_allclose(joints, person.joints, atol=6e-4)
        assert len(skeleton["indices"]) == 2 * 54
    assert [gone["id"] for gone in shown["foxglove.SceneUpdate"][-1]["deletions"]] == ["1", "2"]
    stands = shown["foxglove.FrameTransforms"][0]["transforms"]
    assert [t["child_frame_id"] for t in stands] == ["cam", "cam/person_1", "cam/person_2"]
    x, y, z, w = (stands[0]["rotation"][k] for k in "xyzw")
    ahead = [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)]
    assert ahead == pytest.approx([1, 0, 0], abs=1e-5)  # the camera looks along x, and z is up


def test_frames_come_back_with_their_results(tmp_path, clips):
    items = []
    for number, item in enumerate(recorded(6)[1:7]):
        image = clips.picture(number) if number != 3 else None  # of one the frame is lost
        frame = image if image is None else Frame(image, "cam", number, number / 25, 100.0, CAMERA)
        items.append((item[0], frame))
    back = list(Mcap().read(write(tmp_path / "out.mcap", items, video=True)))
    assert [frame and clips.number(frame.image) for _, frame in back] == [0, 1, 2, None, 4, 5]
    assert np.abs(back[4][1].image.astype(int) - items[4][1].image).mean() < 2
    assert [frame.time for _, frame in back if frame] == [result.time for result, frame in back if frame]


def test_what_is_recorded_is_soon_in_the_file(tmp_path):
    """No frame comes after it, nobody closes the file, and it can be read."""
    journal = Journal(tmp_path / "out.mcap")
    items = recorded(1)
    journal.tell(items[0])
    assert not journal.file.exists()  # a run that gets nowhere replaces nothing
    journal.write(*items[1])
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            assert told(list(Mcap().read(journal.file))) == told(items[:2])
            break
        except (AssertionError, SourceError):
            time.sleep(0.05)
    else:
        pytest.fail("nothing is in the file")
    journal.close()


def test_a_kill_loses_half_a_second_at_most(tmp_path):
    """A real run, killed; what was published until then is in lines of JSON, each of which is written at once."""
    flags = ["--source", "demo", "--realtime", "--loop", "--bind", "", "--record", "out.mcap", "--json", "out.jsonl"]
    with subprocess.Popen([*COMMAND, *flags], cwd=tmp_path, stderr=subprocess.PIPE) as process:
        lines = tmp_path / "out.jsonl"
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if lines.exists() and lines.read_text().count("\n") > 12:
                break
            time.sleep(0.05)
        killed = time.time()
        process.kill()
    published = [from_map(json.loads(line)) for line in lines.read_text().splitlines(keepends=True) if line[-1] == "\n"]
    kept = [item[0] for item in Mcap().read(tmp_path / "out.mcap") if not isinstance(item, SourceEvent)]
    assert [result.sequence for result in kept] == [result.sequence for result in published[: len(kept)]]
    assert len(kept) > 5 and len(published) > 12
    assert all(killed - lost.published_at <= 0.5 for lost in published[len(kept) :])


def test_a_full_disk_ends_in_a_sentence_and_a_whole_file(tmp_path):
    items = recorded(100, ids=(1,))
    journal = Journal(tmp_path / "out.mcap")
    with full_disk():
        with pytest.raises(OutputError, match=r"cannot write .*out\.mcap \(File too large\): free some space"):
            for result, frame in items[1:-1]:
                journal.write(result, frame)
                time.sleep(0.03)
        journal.close()
    assert journal.file.stat().st_size <= 40_000
    with journal.file.open("rb") as stream:  # to its end, with no error
        messages = [message.data for _, _, message in make_reader(stream).iter_messages(["smplx/cam"])]
    back = list(Mcap().read(journal.file))
    assert told(back) == told(items[1 : len(back) + 1]) and len(back) == len(messages) >= 3


def test_a_file_that_is_cut_anywhere(whole, tmp_path):
    content, file = whole.read_bytes(), tmp_path / "cut.mcap"
    expected, most = told(recorded()), 0
    for end in range(1, len(content), 997):
        file.write_bytes(content[:end])
        try:
            back = told(list(Mcap().read(file)))
        except SourceError as error:
            assert "\n" not in str(error) and "cut.mcap" in str(error)
            assert not most
            continue
        assert back == expected[: len(back)] and len(back) >= most > -1
        most = len(back)
    assert most == len(expected)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(0, 1, exclude_max=True), st.integers(1, 255))
def test_of_a_damaged_file_the_rest_is_read(tmp_path, many_chunks, where, flip):
    content = bytearray(many_chunks.read_bytes())
    content[int(where * len(content))] ^= flip
    (tmp_path / "damaged.mcap").write_bytes(content)
    expected = told(recorded(30))
    try:
        back = told(list(Mcap().read(tmp_path / "damaged.mcap")))
    except SourceError:
        return
    assert set(back) <= set(expected)  # nothing is invented


@pytest.fixture(scope="module")
def many_chunks(tmp_path_factory):
    file = tmp_path_factory.mktemp("journal") / "chunks.mcap"
    journal = Journal(file)
    for item in recorded(30):
        if isinstance(item, SourceEvent):
            journal.tell(item)
        else:
            journal.write(*item)
            journal._mcap.flush()
    journal.close()
    return file


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"RIFF....AVI ", "no MCAP file"), (b"\x89MCAP0\r\n", "holds nothing")]
)
def test_a_file_that_is_none(tmp_path, content, said):
    (tmp_path / "other.mcap").write_bytes(content)
    with pytest.raises(SourceError, match=rf"other\.mcap.*{said}"):
        list(Mcap().read(tmp_path / "other.mcap"))


def test_a_file_of_another_program(tmp_path):
    from mcap.writer import Writer

    with (tmp_path / "other.mcap").open("wb") as stream:
        writer = Writer(stream)
        writer.start()
        channel = writer.register_channel("chatter", "json", writer.register_schema("x", "jsonschema", b"{}"))
        writer.add_message(channel, 0, b"{}", 0)
        writer.finish()
    with pytest.raises(SourceError, match="not of ours"):
        list(Mcap().read(tmp_path / "other.mcap"))
    with pytest.raises(SourceError, match=r"cannot read .*nowhere\.mcap \(No such file"):
        list(Mcap().read(tmp_path / "nowhere.mcap"))


@pytest.mark.slow
def test_foxgloves_own_packages_read_it(tmp_path, clips):
    """By its index, and with the schemas that they have, field by field."""
    folder = installed(tmp_path, ("@foxglove/schemas@2", "@mcap/core@2", "fzstd@0"))
    shutil.copy(READER, folder)
    frame = Frame(clips.picture(0), "cam", 0, 0.0, 100.0, CAMERA)
    items = [
        item if isinstance(item, SourceEvent) else (item[0], None if item[0].final else frame) for item in recorded()
    ]
    file = write(tmp_path / "out.mcap", items, video=True)
    done = subprocess.run(["node", READER.name, file], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert read["alike"] == dict.fromkeys(foxglove.schemas(), True)
    assert read["count"] == {
        "smplx/cam": 41, "status/cam": 2, "cam/scene": 41, "cam/tf": 41, "cam/image": 40, "cam/camera": 1
    }  # fmt: skip
