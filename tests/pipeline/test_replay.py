"""Results that come from a file and have no frame, through every output."""

import json
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Camera, FrameResult, Origin, Part, Person, SourceState, TrackState
from pymafx_live.core.wire import UnknownVersionError, from_map
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.jsonl import JsonOutput, to_json
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.replay import read_results, replay
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop

COUNT = 40


@pytest.fixture
def recording(tmp_path):
    """Somebody who stands before the camera and comes closer, as `--json` writes it."""
    person = Person(
        1, TrackState.TRACKED, np.array([20, 20, 80, 110], np.float32), 0.9, "box",
        {"torso": Part(1.0, Origin.MEASURED)},
        global_orient=np.array([np.pi, 0, 0], np.float32),
    )  # fmt: skip
    file = tmp_path / "recorded.jsonl"
    with file.open("w") as lines:
        for number in range(COUNT):
            transl = np.array([0, 0.3, 4 - number / 40], np.float32)
            result = FrameResult(
                "cam", number, "run", number / 25, 100.0 + number / 25, 100.1 + number / 25,
                Camera(160, 120, 140.0, 140.0, 79.5, 59.5), (replace(person, transl=transl, pelvis=transl),),
            )  # fmt: skip
            print(to_json(result), file=lines)
    return file


def test_a_recording_reaches_every_file(recording, clips):
    (clips.folder / "pictures").mkdir()
    for outputs in ({"save": "out.mp4", "jsonl": "again.jsonl"}, {"save": "pictures"}):
        settings = output_settings()(bind="", **{key: str(clips.folder / name) for key, name in outputs.items()})
        stop = Stop()
        delivery = Delivery(open_outputs(settings, Run(stop)), stop, live=False)
        replay(read_results(recording), delivery)
        delivery.close()
        delivery.raise_error()
        assert [(f.written, f.dropped) for f in delivery.figures()] == [(COUNT, 0)] * len(outputs)
    *again, last = (clips.folder / "again.jsonl").read_text().splitlines(keepends=True)
    assert "".join(again) == recording.read_text()
    ended = from_map(json.loads(last))  # as the recording does not say what became of who was there
    assert ended.final and ended.sequence == COUNT - 1
    assert [(p.id, p.state, p.parts["torso"].origin) for p in ended.people] == [(1, TrackState.ENDED, Origin.HELD)]
    recording.write_text("".join([*again, last]))
    kept = JsonOutput(str(clips.folder / "third.jsonl"), Stop())
    delivery = Delivery([kept], Stop(), live=False)
    replay(read_results(recording), delivery)
    delivery.close()
    assert (clips.folder / "third.jsonl").read_text() == recording.read_text()  # and is said once
    images, times = clips.read(clips.folder / "out.mp4")
    assert times == pytest.approx([number / 25 for number in range(COUNT)], abs=1e-4)
    for image in (images[-1], cv2.imread(str(clips.folder / "pictures" / f"{COUNT - 1:06d}.jpg"))):
        assert image.shape == (120, 160, 3)
        assert image[45:75, 70:90].mean() > 60  # the body, on black
        assert image[:, 120:].mean() < 3


def test_a_recording_reaches_a_subscriber_with_its_own_times(recording):
    output = ZmqOutput("tcp://127.0.0.1:*")
    events, received = [], []
    with Subscriber(output.address, timeout=0.2, on_event=events.append) as subscriber:
        with suppress(NoMessageError):
            next(subscriber)  # by then it has connected
        delivery = Delivery([output], Stop(), live=False)
        first = list(read_results(recording))[:2]
        replay(first, delivery)
        delivery.close()
        while len(received) < 3 or len(events) < 2:
            with suppress(NoMessageError):
                received.append(next(subscriber))
    assert [result.final for result in received] == [False, False, True]
    assert [(result.sequence, result.age) for result in received[:2]] == [(r.sequence, r.age) for r in first]
    assert [event.state for event in events] == [SourceState.LIVE, SourceState.ENDED]


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb, a display in memory, is not installed")
def test_a_recording_in_a_window(recording):
    code = f"""
from pathlib import Path
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.replay import read_results, replay
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
stop = Stop()
delivery = Delivery(open_outputs(output_settings()(bind="", show=True), Run(stop)), stop, live=False)
replay(read_results(Path({str(recording)!r})), delivery)
delivery.close()
delivery.raise_error()
(figures,) = delivery.figures()
print(figures.written + figures.dropped, figures.written > 0, stop.requested)
"""
    done = subprocess.run(["xvfb-run", "-a", sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == [str(COUNT), "True", "False"], done.stderr
    assert not done.stderr  # Qt's warnings


def test_a_recording_of_a_run_that_was_killed(recording):
    recording.write_bytes(recording.read_bytes()[:-200])
    assert [result.sequence for result in read_results(recording)] == list(range(COUNT - 1))


@pytest.mark.parametrize("line", ["no json", "[]", '{"version": 1}', "\xff"])
def test_a_file_that_is_no_recording(recording, line):
    content = recording.read_bytes().splitlines(keepends=True)
    content[2] = line.encode("latin-1") + b"\n"
    recording.write_bytes(b"".join(content))
    with pytest.raises(SourceError, match=r"recorded\.jsonl") as raised:
        list(read_results(recording))
    assert "\n" not in str(raised.value)


def test_a_recording_of_another_release(recording):
    recording.write_text(json.dumps({"version": 9}) + "\n")
    with pytest.raises(UnknownVersionError, match="version 9"):
        list(read_results(recording))


def test_a_recording_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match=r"cannot read .*nowhere\.jsonl \(No such file"):
        list(read_results(tmp_path / "nowhere.jsonl"))
