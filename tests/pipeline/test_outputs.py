"""Outputs write real files, sockets and pipes."""

import json
import math
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import zmq
from pymafx_live.core.errors import OutputError, UsageError
from pymafx_live.core.interfaces import Policy
from pymafx_live.core.types import SHAPES, Camera, Frame, FrameResult, Origin, Part, Person, TrackState
from pymafx_live.core.wire import decode, encode, from_map
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.drawn import Drawing, DrawnOutput
from pymafx_live.pipeline.outputs.jsonl import JsonOutput
from pymafx_live.pipeline.outputs.pictures import PictureFileSink, PictureFolderSink
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.video import VideoSink
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.statistics import Durations, Statistics
from pymafx_live.pipeline.stats_file import StatsFile
from pymafx_live.pipeline.stop import Stop
from support.full_disk import full_disk


def frame_of(image: np.ndarray, sequence: int = 0, time: float = 0.0) -> Frame:
    height, width = image.shape[:2]
    return Frame(image, "cam", sequence, time, 100.0, Camera(width, height, 1, 1, 1, 1))


def result_of(sequence: int, people: int = 1, age: float = 0.5, **fields: object) -> FrameResult:
    rng = np.random.default_rng(sequence)
    return FrameResult(
        "cam", sequence, "run", sequence / 25, 100.0, 100.0 + age, Camera(160, 120, 1, 1, 1, 1),
        tuple(
            Person(
                number, TrackState.TRACKED, rng.normal(size=4).astype(np.float32), 0.5, "box",
                {"torso": Part(0.5, Origin.HELD)},
                body_pose=rng.normal(size=SHAPES["body_pose"]).astype(np.float32),
            )
            for number in range(people)
        ),
        **fields,
    )  # fmt: skip


FRAME = frame_of(np.zeros((120, 160, 3), np.uint8))
RESULT = result_of(0)


@pytest.mark.parametrize("codec", ["h264", "mpeg4"])
def test_a_video_keeps_frames_and_rate(clips, monkeypatch, codec):
    if codec == "mpeg4":
        monkeypatch.setattr(av, "codecs_available", {"mpeg4"})  # an FFmpeg without x264
    file = clips.folder / "new" / "out.mp4"
    sink = VideoSink(file)
    for number in range(30):
        sink.show(clips.picture(number), frame_of(clips.picture(number), number, 5 + number / 30))
    sink.close()
    images, times = clips.read(file)
    assert [clips.number(image) for image in images] == list(range(30))
    assert times == pytest.approx([n / 30 for n in range(30)], abs=1e-4)
    assert np.abs(images[20].astype(int) - clips.picture(20)).mean() < 4
    with av.open(str(file)) as container:
        assert container.streams.video[0].codec_context.name == codec
    with cv2_capture(file) as capture:  # another reader than the one that wrote it
        assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 30
        assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(30, rel=0.04)


class cv2_capture:  # noqa: N801  a context manager around OpenCV's class
    def __init__(self, file: Path) -> None:
        self.capture = cv2.VideoCapture(str(file))

    def __enter__(self) -> cv2.VideoCapture:
        return self.capture

    def __exit__(self, *error: object) -> None:
        self.capture.release()


def test_a_video_plays_at_the_pace_of_a_camera_that_drops(clips):
    file = clips.folder / "out.mp4"
    sink = VideoSink(file)
    moments = [0.0, 0.05, 0.3, 0.3, 0.9]
    for number, moment in enumerate(moments):
        sink.show(clips.picture(number), frame_of(clips.picture(number), number, moment))
    sink.close()
    images, times = clips.read(file)
    assert [clips.number(image) for image in images] == [0, 1, 2, 3, 4]
    assert times == pytest.approx(moments, abs=1e-3)


