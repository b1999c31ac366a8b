"""Whole runs in processes of their own, with the real detector, tracker and engine, ended in every way."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Timer

import av
import cv2
import numpy as np
import pytest
from pymafx_live.configs.schema import RunSettings, Settings, SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Origin, Part, SourceEvent, SourceState
from pymafx_live.core.wire import from_map
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.client import Subscriber
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.trackers import TRACKERS
from pymafx_live.trackers.sort import Sort

COMMAND = [sys.executable, "-c", "from pymafx_live.pipeline.cli import main; main()"]
PEOPLE = Path(__file__).parents[1] / "data"
MANY = 1000  # frames: far more than are ever done before the run is ended


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `pymafx-live` with arguments in an empty folder; killed at the latest after two minutes.

    A child inherits whether SIGINT is ignored, as it is for pytest in the background of a script: here it is not.
    """
    disposition = signal.signal(signal.SIGINT, signal.default_int_handler)
    processes: list[subprocess.Popen[str]] = []
    timers: list[Timer] = []

    def launch(*arguments: object) -> subprocess.Popen[str]:
        command = [*COMMAND, *(str(argument) for argument in arguments)]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True))
        timers.append(Timer(120, processes[-1].kill))
        timers[-1].start()
        return processes[-1]

    yield launch
    for timer in timers:
        timer.cancel()
    for process in processes:
        process.kill()
        process.communicate()
    signal.signal(signal.SIGINT, disposition)


def wait_for_lines(file: Path, count: int, process: subprocess.Popen[str]) -> None:
    for _ in range(1200):
        if file.exists() and file.read_text().count("\n") >= count:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    raise AssertionError(f"{file} has not got {count} lines in a minute")


def results_in(text: str) -> list:
    assert text.endswith("\n")
    return [from_map(json.loads(line)) for line in text.splitlines()]


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def test_a_run_to_the_end_of_a_file(clips, start):
    file = clips.write(count=6)
    process = start("--source", file, "--bind", "", "--json", "-", "--stats", "stats.json", "--save", "out.mp4")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    results = results_in(out)
    assert [result.sequence for result in results] == list(range(6))
    assert results[0].camera.assumed
    images, times = clips.read(clips.folder / "out.mp4")
    assert [clips.number(image) for image in images] == list(range(6))
    assert times == pytest.approx([n / 25 for n in range(6)], abs=1e-4)
    figures = json.loads((clips.folder / "stats.json").read_text())
    assert (figures["frames"], figures["dropped"], figures["run_id"]) == (6, 0, results[0].run_id)
    assert set(figures["stages_ms"]) >= {"detect", "track", "estimate"}
    assert "clip.mp4: 6 frames" in err
    assert "detect" in err


@pytest.mark.parametrize(
    ("number", "realtime"), [(signal.SIGINT, True), pytest.param(signal.SIGTERM, False, marks=pytest.mark.slow)]
)
def test_a_signal_ends_a_run_and_everything_is_whole(clips, start, number, realtime):
    file = clips.write(count=MANY)
    process = start(
        "--source", file, "--bind", "", "--json", "out.jsonl", "--save", "out.mp4", "--stats", "stats.json",
        *(["--realtime"] if realtime else []),
    )  # fmt: skip
    wait_for_lines(clips.folder / "out.jsonl", 5, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    results = results_in((clips.folder / "out.jsonl").read_text())
    assert 5 <= len(results) < MANY
    images, _ = clips.read(clips.folder / "out.mp4")
    assert [clips.number(image) for image in images] == [result.sequence for result in results]
    assert json.loads((clips.folder / "stats.json").read_text())["frames"] == len(results)


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files as Linux does")
def test_a_full_disk_ends_the_recordings_and_nothing_else(clips, start):
    """No file may grow beyond 12 kB here: for who writes, as on a disk that is full."""
    address = free_address()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    events: list[SourceEvent] = []
    with Subscriber(address, timeout=60, on_event=events.append) as results:
        file = clips.write(count=MANY)
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, limits[1]))
        try:
            process = start("--source", file, "--bind", address, "--json", "out.jsonl", "--save", "out.mp4")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert process.stderr is not None
        first, *said = (process.stderr.readline().strip() for _ in range(3))
        after = [next(results).sequence for _ in range(100)]  # more than can have been on their way
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert list(dict.fromkeys(event.state for event in events))[:2] == [SourceState.CONNECTING, SourceState.LIVE]
    assert first.startswith("runtime: ")
    assert sorted(said) == [
        f"cannot write {name} (File too large): free some space" for name in ("out.jsonl", "out.mp4")
    ]
    assert process.returncode == 5, err
    assert err.count("ended early: cannot write") == 2
    assert err.splitlines()[-1] == "pymafx-live: cannot write out.jsonl (File too large): free some space"
    lines = results_in((clips.folder / "out.jsonl").read_text())
    images, _ = clips.read(clips.folder / "out.mp4")
    assert 10 <= len(lines) < after[-1] and 10 <= len(images) < after[-1]
    assert [line.sequence for line in lines] == list(range(len(lines)))
    assert [clips.number(image) for image in images] == list(range(len(images)))


