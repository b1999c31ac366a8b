"""Streams over real sockets: TCP and HTTP servers on the loopback device that send, refuse, or keep silent."""

import gc
import itertools
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import av
import cv2
import numpy as np
import pytest
from pymafx_live.bench.mjpeg_camera import MjpegCamera
from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin, Frame, SourceEvent, SourceState
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.sources import SOURCES, open_source
from pymafx_live.pipeline.sources.files import FileReader
from pymafx_live.pipeline.stop import Stop
from support.watching import frames_of, wait_until

Serve = Callable[[socket.socket], None]


@pytest.fixture
def serve() -> Iterator[Callable[[Serve], str]]:
    """Starts a server that hands its connections to a function; gives its host and port."""
    servers: list[socket.socket] = []

    def start(talk: Serve) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, suppress(OSError):
                        talk(connection)

        Thread(target=accept, daemon=True).start()
        return f"127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()


def answer(connection: socket.socket, status: str, headers: str = "", body: bytes = b"") -> None:
    connection.recv(4096)
    connection.sendall(f"HTTP/1.1 {status}\r\nConnection: close\r\n{headers}\r\n".encode() + body)


def test_a_tcp_stream_gives_its_frames(clips, opened, serve):
    data = clips.write("clip.ts", count=40, fps=25).read_bytes()

    def send(connection: socket.socket) -> None:
        for at in range(0, len(data), 1316):
            connection.sendall(data[at : at + 1316])
            time.sleep(0.002)

    source = opened(f"tcp://{serve(send)}", timeout=5)
    frames = list(frames_of(source))
    numbers = [clips.number(frame.image) for frame in frames]
    assert source.live
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 39
    assert {frame.capture_origin for frame in frames} == {CaptureOrigin.ESTIMATED}
    assert all(frame.captured_at <= time.time() for frame in frames)
    times = [frame.time for frame in frames]
    assert times == sorted(times)


@pytest.mark.parametrize("lost", range(8, 40, 4))
def test_what_a_network_has_lost_is_not_made_up(clips, opened, serve, lost):
    """Seven packets of the transport stream are missing; FFmpeg would fill them in, and all frames that build on it."""
    data = clips.write("clip.ts", count=40, size=(640, 480)).read_bytes()
    chunk = 7 * 188
    data = data[: lost * chunk] + data[(lost + 1) * chunk :]

    def send(connection: socket.socket) -> None:
        for start in range(0, len(data), 8 * chunk):
            connection.sendall(data[start : start + 8 * chunk])
            time.sleep(0.02)

    frames = list(frames_of(opened(f"tcp://{serve(send)}")))
    for frame in frames:
        truth = clips.picture(clips.number(frame.image), (640, 480))
        assert np.abs(frame.image.astype(int) - truth).mean() < 8, frame.sequence
    assert len(frames) + frames[-1].dropped > 5  # a loaded machine drops some


