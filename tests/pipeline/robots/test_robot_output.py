"""`--robot` as it is used: settings, addresses, and what arrives over real sockets."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

import msgpack
import numpy as np
import pytest
import zmq
from pymafx_live.core.errors import OutputError, UsageError
from pymafx_live.core.types import Frame
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.robot import RobotOutput
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.robots.sonic import Sonic
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
from support.performers import CAMERA, performer, result_of


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def opened() -> Iterator[Callable[..., RobotOutput]]:
    """Opens `--robot` with these settings; closed at the end."""
    outputs = []

    def open_(lock: int | None = None, **settings: object) -> RobotOutput:
        outputs.extend(open_outputs(output_settings()(bind="", **settings), Run(Stop(), lock=lock)))
        return outputs[-1]

    yield open_
    for output in outputs:
        output.close()


@pytest.fixture
def hearing() -> Iterator[Callable[[str], zmq.Socket]]:
    context = zmq.Context()

    def hear(address: str) -> zmq.Socket:
        reader = context.socket(zmq.SUB)
        reader.setsockopt(zmq.LINGER, 0)
        reader.subscribe(b"")
        reader.connect(address)
        return reader

    yield hear
    context.destroy(linger=0)


def frame_now(age: float = 0.05) -> Frame:
    now = time.monotonic()
    return Frame(np.zeros((2, 2, 3), np.uint8), "cam", 0, now, 0.0, CAMERA, captured=now - age)


def heard(reader: zmq.Socket, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> list[bytes]:
    """What comes within so many seconds, in which something is done every 40 ms."""
    out, end = [], time.monotonic() + seconds
    while (now := time.monotonic()) < end:
        meanwhile()
        until = min(now + 0.04, end)
        while reader.poll(max((until - time.monotonic()) * 1000, 0)):
            out.append(reader.recv())
    return out


def test_sonic_and_hands_follow_one_person_and_fall_silent(opened, hearing):
    addresses = [f"tcp://127.0.0.1:{free_port()}" for _ in range(2)]
    output = opened(robot="sonic,hands", robot_bind=",".join(addresses), robot_stop=0.3, robot_ramp=0.2)
    sonic, hands = map(hearing, addresses)
    result, end = result_of(performer(np.zeros((55, 3)), number=7)), time.monotonic() + 30
    messages: list[bytes] = []
    while not messages or b'"following"' not in messages[-1]:
        messages += heard(sonic, 0.2, lambda: output.write(result, frame_now()))
        assert time.monotonic() < end
    while fresh := heard(sonic, 1.0):
        messages += fresh  # silence is the only stop that it knows
        assert time.monotonic() < end
    assert all(message.startswith(b"pose{") for message in messages)
    headers = [json.loads(message[4:1284].rstrip(b"\0")) for message in messages]
    assert {header["state"] for header in headers} - {"stopped"} == {"ramping", "following", "holding"}
    index = {int(k) for message in messages for k in np.frombuffer(message[-80:], "<i8")}
    assert index == set(range(max(index) + 1)), "`frame_index` comes last, and has no gap"
    assert headers[0]["fields"][-1] == {"name": "frame_index", "dtype": "i64", "shape": [10]}
    told = [msgpack.unpackb(message.partition(b"\0")[2]) for message in heard(hands, 0.5)]
    assert told[-1]["state"] == "stopped" and told[-1]["id"] == 7
    assert all(("hands" in content) == (content["state"] not in ("waiting", "stopped")) for content in told)


def test_a_thread_that_was_held_up_leaves_no_gap(opened, hearing, monkeypatch):
    """However long it was: what is made up for fits into one message."""
    address, real, held = f"tcp://127.0.0.1:{free_port()}", Sonic.message, count()

    def slow(robot: Sonic) -> bytes | None:
        time.sleep(0.35 if next(held) % 3 == 0 else 0)
        return real(robot)

    monkeypatch.setattr(Sonic, "message", slow)
    output = opened(robot="sonic", robot_bind=address)
    result = result_of(performer(np.zeros((55, 3))))
    messages = heard(hearing(address), 3.0, lambda: output.write(result, frame_now()))
    index = {int(k) for message in messages for k in np.frombuffer(message[-80:], "<i8")}
    assert len(messages) > 3 and index == set(range(min(index), max(index) + 1))


def test_without_anybody_it_says_that_it_waits(opened, hearing):
    address = f"tcp://127.0.0.1:{free_port()}"
    output = opened(robot="gmr", robot_bind=address)
    told = heard(hearing(address), 0.5, lambda: output.write(result_of(), frame_now()))
    assert told and {msgpack.unpackb(message.partition(b"\0")[2])["state"] for message in told} == {"waiting"}


def test_it_follows_whom_lock_names(opened, hearing):
    address = f"tcp://127.0.0.1:{free_port()}"
    output = opened(lock=2, robot="gmr", robot_bind=address)
    both = result_of(*(performer(np.zeros((55, 3)), (k, 1, -3), number=k) for k in (1, 2)))
    told = heard(hearing(address), 0.5, lambda: output.write(both, frame_now()))
    assert told and msgpack.unpackb(told[-1].partition(b"\0")[2])["id"] == 2


def test_what_is_old_when_it_comes_is_not_followed(opened, hearing):
    address = f"tcp://127.0.0.1:{free_port()}"
    output, result = opened(robot="gmr", robot_bind=address), result_of(performer(np.zeros((55, 3))))
    told = heard(hearing(address), 0.5, lambda: output.write(result, frame_now(age=2.0)))
    assert told and {msgpack.unpackb(message.partition(b"\0")[2])["state"] for message in told} == {"waiting"}


@pytest.mark.parametrize(("fields", "said"), [
    ({"robot": "atlas"}, "there is no robot 'atlas': give one of sonic, gmr, hands"),
    ({"robot": "sonic,"}, "there is no robot ''"),
    ({"robot": "gmr,gmr"}, "gmr is named twice"),
    ({"robot_speed": 0.0}, "greater than 0"),
])  # fmt: skip
def test_wrong_settings_are_named(fields, said):
    with pytest.raises(ValueError, match=said):
        output_settings()(**fields)


def test_addresses_that_cannot_be_are_named(opened):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(UsageError, match="another program uses it; end that one or give another --robot-bind"):
            opened(robot="gmr", robot_bind=taken)
        with pytest.raises(UsageError, match="another program uses it"):  # and the first is given back
            opened(robot="gmr,hands", robot_bind=f"tcp://127.0.0.1:{(port := free_port())},{taken}")
        opened(robot="gmr", robot_bind=f"tcp://127.0.0.1:{port}")
    with pytest.raises(UsageError, match="a port is 1 to 65535"):
        opened(robot="gmr", robot_bind="tcp://127.0.0.1:99999")
    with pytest.raises(UsageError, match="needs an address for each of sonic,gmr"):
        opened(robot="sonic,gmr", robot_bind="tcp://127.0.0.1:5556")
    with pytest.raises(UsageError, match="can be reached by other machines"):
        opened(robot="gmr", robot_bind=f"tcp://0.0.0.0:{port}")
    opened(robot="gmr", robot_bind=f"tcp://0.0.0.0:{free_port()}", insecure=True)


def test_each_robot_has_its_own_port_on_this_machine(opened):
    with suppress(UsageError):  # another run may be leading one
        output = opened(robot="sonic,gmr,hands")
        assert [publisher.address for _, publisher in output._robots] == [
            "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557", "tcp://127.0.0.1:5558",
        ]  # fmt: skip


def test_a_fault_on_its_thread_is_silence_and_ends_it(opened, monkeypatch):
    output = opened(robot="gmr", robot_bind=f"tcp://127.0.0.1:{free_port()}")
    monkeypatch.setattr(output._safety, "step", lambda now: 1 / 0)
    output._thread.join(timeout=120)
    assert not output._thread.is_alive()
    with pytest.raises(OutputError, match="--robot gmr failed \\(ZeroDivisionError"):
        output.write(result_of(), frame_now())


def test_a_run_leads_a_robot_by_the_demo(tmp_path, hearing):
    address = f"tcp://127.0.0.1:{free_port()}"
    command = [
        str(Path(sys.executable).with_name("pymafx-live")), "--source", "demo", "--realtime", "--bind", "",
        "--robot", "gmr", "--robot-bind", address, "--robot-hold", "10", "--max-frames", "60",
    ]  # fmt: skip
    reader = hearing(address)
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as run:
        told = []
        while run.poll() is None:
            told += [msgpack.unpackb(message.partition(b"\0")[2]) for message in heard(reader, 0.2)]
        assert run.returncode == 0, run.stderr.read()
    framed = [content for content in told if "frame" in content]
    assert framed and {content["source"] for content in framed} == {"demo"}
    assert len({content["id"] for content in framed}) == 1, "one person, of the two in the picture"
    for content in framed:
        places = {name: place for name, (place, _) in content["frame"].items()}
        heights = [places[name][2] for name in ("spine3", "pelvis", "left_knee", "left_foot")]
        assert (np.diff(heights) < -0.1).all(), "upright"
