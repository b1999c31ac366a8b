"""People in Rerun's viewer: its own program takes them, and writes what it got to a file."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Frame, SourceEvent
from pymafx_live.pipeline.outputs.rerun import RerunOutput
from support.recordings import CAMERA, recorded


@pytest.fixture
def viewer(tmp_path):
    """A process that takes what viewers take, without a window, and writes it to `got.rrd`; and its address."""
    program = pytest.importorskip("rerun_cli", reason="rerun, of the extra rerun, is not installed")
    binary = Path(program.__file__).with_name("rerun")
    home = {name: str(tmp_path / "home") for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    subprocess.run([binary, "analytics", "disable"], env=os.environ | home, check=True, capture_output=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--bind", "127.0.0.1", "--port", str(port), "--save", str(tmp_path / "got.rrd")]
    with subprocess.Popen([binary, *flags], env=os.environ | home, stderr=subprocess.DEVNULL) as process:
        address, until = f"127.0.0.1:{port}", time.monotonic() + 60
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield process, address
        process.send_signal(signal.SIGCONT)
        process.kill()


def test_a_viewer_gets_everything(viewer, tmp_path, clips):
    process, address = viewer
    output, items = RerunOutput(address, 10.0), recorded(26)
    for number, item in enumerate(items):
        if isinstance(item, SourceEvent):
            output.tell(item)
        else:
            final = item[0].final
            output.write(item[0], None if final else Frame(clips.picture(number), "cam", number, 0.0, 0.0, CAMERA))
    output.close()
    got, size = tmp_path / "got.rrd", 0
    while not size or got.stat().st_size > size:  # it writes behind, and an interrupt makes it forget what is left
        size = got.stat().st_size
        time.sleep(1)
    process.send_signal(signal.SIGINT)
    process.wait(60)
    from rerun.chunk import RrdReader

    places, rows = [], {}
    for chunk in RrdReader(got).stream():
        batch = chunk.to_record_batch()
        for column in batch.schema.names:
            key = chunk.entity_path, column
            rows[key] = rows.get(key, 0) + len(batch) - batch.column(column).null_count
        if chunk.entity_path == "/cam/people/2/skeleton" and "Points3D:positions" in batch.schema.names:
            columns = (batch.column("time").cast("int64"), batch.column("Points3D:positions"))
            places += zip(*(column.to_pylist() for column in columns), strict=True)
    results = [item[0] for item in items if not isinstance(item, SourceEvent)]
    for (at, joints), result in zip(sorted(places), results[:-1], strict=True):
        assert at == round(result.time * 1e9)
        np.testing.assert_allclose(joints, result.people[1].in_world(result).joints, atol=1e-4)
    # At 25 frames a second, what comes ten times a second at most comes with every third one.
    assert rows["/cam/camera", "EncodedImage:blob"] == rows["/cam/people/1/mesh", "Mesh3D:vertex_positions"] == 9
    assert rows["/cam/status", "TextLog:text"] == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_viewer_that_is_gone_or_hangs_ends_the_output(viewer, tmp_path, how):
    """In a process of its own, which then ends: the library would wait for a viewer that hangs without end."""
    process, address = viewer
    script = f"""
import os, sys
from pymafx_live.core.errors import OutputError
from pymafx_live.pipeline.outputs.rerun import RerunOutput
from support.recordings import recorded
output = RerunOutput({address!r}, 100.0)
for number, item in enumerate(recorded(400)[1:-2]):
    try:
        output.write(*item)
    except OutputError as error:
        print(error)
        break
    if number == 3:
        os.kill({process.pid}, {int(how)})
output.close()
"""
    path = {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", script], env=os.environ | path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    (said,) = done.stdout.splitlines()
    assert said.startswith(f"--rerun {address}: the viewer takes no more (")


def test_nobody_listens():
    pytest.importorskip("rerun", reason="rerun, of the extra rerun, is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UsageError, match=rf"^no Rerun viewer at {address} \(.+\): start `rerun` there first$"):
            RerunOutput(address, 10.0)


@pytest.mark.parametrize("address", ["9876", "127.0.0.1:99999", "out.rrd", ""])
def test_what_is_no_address(address):
    told = r"^[^\n]*(--record out\.rrd writes it|give --rerun one such as 127\.0\.0\.1:9876)$"
    with pytest.raises(UsageError, match=told):
        RerunOutput(address, 10.0)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(UsageError, match=r"^--rerun needs the extra `rerun`: "):
        RerunOutput("127.0.0.1:9876", 10.0)
