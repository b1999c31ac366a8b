"""Whole programs on cameras that fail in every way: what comes after a fault is as what was before it."""

import json
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import zmq
from pymafx_live.bench.mjpeg_camera import MjpegCamera
from pymafx_live.bench.rtsp_camera import RtspCamera
from pymafx_live.bench.soak_watch import Watched
from support.camera_process import CameraProcess
from support.slow_link import SlowLink
from support.survival import frames, survived

FPS = 10
KEY_FRAMES = 5 / FPS
SIZE = (320, 240)
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)

Start = Callable[..., Watched]


@pytest.fixture
def film(clips) -> Path:
    return clips.write("film.h264", count=100, fps=FPS, size=SIZE)


@pytest.fixture
def start(tmp_path, monkeypatch) -> Iterator[Start]:
    """Starts `pymafx-live` on a camera; its detector and engine are light, everything else is as it is."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    running: list[Watched] = []

    def started(url: str, taken: Callable[[], list], *arguments: object, **extra: str) -> Watched:
        (tmp_path / "live.yaml").write_text("source: {timeout: 2.0, name: cam}")
        address = "ipc://" + str(tmp_path / "live.sock")
        running.append(
            Watched(
                "run", ["--config", tmp_path / "live.yaml", "--source", url, "--bind", address,
                "--detector", "green", "--engine", "box", "--json", "out.jsonl", "--stats", "stats.json", *arguments],
                tmp_path, {"cam": taken}, ["support.light_parts"], extra,
            )
        )  # fmt: skip
        return running[-1]

    yield started
    for program in running:
        program.__exit__()


def assert_recorded(program: Watched) -> None:
    """It ends as it should, and every result that was published is in its file."""
    assert program.end() == 0, program.said
    lines = [json.loads(line) for line in (program.folder / "out.jsonl").read_text().splitlines()]
    program.__exit__()
    assert [("cam", line["sequence"]) for line in lines if not line.get("final")] == program.published


def test_a_camera_whose_server_is_killed_and_started_again(film, start):
    with CameraProcess(film, FPS) as camera:
        program = start(camera.url, lambda: camera.taken)
        with survived(program, "cam", KEY_FRAMES):
            camera.kill()
            time.sleep(1)
            camera.start()
        assert_recorded(program)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [1, 8])
def test_a_camera_whose_server_is_stopped_and_goes_on(film, start, seconds):
    """For less than the source's `timeout`, and for several connections that nobody answers."""
    with CameraProcess(film, FPS) as camera:
        program = start(camera.url, lambda: camera.taken)
        with survived(program, "cam", KEY_FRAMES):
            camera.stop()
            time.sleep(seconds)
            camera.go_on()
        assert_recorded(program)


@pytest.mark.slow
@pytest.mark.parametrize("silent_at", ["OPTIONS", "DESCRIBE", "PLAY"])
def test_a_camera_that_comes_back_and_keeps_silent(film, start, silent_at):
    with RtspCamera([film], FPS) as camera:
        program = start(camera.url, lambda: camera.taken)
        with survived(program, "cam", KEY_FRAMES):
            camera.faults.silent_at = silent_at
            asked = camera.requests.count(silent_at)
            camera.stop()
            camera.start()
            while camera.requests.count(silent_at) < asked + 3:
                time.sleep(0.05)
            camera.faults.silent_at = ""
        assert_recorded(program)


@pytest.mark.slow
def test_a_camera_that_loses_damages_and_truncates_for_a_while(film, start):
    with RtspCamera([film], FPS) as camera:
        program = start(camera.url, lambda: camera.taken, "--rtsp-transport", "udp")
        with survived(program, "cam", KEY_FRAMES):
            camera.faults.loss = camera.faults.flip = camera.faults.cut = camera.faults.reorder = 0.2
            time.sleep(3)
            camera.faults.loss = camera.faults.flip = camera.faults.cut = camera.faults.reorder = 0.0
        assert_recorded(program)


@pytest.mark.slow
def test_a_link_that_stands_still(film, start):
    with RtspCamera([film], FPS) as camera, SlowLink(camera.port, rate=1e7) as link:
        program = start(camera.url.replace(str(camera.port), str(link.port)), lambda: camera.taken)
        with survived(program, "cam", KEY_FRAMES):
            link.held.set()
            time.sleep(4)
            link.held.clear()
        assert_recorded(program)


@pytest.mark.slow
def test_an_mjpeg_camera_that_breaks_off_and_falls_silent(clips, start):
    with MjpegCamera([clips.picture(number, SIZE) for number in range(100)], FPS) as camera:
        program = start(camera.url, lambda: camera.taken)
        with survived(program, "cam", 0):
            camera.break_off()
            frames(program, "cam", 5, time.monotonic())
            camera.silent.set()
            time.sleep(4)
            camera.silent.clear()
        assert_recorded(program)


@pytest.mark.slow
def test_subscribers_that_never_read_and_that_flood(film, start):
    with RtspCamera([film], FPS) as camera:
        program = start(camera.url, lambda: camera.taken)
        with survived(program, "cam", KEY_FRAMES), zmq.Context() as context:
            for _ in range(3):
                rude = [context.socket(zmq.SUB) for _ in range(4)]
                for peer in rude:
                    peer.setsockopt(zmq.LINGER, 0)
                    peer.setsockopt(zmq.RCVHWM, 1)
                    peer.connect(program.address)
                    peer.subscribe(b"")
                    for number in range(3000):
                        peer.subscribe(f"smplx/{number}/".encode())
                time.sleep(1)
                for peer in rude:
                    peer.close()
        assert_recorded(program)


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="needs Debian's package faketime: libfaketimeMT.so.1")
@pytest.mark.parametrize("step", ["+3600", "-3600"])
def test_a_clock_of_the_day_that_is_set(film, start, tmp_path, step):
    """What is told of time follows it nowhere but in `captured_at`, which is the time of day."""
    (tmp_path / "offset").write_text("+0")
    with RtspCamera([film], FPS) as camera:
        program = start(
            camera.url, lambda: camera.taken, LD_PRELOAD=str(FAKETIME), FAKETIME_CACHE_DURATION="1",
            DONT_FAKE_MONOTONIC="1", FAKETIME_TIMESTAMP_FILE=str(tmp_path / "offset"),
        )  # fmt: skip
        with survived(program, "cam", KEY_FRAMES):
            (tmp_path / "offset").write_text(step)
            frames(program, "cam", 3 * FPS, time.monotonic())
        assert_recorded(program)
    lines = [json.loads(line) for line in (program.folder / "out.jsonl").read_text().splitlines()]
    lines = [line for line in lines if not line.get("final")]
    taken = [line["captured_at"] - line["time"] for line in lines]
    assert taken[-1] - taken[0] == pytest.approx(float(step), abs=1)  # it was set indeed
    # far from the hour, and no less than a busy machine may need
    assert all(0 < later["time"] - one["time"] < 600 for one, later in pairwise(lines))
    assert all(0 < line["published_at"] - line["captured_at"] < 600 for line in lines)