@pytest.mark.slow
def test_a_run_that_was_started_ignoring_sigint_ends_on_sigterm_only(clips, start):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a shell does for a job in the background
    process = start("--source", clips.write(count=MANY), "--realtime", "--bind", "", "--json", "out.jsonl")
    wait_for_lines(clips.folder / "out.jsonl", 2, process)
    process.send_signal(signal.SIGINT)
    wait_for_lines(clips.folder / "out.jsonl", 10, process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


@pytest.mark.slow
def test_what_was_written_survives_a_kill(clips, start, opened):
    process = start("--source", clips.write(count=MANY), "--bind", "", "--json", "out.jsonl", "--save", "out.mp4")
    wait_for_lines(clips.folder / "out.jsonl", 40, process)
    process.kill()
    process.wait()
    lines = (clips.folder / "out.jsonl").read_text().splitlines()
    assert [json.loads(line)["sequence"] for line in lines[:40]] == list(range(40))
    numbers = [clips.number(frame.image) for frame in opened(clips.folder / "out.mp4")]
    assert len(numbers) >= 15  # all but the last fragment
    assert numbers == list(range(len(numbers)))


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_a_run(clips, start):
    process = start("--source", clips.write(count=MANY), "--bind", "", "--json", "-")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["sequence"] == 0
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()


@pytest.mark.slow
def test_a_source_that_fails_leaves_what_it_gave(clips, start):
    """A stream that falls silent for good: exit code 4, one sentence, and the results until then."""
    (clips.folder / "live.yaml").write_text("source: {timeout: 2.0, give_up: 0.0}")
    data = clips.write("clip.ts", count=60).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        process = start(
            "--source", url, "--config", "live.yaml", "--bind", "", "--json", "out.jsonl", "--save", "out.mp4"
        )
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)
            _, err = process.communicate(timeout=120)
    assert process.returncode == 4
    assert err.splitlines()[-1].endswith("check that it is on and reachable; it was given up after 0 s")
    results = results_in((clips.folder / "out.jsonl").read_text())
    assert results
    assert len(clips.read(clips.folder / "out.mp4")[0]) == len(results)


@pytest.mark.parametrize(("interrupt", "code"), [(True, 130), (False, 4)])
def test_a_camera_that_never_comes(start, interrupt, code):
    url = free_address().replace("tcp", "rtsp")
    process = start("--source", url, "--bind", "", *([] if interrupt else ["--give-up", 0.2]))
    assert process.stderr is not None
    waiting = process.stderr.readline()
    assert waiting.startswith(f"waiting for a source: {url} refused the connection: check the address")
    if interrupt:
        process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert interrupt or err.endswith("and that the server runs; it was given up after 0.2 s\n")


