"""The page's server: who may ask, what is served, and that no viewer costs the run anything."""

import hashlib
import logging
import re
import socket
import sys
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import PROGRESS
from pymafx_live.core.types import Frame, SourceEvent, SourceState
from pymafx_live.core.wire import decode_event
from pymafx_live.pipeline.outputs import web
from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.web import WebOutput
from pymafx_live.pipeline.page.files import files
from pymafx_live.pipeline.stop import Stop
from support.people import CAMERA, person, result
from support.watching import wait_until

for module in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(module, reason="the extra `web` is not installed")

from support.viewing import ask, content_of, results, viewer
from websockets.exceptions import ConnectionClosed, InvalidStatus

PAGE = Path(__file__).parents[2] / "pipeline" / "page"


@pytest.fixture
def output() -> Iterator[WebOutput]:
    served = WebOutput("127.0.0.1:0", Run(Stop()), fps=60)
    yield served
    served.close()


def test_the_pages_own_files_are_served_and_nothing_else(output):
    status, headers, content = ask(output, "/")
    assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["content-security-policy"]
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', content.decode()):
        assert ask(output, path)[0] == 200
    assert len(ask(output, "/body.bin")[2]) > 300_000
    for path in ("/../pyproject.toml", "/%2e%2e/server.py", "/static/page.js", "/source/main.js", "//etc/passwd", "/x"):
        assert ask(output, path)[0] == 404, path


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1", 200), ("localhost:9", 200), ("LOCALHOST", 200), ("[::1]:8000", 200), ("127.0.0.2:1", 200)]
    + [
        ("rebound.example:8000", 403),
        ("", 403),
        ("10.0.0.1", 403),
        ("localhost.example", 403),
        ("[::1", 403),
        ("127.0.0.1:x", 200),
    ],
)
def test_another_name_for_this_machine_is_refused(output, host, status):
    assert ask(output, "/", Host=host)[0] == status


def test_another_sites_page_may_not_listen(output):
    own = f"127.0.0.1:{output.server.port}"
    for origin in ("http://evil.example", "null", f"http://{own}.example", "http://127.0.0.1:1"):
        with pytest.raises(InvalidStatus, match="403"), viewer(output, origin=origin):
            pass
    with viewer(output, origin=f"http://{own}"):
        pass


def test_an_address_that_others_reach_needs_the_token_that_is_printed_once(caplog):
    caplog.set_level(logging.INFO, PROGRESS)
    output = WebOutput("0.0.0.0:0", Run(Stop()), fps=0)
    try:
        token = output.server.access.token
        assert SECRETS.hide(caplog.text).count(token) == 1, "the terminal shows it"
        assert output.server.url.endswith(f"/{token}")
        assert ask(output, "/")[0] == ask(output, "/body.bin")[0] == ask(output, "/wrong")[0] == 403
        with pytest.raises(InvalidStatus, match="403"), viewer(output):
            pass
        status, headers, _ = ask(output, f"/{token}")
        assert (status, headers["location"]) == (303, "/"), "the token does not stay in the address"
        assert "HttpOnly" in headers["set-cookie"] and "SameSite=lax" in headers["set-cookie"]
        cookie = headers["set-cookie"].partition(";")[0]
        assert ask(output, "/", Cookie=cookie)[0] == 200
        assert ask(output, "/", Cookie=cookie[:-1])[0] == 403
        known = {"Cookie": cookie}
        with viewer(output, additional_headers=known):
            pass
        with (
            pytest.raises(InvalidStatus, match="403"),
            viewer(output, additional_headers=known, origin="http://evil.example"),
        ):
            pass
        assert ask(output, "/", Cookie=cookie, Host="192.168.1.5:8000")[0] == 200
        assert ask(output, "/", Cookie=cookie, Host="rebound.example")[0] == 403
    finally:
        output.close()


def test_a_viewer_gets_results_and_what_became_of_the_sources(output):
    output.tell(SourceEvent("camera", SourceState.STALLED, 5.0, "no frame for 2 s"))
    with viewer(output) as socket:
        event = decode_event(socket.recv(timeout=120))
        assert (event.source, event.state, event.reason) == ("camera", "stalled", "no frame for 2 s")
        output.write(result(person(number=3), person(number=4, state="ended"), sequence=7), None)
        (message,) = results(socket, 7)
        assert message.startswith(b"people/camera\0")
        assert [(id_, state) for id_, state, *_ in content_of(message)["people"]] == [(3, "tracked")]
        assert socket.recv(timeout=120).startswith(b"alive/"), "it says that it is there while nothing happens"


def test_ten_viewers_cost_one_encoding_and_none_costs_none(output, monkeypatch):
    made = []
    monkeypatch.setattr(web, "encode", lambda *a, encode=web.encode, **k: made.append(encode(*a, **k)) or made[-1])
    output.write(result(person(), sequence=1), None)
    assert not made
    with ExitStack() as stack:
        sockets = [stack.enter_context(viewer(output)) for _ in range(10)]
        output.write(result(person(), sequence=2), None)
        assert [results(socket, 2) for socket in sockets] == [made] * 10
        assert len(made) == 1


