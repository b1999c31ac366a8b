"""Results that come from a file and have no frame, through every output."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile

import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import (
    Camera,
    Frame,
    FrameResult,
    Origin,
    Part,
    Person,
    SourceEvent,
    SourceState,
    TrackState,
)
from pymafx_live.core.wire import UnknownVersionError, from_map
from pymafx_live.pipeline import cli
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.jsonl import JsonOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.recordings.lines import JsonLines, read_results, to_json
from pymafx_live.pipeline.replay import replay
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
from support.recordings import recorded, told

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
        replay(JsonLines().read(recording), delivery)
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
    replay(JsonLines().read(recording), delivery)
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
        replay([(result, None) for result in first], delivery)
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
from pymafx_live.pipeline.recordings.lines import JsonLines
from pymafx_live.pipeline.replay import replay
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
stop = Stop()
delivery = Delivery(open_outputs(output_settings()(bind="", show=True), Run(stop)), stop, live=False)
replay(JsonLines().read(Path({str(recording)!r})), delivery)
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


@pytest.fixture
def journal(tmp_path):
    return Mcap().write(recorded(12), tmp_path / "run.mcap", lambda file: file)[0]


def run_command(*arguments):
    with pytest.raises(SystemExit) as ended:
        cli.main.main([str(argument) for argument in (*arguments, "--bind", "")], prog_name="pymafx-live")
    return ended.value.code


def test_a_journal_is_a_source(journal, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_command("--source", journal, "--json", "out.jsonl", "--record", "again.mcap") == 0
    results = [item[0] for item in recorded(12) if not isinstance(item, SourceEvent)]
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [to_json(result, 22) for result in results]
    assert told(list(Mcap().read(tmp_path / "again.mcap"))) == told(recorded(12))
    assert run_command("--source", "out.jsonl", "--json", "third.jsonl", "--joints", "all") == 0
    assert (tmp_path / "third.jsonl").read_text() == (tmp_path / "out.jsonl").read_text()


def test_a_journal_at_its_own_times(journal, tmp_path):
    began = time.monotonic()
    assert run_command("--source", journal, "--realtime", "--json", tmp_path / "out.jsonl") == 0
    assert time.monotonic() - began >= 11 / 25  # which it cannot but take
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 13


def test_results_with_pictures_are_published_with_their_own_ages(tmp_path):
    items = []
    for item in recorded(25):
        if not isinstance(item, SourceEvent):
            result, image = item[0], np.zeros((120, 160, 3), np.uint8)
            frame = Frame(image, "cam", result.sequence, result.time, result.captured_at, result.camera)
            item = (result, None if result.final else frame)
        items.append(item)
    (file,) = Mcap().write(items, tmp_path / "run.mcap", lambda file: file)
    address = f"ipc://{tmp_path}/sock"

    with ThreadPoolExecutor(1) as threads, Subscriber(address, timeout=30) as subscriber:
        ages = threads.submit(lambda: [result.age for result in takewhile(lambda r: not r.final, subscriber)])
        with pytest.raises(SystemExit):
            cli.main.main(["--source", str(file), "--realtime", "--bind", address], prog_name="pymafx-live")
        assert ages.result() == pytest.approx([0.05] * len(ages.result())) and ages.result()


def test_one_source_of_a_recording_of_several_or_each_on_its_own(tmp_path):
    both = [item for pair in zip(recorded(5), recorded(5, source="door"), strict=True) for item in pair]
    (file,) = Mcap().write(both, tmp_path / "run.mcap", lambda file: file)
    assert run_command("--source", file, "--save", tmp_path / "out.mp4") == 0
    assert sorted(made.name for made in tmp_path.glob("*.mp4")) == ["out-door.mp4", "out.mp4"]
    assert run_command("--source", file, "--name", "door", "--json", tmp_path / "out.jsonl") == 0
    assert {json.loads(line)["source"] for line in (tmp_path / "out.jsonl").read_text().splitlines()} == {"door"}


@pytest.mark.parametrize("address", ["file://{}", "file:{}.txt", "env:RECORDING"])
def test_a_recording_by_another_address(journal, tmp_path, monkeypatch, address):
    monkeypatch.setenv("RECORDING", str(journal))
    journal.with_name(journal.name + ".txt").write_text(str(journal))
    assert run_command("--source", address.format(journal), "--json", tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 13


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--source", "nowhere.mcap"], 4, "cannot read nowhere.mcap"),
        (["--source", "empty.mcap", "--json", "kept.jsonl", "--overwrite"], 4, "empty.mcap is empty"),
        (["--source", "empty.jsonl"], 4, "empty.jsonl is empty"),
        (["--source", "run.mcap", "--name", "door", "--json", "kept.jsonl", "--overwrite"], 4, "of a source 'door'"),
        (["--source", "run.mcap", "--json", "keys", "--curve", "keys", "--overwrite"], 2, "would destroy keys"),
        (["--source", "run.mcap", "--source", "demo"], 2, "replayed alone"),
        (["--source", "run.mcap", "--loop"], 2, "leave --loop out"),
        (["--source", "run.mcap", "--record", "run.mcap"], 2, "would destroy run.mcap"),
        (["--source", "run.mcap", "--json", "a.jsonl", "--record", "a.jsonl"], 2, "written by another output too"),
        (["--source", "run.mcap", "--vmc", "foo"], 2, "`output.vmc` cannot be 'foo': give host:port of an app that"),
        (["--source", "run.mcap", "--record", "out.xyz"], 2, "out.xyz has an ending that is not known: give one of"),
    ],
)
def test_what_cannot_be_replayed(journal, tmp_path, monkeypatch, capsys, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.mcap").touch()
    (tmp_path / "empty.jsonl").touch()
    (tmp_path / "keys").write_text("a secret")
    (tmp_path / "kept.jsonl").write_text("kept")
    assert run_command(*arguments) == code
    assert said in (err := capsys.readouterr().err) and err.count("\n") == 1
    assert (tmp_path / "kept.jsonl").read_text() == "kept"