@pytest.mark.slow
def test_a_signal_ends_a_run_whose_stream_hangs(clips, start):
    """The read would go on for 300 s; the process does not wait for it, and ends cleanly in spite of it."""
    (clips.folder / "live.yaml").write_text("source: {timeout: 300.0}")
    data = clips.write("clip.ts", count=60).read_bytes()
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        process = start("--source", url, "--config", "live.yaml", "--bind", "", "--json", "out.jsonl")
        connection, _ = server.accept()
        with connection:
            connection.sendall(data)
            wait_for_lines(clips.folder / "out.jsonl", 1, process)
            time.sleep(1)  # now it hangs
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert results_in((clips.folder / "out.jsonl").read_text())


def test_the_demo_reaches_a_subscriber_and_a_video(start, tmp_path):
    """The embedded clip through the real parts, received over a real socket, saved and counted."""
    address = free_address()
    with Subscriber(address, "demo", timeout=120) as results:
        process = start(
            "--source", "demo", "--bind", address, "--max-frames", 12,
            "--save", "out.mp4", "--json", "out.jsonl", "--stats", "stats.json",
        )  # fmt: skip
        received = next(results)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = results_in((tmp_path / "out.jsonl").read_text())
    assert [(line.sequence, line.final) for line in lines] == [*((n, False) for n in range(12)), (11, True)]
    assert {person.state for person in lines[-1].people} == {"ended"}
    person = received.people[0]
    same = lines[received.sequence].people[0]
    np.testing.assert_allclose(person.full_pose, same.full_pose, atol=1e-5)
    assert person.parts["torso"].origin is Origin.MEASURED
    assert person.parts["betas"].origin is Origin.DEFAULT
    assert {line.people[0].id for line in lines} == {person.id}
    with av.open(str(tmp_path / "out.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 12
    assert json.loads((tmp_path / "stats.json").read_text())["frames"] == 12
    assert "12 frames" in err and "estimate" in err


@pytest.mark.slow
def test_the_demo_shows_the_two_people_that_are_in_it(tmp_path):
    """One stands, the other walks by behind and leaves at the side: two ids, and nobody jumps or rises."""
    output = {"bind": "", "jsonl": str(tmp_path / "out.jsonl")}
    run(run_settings().model_validate({"source": {"uri": "demo"}, "output": output}), Statistics())
    results = results_in((tmp_path / "out.jsonl").read_text())
    where: dict[int, list[tuple[int, np.ndarray]]] = {}
    for result in results:
        for person in result.people:
            if person.parts["transl"].origin is not Origin.DEFAULT:
                where.setdefault(person.id, []).append((result.sequence, person.pelvis))
    assert set(where) == {1, 2}
    for places in where.values():
        for (one, before), (other, now) in pairwise(places):
            assert other - one <= 1
            assert np.abs(now - before)[1] < 0.1 and np.abs(now - before)[2] < 0.4
        heights = np.array([place[1] / place[2] for _, place in places])
        assert np.ptp(heights) < 0.08


def test_people_arrive_over_a_real_socket(start, tmp_path):
    """Two people of photos, published by one process and received by two others: a client and `listen`."""
    address = free_address()
    photos = [cv2.resize(cv2.imread(str(PEOPLE / name)), (512, 512)) for name in ("astronaut.jpg", "hopper.jpg")]
    cv2.imwrite(str(tmp_path / "both.png"), np.hstack(photos))
    (tmp_path / "film").mkdir()
    for number in range(MANY):  # a film of one picture, which is not over before a subscriber has connected
        (tmp_path / "film" / f"{number}.png").symlink_to(tmp_path / "both.png")
    with Subscriber(address, "both", timeout=120) as results:
        listener = start("listen", "--connect", address, "--max-frames", 1)
        process = start("--source", "film", "--image-fps", 25, "--name", "both", "--bind", address)
        result = next(results)
        out, _ = listener.communicate(timeout=60)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert (result.camera.width, result.camera.height) == (1024, 512)
    assert len(result.people) == 2
    assert all(person.full_pose.shape == (55, 3) for person in result.people)
    left, right = sorted(result.people, key=lambda person: float(person.box[0]))
    assert left.parts["transl"].origin is right.parts["transl"].origin is Origin.MEASURED
    assert left.pelvis[0] < 0 < right.pelvis[0]
    assert all(0.3 < person.pelvis[2] < 5 for person in result.people)
    assert out.startswith("both #")
    assert "parts measured" in out


def test_ctrl_c_before_the_first_frame(start):
    """While a camera that answers to nothing is being opened."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        process = start("--source", f"http://127.0.0.1:{server.getsockname()[1]}/live", "--bind", "")
        server.accept()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert out == "" and "Traceback" not in err


@pytest.mark.slow
def test_listening_tells_nobody_from_silence(clips, start):
    address = free_address()
    listener = start("listen", "--connect", address, "--max-frames", 2)
    assert listener.stderr is not None and listener.stdout is not None
    assert "no message from" in listener.stderr.readline()
    process = start("--source", clips.write(count=MANY), "--bind", address)
    assert "nobody" in listener.stdout.readline()
    assert listener.wait(timeout=60) == 0
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


@pytest.mark.slow
def test_listening_as_json(clips, start):
    address = free_address()
    listener = start("listen", "--connect", address, "--json", "--source", "clip.mp4", "--max-frames", 3)
    process = start("--source", clips.write(count=MANY), "--bind", address)
    out, _ = listener.communicate(timeout=120)
    process.kill()
    results = results_in(out)
    assert len(results) == 3
    assert {result.source for result in results} == {"clip.mp4"}


def test_a_listener_is_ended_by_a_signal(start):
    listener = start("listen", "--connect", free_address())
    assert listener.stderr is not None
    assert "no message" in listener.stderr.readline()
    os.kill(listener.pid, signal.SIGINT)
    _, err = listener.communicate(timeout=30)
    assert (listener.returncode, err) == (0, "")


def test_detector_and_engine_share_the_pictures(clips, green_detector, box_engine):
    """So that a frame goes up to a GPU once."""
    given = []

    def made(part):
        return lambda settings, pictures: given.append(pictures) or part

    settings = Settings(
        source=SourceSettings(uri=str(clips.write(count=3))),
        run=RunSettings(overlap=True),
    )
    run(settings, Statistics(), makers=Makers(detector=made(green_detector), engine=made(box_engine)))
    assert len(given) == 2 and given[0] is given[1] and isinstance(given[0], Pictures)
    assert green_detector.calls == len(box_engine.tracks) == 3


@pytest.mark.parametrize(("realtime", "overlap"), [(False, False), (True, False), (True, True)])
def test_what_is_live_is_detected_as_often_as_it_needs_and_a_file_on_every_frame(
    clips, green_detector, box_engine, realtime, overlap
):
    """The engine of this test says where it sees people, as the real ones do."""

    def people(frame, tracks, plain=box_engine.people):
        where = [{"keypoints": np.tile([*t.box[:2], 1], (33, 1)).astype(np.float32)} for t in tracks]
        parts = {"transl": Part(1.0, Origin.MEASURED)}
        return [replace(p, parts=parts, extra=e) for p, e in zip(plain(frame, tracks), where, strict=True)]

    box_engine.people = people
    settings = Settings(
        source=SourceSettings(uri=str(clips.write(count=40)), realtime=realtime),
        run=RunSettings(overlap=overlap),
    )
    statistics = Statistics()
    run(settings, statistics, makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine))
    if realtime and not overlap:
        assert green_detector.calls < statistics.frames * 2 / 3
    else:
        assert green_detector.calls == statistics.frames


class Hundreds(Sort):
    """SORT that counts from `first`, a tracker as somebody else may bring it."""

    def __init__(self, *, first: int) -> None:
        super().__init__()
        self._first = first

    def update(self, boxes, scores, time, looks=None):
        return [replace(track, id=track.id - 1 + self._first) for track in super().update(boxes, scores, time, looks)]


def test_a_tracker_of_ones_own_is_a_class_and_a_line(clips, green_detector, box_engine, tmp_path, monkeypatch):
    monkeypatch.setitem(TRACKERS, "hundreds", f"{__name__}:Hundreds")
    settings = run_settings().model_validate({
        "source": {"uri": str(clips.write(count=5))}, "output": {"bind": "", "jsonl": str(tmp_path / "out.jsonl")},
        "tracker": {"name": "hundreds", "options": {"first": 300}},
    })  # fmt: skip
    run(settings, Statistics(), makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine))
    results = results_in((tmp_path / "out.jsonl").read_text())
    assert [[person.id for person in result.people] for result in results] == [[300]] * 6  # the last says goodbye


def play_several(uris, engine, detector, statistics=None, **output):
    """What a run of several sources gives: its statistics."""
    sources = [{"uri": str(uri)} for uri in uris]
    settings = run_settings().model_validate({"sources": sources, "output": {"bind": "", **output}})
    statistics = statistics or Statistics()
    run(settings, statistics, makers=Makers(detector=lambda *_: detector, engine=lambda *_: engine))
    return statistics


def test_of_several_sources_one_that_cannot_be_opened_does_not_end_the_others(
    clips, green_detector, box_engine, caplog, tmp_path
):
    there, lines = clips.write(count=5), tmp_path / "out.jsonl"
    statistics = Statistics()
    with pytest.raises(
        SourceError, match=r"1 of the 3 sources failed while the others went on: there is no file absent"
    ):
        play_several([there, "absent.mp4", there], box_engine, green_detector, statistics, jsonl=str(lines))
    assert statistics.frames == 10 and statistics.people == {("clip.mp4", 1), ("clip.mp4-2", 1)}
    assert [record.message for record in caplog.records if "absent.mp4" in record.message] == [
        "a source has failed: there is no file absent.mp4: check the path given as --source"
    ]
    named = [json.loads(line)["source"] for line in lines.read_text().splitlines()]
    assert named[:8] == ["clip.mp4", "clip.mp4-2"] * 4
    assert sorted(named) == ["clip.mp4"] * 6 + ["clip.mp4-2"] * 6  # the last of each when it ends
    with pytest.raises(SourceError, match=r"there is no file absent\.mp4"):
        play_several(["absent.mp4", "gone.mp4"], box_engine, green_detector)


def test_each_of_several_sources_is_saved_on_its_own(clips, green_detector, box_engine, tmp_path):
    wide, tall = clips.write(name="wide.mp4", count=3), clips.write(name="tall.mp4", size=(96, 160), count=5)
    play_several([wide, tall], box_engine, green_detector, save=str(tmp_path / "o.mp4"))
    shapes = {file.name: (len(frames := clips.read(file)[0]), *frames[0].shape[:2]) for file in tmp_path.glob("o-*")}
    assert shapes == {"o-wide.mp4.mp4": (3, *clips.picture(0).shape[:2]), "o-tall.mp4.mp4": (5, 160, 96)}
    play_several([wide, tall], box_engine, green_detector, save=str(tmp_path / "photos"))
    assert len(list((tmp_path / "photos" / "tall.mp4").glob("*.jpg"))) == 5


def test_a_folder_with_a_bad_picture_is_run_to_its_end_and_the_error_tells(clips, green_detector, box_engine, tmp_path):
    (tmp_path / "photos").mkdir()
    for number in range(3):
        cv2.imwrite(str(tmp_path / "photos" / f"{number}.png"), clips.picture(number))
    (tmp_path / "photos" / "1.png").write_bytes(b"no picture")
    settings = run_settings().model_validate({
        "source": {"uri": str(tmp_path / "photos")}, "output": {"bind": "", "jsonl": str(tmp_path / "out.jsonl")},
    })  # fmt: skip
    with pytest.raises(SourceError, match=r"1 of the 3 images of .*photos were left out \(1\.png\): replace or remove"):
        run(settings, Statistics(), makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine))
    results = results_in((tmp_path / "out.jsonl").read_text())
    assert [(result.sequence, result.dropped) for result in results if not result.final] == [(0, 0), (2, 1)]