def test_a_stalled_viewer_loses_results_and_nobody_else_does(output):
    crowd = [person(number=n) for n in range(1, 400)]  # 250 kB: a hundred fill every buffer on the way
    with viewer(output, max_queue=1) as stalled, viewer(output) as quick:
        for k in range(100):
            output.write(result(*crowd, sequence=k), None)
            assert len(results(quick, k)) == 1
        found = [content_of(message)["sequence"] for message in results(stalled, 99)]
    assert found[-1] == 99 and len(found) < 90 and found == sorted(set(found))


def test_pictures_are_made_for_who_looks_at_them(output):
    frame = Frame(np.full((720, 1280, 3), 90, np.uint8), "camera", 0, 0.0, 0.0, CAMERA)
    with viewer(output) as socket:
        output.write(result(sequence=1), frame)
        results(socket, 1)
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.5)
        socket.send('{"picture": "camera"}')
        wait_until(lambda: b"camera" in output.server.viewers.pictured)
        output.write(result(sequence=2), frame)
        while not (message := socket.recv(timeout=120)).startswith(b"picture/camera\0"):
            pass
        image = cv2.imdecode(np.frombuffer(message.partition(b"\0")[2], np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (360, 640, 3) and abs(float(image.mean()) - 90) < 2


def test_a_picture_that_cannot_be_drawn_is_told_and_the_next_one_comes():
    class Overlay:
        def draw(self, result, image):
            if result.sequence == 1:
                raise ValueError("no such colour")
            return image

    made: list[str] = []
    pictures = web.Pictures(Drawing(Overlay()), 60, lambda source, jpeg: made.append(source))
    try:
        pictures.offer(result(sequence=1), None)
        wait_until(lambda: pictures._fault is not None)
        with pytest.raises(ValueError, match="no such colour"):
            pictures.check()
        pictures.check()
        pictures.offer(result(sequence=3), None)
        wait_until(lambda: made == ["camera"])
    finally:
        pictures.close()


def test_what_a_viewer_sends_neither_ends_the_server_nor_fills_it(output):
    with viewer(output) as socket, pytest.raises(ConnectionClosed):
        socket.send("x" * 5000)
        while True:
            socket.recv(timeout=120)
    with viewer(output) as socket:
        socket.send(b"no text")
    with viewer(output) as socket:
        for text in (
            "camera",
            "[]",
            "null",
            "[" * 900,
            '{"picture": 4}',
            '{"picture": "\\ud800 \\u0000"}',
            '{"seek": "x"}',
        ):
            socket.send(text)
        output.write(result(sequence=4), None)
        assert results(socket, 4)


def test_connections_too_many_are_closed_and_who_looks_goes_on(output):
    with viewer(output) as socket_, ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(("127.0.0.1", output.server.port))) for _ in range(220)]
        idle[-1].settimeout(20)
        with suppress(ConnectionResetError):
            assert idle[-1].recv(1) == b""
        output.write(result(sequence=3), None)
        assert results(socket_, 3)
    wait_until(lambda: ask(output, "/")[0] == 200)


def test_closing_does_not_wait_for_a_viewer():
    output = WebOutput("127.0.0.1:0", Run(Stop()), fps=0)
    with viewer(output):
        output.close()
        assert not output.server._thread.is_alive()
    with socket.create_server(("127.0.0.1", output.server.port)):
        pass


def test_an_address_that_cannot_be_served_is_told_in_a_sentence(output):
    taken = f"127.0.0.1:{output.server.port}"
    for address in (taken, "nowhere.invalid:8000", "127.0.0.1:99999"):
        with pytest.raises(UsageError, match=f"cannot serve the page on {address} .*: give another --web"):
            WebOutput(address, Run(Stop()), fps=0)


@pytest.mark.parametrize("package", ["starlette.applications", "uvicorn", "websockets"])
def test_a_missing_extra_is_named(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"--web needs the extra `web` .*pymafx-live\[web\]"):
        WebOutput("127.0.0.1:0", Run(Stop()), fps=0)


def test_the_script_that_ships_is_made_of_the_sources():
    content = [*sorted((PAGE / "source").iterdir()), PAGE / "package.json"]
    made_of = hashlib.sha256(b"".join(path.read_bytes() for path in content)).hexdigest()
    assert f"of sources {made_of};" in (PAGE / "page.js").read_text("utf-8")[:200], "make page"


def test_the_page_is_in_the_wheel():
    told = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-data"]
    packaged = {path.name for pattern in told["pymafx_live.pipeline.page"] for path in PAGE.glob(pattern)}
    assert packaged == {name.removeprefix("/") for name in files()} - {"", "body.bin"}
