"""What who looks at the page may wish: recordings and their download, and where a replay is."""

import http.client
import io
import json
import os
import signal
import socket as sockets
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.outputs.web import WebOutput
from pymafx_live.pipeline.page import downloads
from pymafx_live.pipeline.page.viewers import Viewer
from pymafx_live.pipeline.playback import Playback
from pymafx_live.pipeline.recorder import Recorder
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.stop import Stop
from support.people import person, result
from support.recordings import recorded, told
from support.watching import wait_until

for module in ("starlette", "uvicorn", "websockets"):
    pytest.importorskip(module, reason="the extra `web` is not installed")

from support.viewing import ask, content_of, results, viewer
from websockets.exceptions import InvalidStatus

ITEMS = recorded(40)


@pytest.fixture
def recorder(tmp_path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "kept")
    made.folder.mkdir()
    yield made
    made.close()


@pytest.fixture
def output(recorder) -> Iterator[WebOutput]:
    served = WebOutput("127.0.0.1:0", Run(Stop(), recorder=recorder), fps=0)
    yield served
    served.close()


def heard(socket, kind: bytes, is_it) -> dict:
    """The first word of that kind that `is_it`."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        message = socket.recv(timeout=30)
        if message.startswith(kind) and is_it(content := content_of(message)):
            return content
    raise AssertionError("it does not come to that")


def write(output, items) -> None:
    for item in items:
        if isinstance(item, SourceEvent):
            output.tell(item)
        else:
            output.write(*item)


@pytest.fixture
def name(recorder) -> str:
    """A recording that there is."""
    recorder.ask(True)
    write(recorder, ITEMS)
    recorder.ask(False)
    wait_until(lambda: bool(recorder.finished))
    return recorder.finished[0].file.stem


def test_a_viewer_begins_and_ends_a_recording_and_everybody_sees_it(output, recorder):
    with viewer(output) as one, viewer(output) as other:
        assert heard(other, b"recorder/", lambda state: not state["on"])["folder"] == "kept"
        one.send('{"record": true}')
        heard(other, b"recorder/", lambda state: state["on"])
        write(recorder, ITEMS[:20])
        heard(other, b"recorder/", lambda state: state["bytes"] > 0)
        other.send('{"record": false}')
        (file,) = heard(one, b"recorder/", lambda state: state["files"])["files"]
        with viewer(output) as late:
            assert heard(late, b"recorder/", lambda state: True)["files"] == [file]
    status, headers, content = ask(output, f"/recordings/{file[0]}.mcap")
    assert (status, len(content)) == (200, file[2])
    assert headers["content-disposition"] == f'attachment; filename="{file[0]}.mcap"'
    assert headers["x-content-type-options"] == "nosniff"
    (recorder.folder / "again.mcap").write_bytes(content)
    assert told(list(Mcap().read(recorder.folder / "again.mcap"))) == told(ITEMS[:20])


def test_without_a_folder_there_is_nothing_to_record_into():
    output = WebOutput("127.0.0.1:0", Run(Stop()), fps=0)
    try:
        with viewer(output) as socket:
            socket.send('{"record": true, "seek": 3, "play": false}')
            output.write(result(person(), sequence=3), None)
            assert results(socket, 3)
        assert ask(output, "/recordings/x.mcap")[0] == 404
    finally:
        output.close()


def test_only_what_this_run_recorded_can_be_asked_for(output, recorder, name):
    (recorder.folder / "other.mcap").write_bytes(b"\x89MCAP0\r\n")
    (recorder.folder.parent / "secret.mcap").write_text("secret")
    for path in (
        "other.mcap", "../secret.mcap", "..%2fsecret.mcap", "%2e%2e/secret.mcap", "%00.mcap", "", f"{name}", f"{name}.",
        f"{name}.smpl", f"{name}.mcap/", f"{name}.mcap.mcap", f"../kept/{name}.mcap", f"{name}.MCAP", ".mcap",
    ):  # fmt: skip
        assert ask(output, f"/recordings/{path}")[0] == 404, path
    recorder.finished[0].file.unlink()
    status, _, said = ask(output, f"/recordings/{name}.mcap")
    assert status == 404 and b"--record-dir" in said


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_makes_no_browser_convert(output, name, site):
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
    assert ask(output, f"/recordings/{name}.glb", **headers)[0] == 403
    assert ask(output, f"/recordings/{name}.mcap", Host="rebound.example")[0] == 403
    assert ask(output, f"/recordings/{name}.mcap", **{"Sec-Fetch-Site": "same-origin"})[0] == 200
    with pytest.raises(InvalidStatus, match="403"), viewer(output, origin="http://evil.example"):
        pass


def test_where_a_token_is_needed_a_recording_needs_it_too(recorder, name):
    output = WebOutput("0.0.0.0:0", Run(Stop(), recorder=recorder), fps=0)
    try:
        assert ask(output, f"/recordings/{name}.mcap")[0] == 403
        cookie = f"{output.server.access.cookie}={output.server.access.token}"
        assert ask(output, f"/recordings/{name}.mcap", Cookie=cookie)[0] == 200
    finally:
        output.close()


def test_other_formats_are_made_when_they_are_asked_for(output, recorder, name):
    before = sorted(recorder.folder.iterdir())
    status, headers, content = ask(output, f"/recordings/{name}.glb")
    assert (status, content[:4]) == (200, b"glTF"), content[:500]
    assert headers["content-disposition"] == f'attachment; filename="{name}.glb"'
    status, headers, content = ask(output, f"/recordings/{name}.npz")
    assert status == 200 and headers["content-disposition"] == f'attachment; filename="{name}-npz.zip"'
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert sorted(archive.namelist()) == [f"{name}-1.npz", f"{name}-2.npz"]
        with archive.open(f"{name}-1.npz") as file:
            assert np.load(io.BytesIO(file.read()))["poses"].shape[1] == 165
    assert sorted(recorder.folder.iterdir()) == before, "nothing is left behind"


def test_a_format_that_cannot_be_made_is_told_in_a_sentence(output, recorder):
    recorder.ask(True)
    write(recorder, [(result(source="camera"), None)])
    recorder.ask(False)
    wait_until(lambda: bool(recorder.finished))
    status, _, said = ask(output, f"/recordings/{recorder.finished[0].file.stem}.glb")
    assert status == 500 and said.startswith(b"pymafx-live: ") and said.count(b"\n") == 1
    assert b".convert-" not in said and str(recorder.folder).encode() not in said


def test_a_conversion_ends_with_the_run(output, recorder, name, monkeypatch):
    here = recorder.folder / "here"
    code = f"import os, time; open({str(here)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    monkeypatch.setattr(downloads, "_CONVERT", code)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(ask, output, f"/recordings/{name}.glb")
        wait_until(lambda: here.is_file() and here.read_text() != "")
        output.close()
        with suppress(OSError, http.client.HTTPException):
            asked.result()
    wait_until(lambda: not psutil.pid_exists(int(here.read_text())))
    wait_until(lambda: not list(recorder.folder.glob(".convert-*")))


def test_a_folder_that_is_full_is_told(output, recorder, name, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloads, "TemporaryDirectory", full)
    status, _, said = ask(output, f"/recordings/{name}.bvh")
    assert status == 500 and b"No space left on device" in said


def test_viewers_turn_the_time_of_a_replay(tmp_path):
    playback = Playback(20.0)
    output = WebOutput("127.0.0.1:0", Run(Stop(), replayed=True, playback=playback), fps=0)
    try:
        with viewer(output) as one, viewer(output) as other:
            assert (
                heard(other, b"playback/", lambda _: True).items()
                >= {
                    "seconds": 20.0,
                    "playing": True,
                    "speed": 1.0,
                }.items()
            )
            one.send('{"play": false}')
            heard(other, b"playback/", lambda state: not state["playing"])
            other.send('{"seek": 12.5}')
            assert heard(one, b"playback/", lambda state: state["at"] == 12.5)["playing"] is False
            one.send('{"speed": 2}')
            heard(other, b"playback/", lambda state: state["speed"] == 2.0)
            for wish in ({"seek": "x"}, {"seek": [1], "play": 1}, {"speed": None}, {"seek": 10**400}):
                one.send(json.dumps(wish))
            one.send('{"seek": NaN}')
            one.send('{"seek": 1e999}')
            one.send('{"seek": 3}')
            assert heard(other, b"playback/", lambda state: state["at"] != 12.5)["at"] == 3.0
    finally:
        output.close()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["picture", "play", "seek", "speed", "record", "other"]), JSON))
def test_no_wish_ends_anything(output, wish):
    playback = output._playback = Playback(20.0)
    viewer_ = Viewer()
    output.server.viewers._take(viewer_, json.dumps(wish))
    assert 0 <= playback.at <= 20 and 0.1 <= playback.speed <= 16 and len(viewer_.picture) <= 300


def test_a_viewer_that_floods_is_slowed_down(output):
    heard_ = []
    output.server.viewers._asked = heard_.append
    with viewer(output) as socket:
        for _ in range(2000):
            socket.send('{"seek": 1}')
        began, before = time.monotonic(), len(heard_)
        time.sleep(0.5)
        assert len(heard_) - before <= (time.monotonic() - began) / 0.03 + 1


def test_who_comes_while_it_stands_still_sees_somebody(output):
    output.write(result(person(number=6), sequence=4), None)
    with viewer(output) as socket:
        socket.send('{"picture": ""}')
        assert content_of(results(socket, 4)[0])["people"][0][0] == 6


def test_a_replay_with_a_page_goes_on_until_it_is_ended_and_others_hear_its_jumps(tmp_path):
    file = Mcap().write(recorded(50), tmp_path / "run.mcap", lambda file: file)[0]
    with sockets.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = f"ipc://{tmp_path}/sock"
    command = [sys.executable, "-c", "from pymafx_live.pipeline.start import main; main()", "--source", str(file)]
    log = (tmp_path / "log").open("w")
    run = subprocess.Popen(
        [*command, "--web", f"127.0.0.1:{port}", "--bind", address], stderr=log, env=os.environ | {"COLUMNS": "200"}
    )
    try:
        with Subscriber(address, timeout=1) as people:
            from websockets.sync.client import connect

            def connected() -> bool:
                with sockets.socket() as probe:
                    return run.poll() is None and probe.connect_ex(("127.0.0.1", port)) == 0

            wait_until(connected)
            with connect(f"ws://127.0.0.1:{port}/live", max_size=None, proxy=None) as socket:
                heard(socket, b"playback/", lambda state: state["over"])
                drain(people)
                socket.send('{"seek": 1}')
                jumped = next(people)
                assert (jumped.sequence, jumped.run_id, jumped.age) == (25, "run+1", pytest.approx(0.05))
                socket.send('{"play": true, "speed": 4}')
                heard(socket, b"playback/", lambda state: state["over"])
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0, (tmp_path / "log").read_text()
        assert "the recording is over" in (tmp_path / "log").read_text()
    finally:
        run.kill()
        run.wait()
        log.close()


def drain(people: Subscriber) -> None:
    with suppress(NoMessageError):
        while True:
            next(people)


def test_a_run_that_writes_a_file_too_is_not_steered(tmp_path, caplog):
    from pymafx_live.configs.load import load
    from pymafx_live.pipeline.replay import run_recording
    from pymafx_live.pipeline.settings import run_settings
    from pymafx_live.pipeline.statistics import Statistics

    file = Mcap().write(recorded(50), tmp_path / "run.mcap", lambda file: file)[0]
    output = {"web": "127.0.0.1:0", "web_fps": 0, "bind": "", "jsonl": str(tmp_path / "out.jsonl")}
    run_recording(file, load(None, {"source": {"uri": str(file)}, "output": output}, run_settings()), Statistics())
    assert (tmp_path / "out.jsonl").read_text().count("\n") == 51