def test_a_slow_loop_sees_the_newest_frame_of_a_stream(clips, opened, serve):
    data = clips.write("clip.ts", count=120, fps=25).read_bytes()
    sent, seen = Event(), Event()

    def send(connection: socket.socket) -> None:
        connection.sendall(data[: len(data) // 2])
        seen.wait(10)  # the first frame is with the loop; what follows comes while it is busy
        connection.sendall(data[len(data) // 2 :])
        sent.set()

    source = opened(f"tcp://{serve(send)}", timeout=10)
    frames = frames_of(source)
    first = next(frames)
    seen.set()
    assert sent.wait(10)
    wait_until(lambda: source._session.slot.ended)
    rest = list(frames)
    assert [clips.number(frame.image) for frame in rest] == [119]
    assert rest[0].dropped == rest[0].sequence - 1 > first.dropped


def test_a_recording_on_a_web_server_plays_at_its_own_pace(clips, opened, serve):
    data = clips.write("clip.mp4", count=10, fps=10).read_bytes()
    length = f"Content-Length: {len(data)}\r\n"
    source = opened(f"http://{serve(lambda c: answer(c, '200 OK', length, data))}/clip.mp4", timeout=5)
    frames = list(frames_of(source))
    numbers = [clips.number(frame.image) for frame in frames]
    assert numbers == [frame.sequence for frame in frames] == sorted(set(numbers))
    assert (numbers[0], numbers[-1]) == (0, 9)
    assert [frame.time for frame in frames] == pytest.approx([n / 10 for n in numbers])
    assert frames[-1].captured_at - frames[0].captured_at > 0.8


def test_a_refused_port(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match=rf"rtsp://127\.0\.0\.1:{port}/live refused the connection: check"):
        opened(f"rtsp://127.0.0.1:{port}/live")


@pytest.mark.parametrize("scheme", ["rtsp", "http", "tcp"])
def test_a_server_that_accepts_and_keeps_silent(opened, serve, scheme):
    url = f"{scheme}://{serve(lambda connection: time.sleep(30))}/live"
    with pytest.raises(SourceError, match=r"has sent nothing for 0\.5 s: check that it is on and reachable"):
        opened(url, timeout=0.5)


def test_a_stream_that_falls_silent(clips, opened, serve):
    data = clips.write("clip.ts", count=40).read_bytes()

    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        time.sleep(30)

    source = opened(f"tcp://{serve(send)}", timeout=0.5)
    with pytest.raises(SourceError, match=r"has sent nothing for 0\.5 s"):
        list(source)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("404 Not Found", "does not exist on its server: check the path"),
        ("401 Unauthorized", "wants a user and password"),
    ],
)
def test_a_server_that_says_no(opened, serve, status, sentence):
    with pytest.raises(SourceError, match=sentence):
        opened(f"http://{serve(lambda connection: answer(connection, status))}/live")


def test_a_server_that_sends_something_else(opened, serve):
    page = b"<html>no video</html>" * 100
    with pytest.raises(SourceError, match="check the address"):
        opened(f"http://{serve(lambda connection: answer(connection, '200 OK', '', page))}/live")


def test_an_unknown_scheme(opened):
    with pytest.raises(SourceError, match="has a scheme that this FFmpeg does not know"):
        opened("gopher2://127.0.0.1/live")


def test_closing_a_silent_stream_does_not_wait_for_it(clips, opened, serve):
    data = clips.write("clip.ts", count=40).read_bytes()

    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        time.sleep(60)

    source = opened(f"tcp://{serve(send)}", timeout=30)
    assert any(clips.number(frame.image) >= 35 for frame in frames_of(source))
    time.sleep(0.5)  # now it reads, and nothing comes
    source.close()
    assert source._session.alive  # left to its timeout: it ends by itself, and never holds up the process


def test_passwords_are_never_shown(opened):
    url = "rtsp://admin:secret@127.0.0.1:1/live?token=secret"
    with pytest.raises(SourceError) as caught:
        opened(url)
    assert "secret" not in str(caught.value)
    assert "admin" not in str(caught.value)


@pytest.fixture
def web() -> Iterator[Callable[[Callable[[str], tuple[str, bytes]]], str]]:
    """Starts a web server that answers a path with a kind and a content; gives its host and port."""
    servers: list[ThreadingHTTPServer] = []

    def start(content: Callable[[str], tuple[str, bytes]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                kind, data = content(self.path)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("over", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_comes_in_pieces_is_played_at_its_own_pace(clips, opened, web, over):
    """HLS in pieces of a second, of which three are there at first: the frames come one by one."""
    with av.open(
        str(clips.folder / "all.m3u8"), "w", format="hls", options={"hls_time": "1", "hls_list_size": "0"}
    ) as out:
        stream = out.add_stream("libx264", rate=25, options={"g": "25", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(250):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(clips.picture(index), format="bgr24")))
        out.mux(stream.encode(None))
    lines = (clips.folder / "all.m3u8").read_text().splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("#EXTINF"))
    began = time.monotonic()

    def content(path: str) -> tuple[str, bytes]:
        if path != "/live.m3u8":
            return "video/mp2t", (clips.folder / path[1:]).read_bytes()
        there = len(lines) if over else first + 2 * (3 + int(time.monotonic() - began))
        return "application/vnd.apple.mpegurl", "\n".join(lines[:there]).encode()

    source = opened(f"http://{web(content)}/live.m3u8", timeout=5)
    frames = list(itertools.islice(frames_of(source), 100))
    numbers = [clips.number(frame.image) for frame in frames]
    assert source.live and numbers == sorted(set(numbers))
    assert numbers[-1] < 115  # in bursts, all but the last of each would be dropped
    assert not any(frame.cut for frame in frames)
    assert {frame.capture_origin for frame in frames} == {CaptureOrigin.FILE if over else CaptureOrigin.ARRIVAL}


class Bursts(FileReader):
    """A file as what comes in pieces: without an end, and with times of its own in each connection."""

    endless = True

    @classmethod
    def of(cls, settings):
        return cls(Path(settings.uri.removeprefix("bursts:")), settings.name, realtime=True)


def test_the_times_of_a_second_connection_go_on_after_those_of_the_first(clips, opened, monkeypatch):
    monkeypatch.setitem(SOURCES, "bursts", f"{__name__}:Bursts")
    source = opened(f"bursts:{clips.write(count=10)}", wait=True, give_up=None)
    times = [frame.time for frame in itertools.islice(frames_of(source), 16)]
    steps = np.diff(times)
    assert (steps >= 0.03).all() and steps.max() < 3
    assert np.median(steps) == pytest.approx(0.04, abs=0.001)


def test_an_mjpeg_camera_that_breaks_off_within_a_picture(clips, serve):
    """Its times are FFmpeg's invention, so frames are as old as when they arrived; the half picture is none."""
    pictures = [cv2.imencode(".jpg", clips.picture(number))[1].tobytes() for number in range(200)]
    sent = itertools.count()

    def send(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        for _ in range(12):
            picture = pictures[next(sent)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            connection.sendall(head.encode() + picture + b"\r\n")
            time.sleep(0.05)
        connection.sendall(head.encode() + picture[: len(picture) // 2])

    settings = SourceSettings(uri=f"http://{serve(send)}/video", timeout=5)
    with closing(open_source(settings, lens(CameraSettings()), Stop())) as source:
        frames, states = [], []
        for item in source:
            if isinstance(item, SourceEvent):
                if item.state not in (SourceState.STALLED, *states[-1:]):  # stalled where the machine is busy
                    states.append(item.state)
                continue
            frames.append(item)
            if clips.number(item.image) >= 30:
                break
    numbers = [clips.number(frame.image) for frame in frames]
    assert numbers == sorted(set(numbers))
    assert states == [SourceState.LIVE, SourceState.RECONNECTING] * 2 + [SourceState.LIVE]
    assert not any(frame.cut for frame in frames)  # it was away for a moment only
    assert {frame.capture_origin for frame in frames} == {CaptureOrigin.ARRIVAL}
    for frame in frames:
        assert np.abs(frame.image.astype(int) - clips.picture(clips.number(frame.image))).mean() < 8


@pytest.mark.parametrize("silent", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_a_lost_connection_held_goes_without_the_garbage_collector(clips, silent):
    """It comes seldom where little garbage is made, and does not know that a decoder has threads and megabytes."""
    gc.collect()
    gc.disable()
    before = {id(thing) for thing in gc.get_objects()}
    try:
        with MjpegCamera([clips.picture(number) for number in range(50)], 50) as camera:
            settings = SourceSettings(uri=camera.url, timeout=0.5)
            with closing(open_source(settings, lens(CameraSettings()), Stop())) as source:
                items = iter(source)
                for _ in range(3):
                    next(item for item in items if isinstance(item, Frame))
                    camera.silent.set() if silent else camera.break_off()
                    next(
                        item
                        for item in items
                        if isinstance(item, SourceEvent) and item.state is SourceState.RECONNECTING
                    )
                    camera.silent.clear()
                next(item for item in items if isinstance(item, Frame))
        held = Counter(type(thing).__name__ for thing in gc.get_objects() if id(thing) not in before)
    finally:
        gc.enable()
    assert held["Decoder"] == 0, held
    if sys.version_info < (3, 13):  # whose frames keep their callers, and so a session that holds nothing any more
        assert held["Session"] == 1, held  # that of the source, which is there