def test_a_video_takes_pictures_of_any_size(clips):
    file = clips.folder / "out.mp4"
    sink = VideoSink(file)
    for number, size in enumerate([(161, 121), (161, 121), (320, 100), (80, 240)]):
        image = np.full((size[1], size[0], 3), 255, np.uint8)
        sink.show(image, frame_of(image, number, number / 10))
    sink.close()
    images, _ = clips.read(file)
    assert [image.shape for image in images] == [(122, 162, 3)] * 4
    assert images[1][:120, :160].min() > 240  # an odd side gets one more pixel, and is not scaled
    wide, tall = images[2].mean(2) > 128, images[3].mean(2) > 128
    assert wide[61, 2] and wide[61, 159] and not wide[20].any() and not wide[101].any()
    assert tall[2, 81] and tall[119, 81] and not tall[:, 50].any() and not tall[:, 112].any()


KILLED = """
import os, signal, sys
import numpy as np
from pathlib import Path
from pymafx_live.pipeline.outputs.video import VideoSink
from pymafx_live.core.types import Camera, Frame
sink = VideoSink(Path(sys.argv[1]))
for n in range(100):
    image = np.full((120, 160, 3), n, np.uint8)
    sink.show(image, Frame(image, "cam", n, n / 25, 0, Camera(160, 120, 1, 1, 1, 1)))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
def test_a_video_plays_after_its_writer_was_killed(clips, opened, name):
    file = clips.folder / name
    assert subprocess.run([sys.executable, "-c", KILLED, str(file)]).returncode == -9
    frames = list(opened(file))
    assert 85 <= len(frames) <= 100  # no more than one fragment is lost
    assert [frame.time for frame in frames] == pytest.approx([n / 25 for n in range(len(frames))], abs=2e-3)


@pytest.mark.parametrize("name", ["pictures", "out.png"])
def test_a_place_that_cannot_be_written(tmp_path, name):
    (tmp_path / "file").touch()
    make = {"pictures": PictureFolderSink, "out.png": PictureFileSink}[name]
    with pytest.raises(UsageError, match=r"cannot write .*: give another --save"):
        make(tmp_path / "file" / name)


def test_a_full_disk_ends_in_a_sentence(clips):
    full = clips.folder / "out.mkv"
    full.symlink_to("/dev/full")
    sink = VideoSink(full)
    with pytest.raises(OutputError, match=r"cannot write .*out\.mkv .*No space left"):
        for number in range(400):
            image = np.random.default_rng(number).integers(0, 255, (240, 320, 3), np.uint8)
            sink.show(image, frame_of(image, number, number / 25))
    with suppress(OutputError):  # nothing else
        sink.close()


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_a_video_plays_to_its_end_after_the_disk_was_full(clips, name):
    file = clips.folder / name
    sink = VideoSink(file)
    with full_disk():
        with pytest.raises(OutputError, match=rf"cannot write .*{name} \(File too large\): free some space"):
            for number in range(600):
                sink.show(clips.picture(number), frame_of(clips.picture(number), number, number / 25))
        with suppress(OutputError):
            sink.close()
    images, _ = clips.read(file)
    assert [clips.number(image) for image in images] == list(range(len(images)))
    assert len(images) >= 100


def test_of_json_lines_and_pictures_only_whole_ones_are_left_on_a_full_disk(clips):
    output, folder = JsonOutput(str(clips.folder / "out.jsonl"), Stop()), PictureFolderSink(clips.folder)
    with full_disk():
        with pytest.raises(OutputError, match=r"cannot write .*out\.jsonl \(File too large\): free some space"):
            for number in range(40):
                output.write(result_of(number), FRAME)
        output.close()
    lines = (clips.folder / "out.jsonl").read_text()
    assert lines.endswith("\n") and lines.count("\n") > 5
    assert [json.loads(line)["sequence"] for line in lines.splitlines()] == list(range(lines.count("\n")))
    noise = np.random.default_rng(0).integers(0, 255, (400, 600, 3), np.uint8)
    with full_disk(), pytest.raises(OutputError, match=r"cannot write .*000000\.jpg \(File too large\): free some"):
        folder.show(noise, frame_of(noise))
    assert not list(clips.folder.glob("*.jpg"))


def test_pictures_go_into_a_folder_or_one_file(clips):
    folder = PictureFolderSink(clips.folder / "pictures")
    for number in (3, 12):
        folder.show(clips.picture(number), frame_of(clips.picture(number), number))
    written = sorted((clips.folder / "pictures").iterdir())
    assert [file.name for file in written] == ["000003.jpg", "000012.jpg"]
    assert [clips.number(cv2.imread(str(file))) for file in written] == [3, 12]

    single = PictureFileSink(clips.folder / "one.png")
    single.show(clips.picture(5), FRAME)
    assert (cv2.imread(str(clips.folder / "one.png")) == clips.picture(5)).all()
    with pytest.raises(UsageError, match=r"more than one frame and --save .*one\.png holds one picture"):
        single.show(clips.picture(6), FRAME)


def test_what_is_drawn_is_drawn_once_for_all(clips):
    class Redraw:
        calls = 0

        def draw(self, result, image):
            self.calls += 1
            return 255 - image

    class Keep:
        def __init__(self):
            self.images = []

        def show(self, image, result):
            self.images.append(image)

        def close(self):
            self.images.append("closed")

    overlay, sinks = Redraw(), [Keep(), Keep()]
    drawing = Drawing(overlay)
    for output in [DrawnOutput(str(n), Policy.ALL, drawing, lambda _, sink=sink: sink) for n, sink in enumerate(sinks)]:
        output.write(RESULT, FRAME)
        output.close()
    assert overlay.calls == 1
    for sink in sinks:
        assert (sink.images[0] == 255).all()
        assert sink.images[1] == "closed"


def test_a_recording_of_several_sources_is_saved_as_several(clips, tmp_path):
    (output,) = open_outputs(output_settings()(bind="", save=str(tmp_path / "out.mp4")), Run(Stop()))
    for result in [RESULT, replace(RESULT, source="a door"), replace(RESULT, sequence=1)]:
        output.write(result, None)
    output.close()
    lengths = {file.name: len(clips.read(file)[0]) for file in tmp_path.glob("out*")}
    assert lengths == {"out.mp4": 2, "out-a_door.mp4": 1}


def test_a_format_that_is_not_written(tmp_path):
    with pytest.raises(UsageError, match=r"out\.gif has a format that is not written here: give \.mp4"):
        list(open_outputs(output_settings()(bind="", save=str(tmp_path / "out.gif")), Run(Stop())))


@pytest.mark.skipif(sys.platform != "linux", reason="DISPLAY is X11's")
def test_a_window_without_a_display(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(UsageError, match=r"--show cannot open a window: .*use --save out\.mp4 instead"):
        list(open_outputs(output_settings()(bind="", show=True), Run(Stop())))


def test_json_lines_hold_every_result(tmp_path):
    output = JsonOutput(str(tmp_path / "new" / "out.jsonl"), Stop())
    sent = [result_of(n, people=n % 3, stages={"detect": 0.01}) for n in range(5)]
    for result in sent:
        output.write(result, FRAME)
        lines = (tmp_path / "new" / "out.jsonl").read_text().splitlines()
        assert from_map(json.loads(lines[-1])).sequence == result.sequence  # whole lines, at once
    output.close()
    again = [from_map(json.loads(line)) for line in lines]
    for result, back in zip(sent, again, strict=True):
        assert (result.source, result.time, result.stages) == (back.source, back.time, back.stages)
        for person, person_back in zip(result.people, back.people, strict=True):
            np.testing.assert_allclose(person_back.body_pose, person.body_pose, atol=6e-7)
            assert person_back.parts == person.parts


def test_a_closed_pipe_ends_the_run_quietly(monkeypatch):
    reading, writing = os.pipe()
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        stop = Stop()
        output = JsonOutput("-", stop)
        output.write(result_of(0), FRAME)
        assert not stop.requested
        os.close(reading)
        output.write(result_of(1), FRAME)
    assert stop.requested


def test_json_to_a_full_disk():
    output = JsonOutput("/dev/full", Stop())
    with pytest.raises(OutputError, match=r"cannot write /dev/full \(No space left on device\): free some"):
        output.write(result_of(0), FRAME)
    output.close()


def test_a_busy_port():
    first = ZmqOutput("tcp://127.0.0.1:*")
    address = first.address
    with pytest.raises(UsageError, match=rf"cannot publish on {address}: another program uses it; .*--bind"):
        ZmqOutput(address)
    first.close()
    ZmqOutput(address).close()  # closing gives the port back


def test_what_is_too_old_is_not_sent(caplog):
    """Frames of another age each: an age that the sender's clock gives, and no clock of the day."""
    output = ZmqOutput("tcp://127.0.0.1:*", ttl=0.5)
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(output.address)
        while not socket.poll(10):
            output.write(result_of(0), frame_of(FRAME.image))
        for number, age in enumerate([0.1, 0.7, 5.0, 0.2], 1):
            output.write(result_of(number), replace(frame_of(FRAME.image), captured=time.monotonic() - age))
        received = []
        while socket.poll(200):
            received.append(decode(socket.recv()))
    output.close()
    assert [result.sequence for result in received if result.sequence] == [1, 4]
    assert {result.ttl for result in received} == {0.5}
    assert sum("older than --ttl 0.5" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("joints", [0, 22, 55])
def test_as_many_joints_as_are_asked_for(joints, tmp_path):
    person = Person(1, TrackState.TRACKED, np.zeros(4, np.float32), 0.5, "box", {}, joints=np.ones((55, 3), np.float32))
    result = replace(result_of(0), people=(person,))
    output = JsonOutput(str(tmp_path / "out.jsonl"), Stop(), joints)
    output.write(result, None)
    output.close()
    (told,) = json.loads((tmp_path / "out.jsonl").read_text())["people"]
    assert len(told.get("joints", [])) == joints
    assert len(decode(encode(result, joints)).people[0].joints) == joints


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1", "tcp://300.0.0.1:5555"])
def test_an_address_that_is_none(address):
    with pytest.raises(
        UsageError, match=r"cannot publish on .*give (--bind )?an address such as tcp://127\.0\.0\.1:5555"
    ):
        ZmqOutput(address)


def test_a_subscriber_that_does_not_read_never_blocks_the_loop():
    output = ZmqOutput("tcp://127.0.0.1:*")
    address = output.address
    with zmq.Context() as context, context.socket(zmq.SUB) as lazy:
        lazy.setsockopt(zmq.RCVHWM, 1)
        lazy.setsockopt(zmq.SUBSCRIBE, b"")
        lazy.connect(address)
        output.write(result_of(0), FRAME)
        while not lazy.poll(10):
            output.write(result_of(0), FRAME)
        for number in range(1, 5000):  # far more than all buffers between hold
            output.write(result_of(number, people=8), FRAME)
        received = []
        while lazy.poll(200):
            received.append(decode(lazy.recv()).sequence)
    output.close()
    assert len(received) < 4900
    assert received == sorted(received)


def test_percentiles_agree_with_numpy():
    rng = np.random.default_rng(1)
    samples = rng.lognormal(-4, 1, 5000)
    durations = Durations()
    for sample in samples:
        durations.add(sample)
    for percent in (50, 95, 99):
        expected = np.percentile(samples, percent, method="inverted_cdf")
        assert durations.percentile(percent) == pytest.approx(expected, rel=0.006)
    assert math.isnan(Durations().percentile(50))


def test_the_closing_figures(tmp_path):
    statistics = Statistics()
    file = StatsFile(tmp_path / "new" / "stats.json", statistics)
    for number in range(10):
        result = result_of(number, people=2, age=0.25, stages={"detect": 0.02}, dropped=number)
        statistics.write(result)
    file.close()
    figures = json.loads((tmp_path / "new" / "stats.json").read_text())
    assert (figures["source"], figures["run_id"]) == ("cam", "run")
    assert (figures["frames"], figures["people"], figures["dropped"]) == (10, 2, 9)
    assert figures["fps"] == pytest.approx(10 / figures["seconds"], rel=0.05)
    for percent in ("p50", "p95", "p99"):
        assert figures["stages_ms"]["detect"][percent] == pytest.approx(20, rel=0.01)
        assert figures["age_ms"][percent] == pytest.approx(250, rel=0.01)


def test_stats_where_nothing_can_be_written(tmp_path):
    with pytest.raises(UsageError, match="give another --stats"):
        StatsFile(tmp_path, Statistics())
