"""The client against a real publisher in another process."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import SourceEvent, SourceState
from pymafx_live.pipeline.client import MalformedMessageError, NoMessageError, Subscriber, UnknownVersionError
from pymafx_live.pipeline.listen import listen

PUBLISHER = """
import sys, time, msgpack, zmq
from pymafx_live.core.types import Camera, FrameResult, SourceEvent, SourceState
from pymafx_live.core.wire import encode, encode_event
socket = zmq.Context().socket(zmq.XPUB)  # tells when somebody subscribes
socket.bind(sys.argv[1])
socket.recv()
def result(source, sequence):
    return encode(FrameResult(source, sequence, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)))
def event(source, state):
    return encode_event(SourceEvent(source, SourceState(state), 3.0, "why"))
exec(sys.argv[2])
time.sleep(60)
"""


@pytest.fixture
def publisher() -> Iterator[Callable[[str], str]]:
    """Runs `sending` in another process once somebody subscribes; gives the address."""
    processes = []

    def start(sending: str, *arguments: object) -> str:
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        processes.append(subprocess.Popen([sys.executable, "-c", PUBLISHER, address, sending, *map(str, arguments)]))
        return address

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_results_arrive_in_order(publisher):
    address = publisher("for n in range(20): socket.send(result('cam', n))")
    with Subscriber(address, timeout=120) as results:
        received = [next(results) for _ in range(20)]
    assert [result.sequence for result in received] == list(range(20))
    assert received[0].age == 1.0


def test_one_source_only(publisher):
    sending = "for n in range(5): socket.send(result('cam10', n)); socket.send(result('cam1', n))"
    with Subscriber(publisher(sending), "cam1", timeout=120) as results:
        received = [next(results) for _ in range(5)]
    assert [(result.source, result.sequence) for result in received] == [("cam1", n) for n in range(5)]


MIXED = """
# XPUB: a message for each subscription, of which the first was received
if int(sys.argv[3]): socket.recv()
for n in range(5):
    socket.send(event('cam', 'live')); socket.send(result('cam', n)); socket.send(event('cam1', 'stalled'))
"""


def test_old_subscribers_do_not_notice_events(publisher):
    with Subscriber(publisher(MIXED, 0), timeout=120) as results:
        assert [next(results).sequence for _ in range(5)] == list(range(5))


def sequences_until(results: Subscriber, enough: Callable[[], bool]) -> list[int]:
    received = []
    while not enough():
        with suppress(NoMessageError):
            received.append(next(results).sequence)
    return received


@pytest.mark.parametrize("source", ["", "cam"])
def test_who_asks_for_events_gets_them_beside_the_results(publisher, source):
    live, stalled = SourceEvent("cam", "live", 3.0, "why"), SourceEvent("cam1", "stalled", 3.0, "why")
    expected = [live] * 5 if source else [live, stalled] * 5
    events: list[SourceEvent] = []
    with Subscriber(publisher(MIXED, 1), source, timeout=0.5, on_event=events.append) as results:
        received = sequences_until(results, lambda: len(events) == len(expected))
        received += [next(results).sequence for _ in range(5 - len(received))]
    assert received == list(range(5))
    assert events == expected
    assert all(isinstance(event.state, SourceState) for event in events)


def test_the_newest_result_is_not_an_event(publisher):
    events: list[SourceEvent] = []
    last = -1
    with Subscriber(publisher(MIXED, 1), newest=True, timeout=0.5, on_event=events.append) as results:
        while last != 4 or len(events) < 10:
            with suppress(NoMessageError):
                last = next(results).sequence
    assert len(events) == 10


def test_only_the_newest(publisher):
    address = publisher("for n in range(500): socket.send(result('cam', n))")
    with Subscriber(address, newest=True, timeout=120) as results:
        assert results._socket.poll(20_000)
        last = -1
        while last != 499:
            sequence = next(results).sequence
            assert sequence > last
            last = sequence


def test_silence_is_told_and_may_end(publisher):
    address = publisher("socket.send(result('cam', 1)); socket.recv(); socket.send(result('cam', 2))")
    with Subscriber(address, timeout=120) as results:
        assert next(results).sequence == 1
        results._timeout = 0.2
        with pytest.raises(NoMessageError, match=r"no message from tcp://.* for 0\.2 s"):
            next(results)
        results._timeout = 20
        results._socket.subscribe(b"wake the publisher")
        assert next(results).sequence == 2


def test_bad_messages_are_told_and_good_ones_still_arrive(publisher):
    sending = (
        "socket.send(b'smplx/cam'); socket.send(b'smplx/cam\\0\\xc1');"
        "socket.send(b'smplx/cam\\0' + msgpack.packb({'version': 9})); socket.send(result('cam', 1))"
    )
    with Subscriber(publisher(sending), timeout=120) as results:
        with pytest.raises(MalformedMessageError, match="does not begin with the topic"):
            next(results)
        with pytest.raises(MalformedMessageError, match="is not MessagePack"):
            next(results)
        with pytest.raises(UnknownVersionError, match="version 9"):
            next(results)
        assert next(results).sequence == 1


def test_who_sends_too_much_is_cut_off_told_and_heard_again(publisher, caplog):
    sending = (
        "socket.send(result('cam', 1)); socket.send(b'smplx/' + bytes(2**23)); socket.recv(); socket.recv();"
        "socket.send(result('cam', 2))"
    )  # XPUB tells that who subscribed is gone, and is there again
    with Subscriber(publisher(sending), timeout=120) as results:
        assert [next(results).sequence, next(results).sequence] == [1, 2]
    assert "sent what is no message: connecting again" in caplog.text


def test_a_publisher_that_comes_back_is_heard_again(publisher):
    once = publisher(
        "socket.send(result('cam', 1)); socket.close(0); time.sleep(0.5);"
        "socket = zmq.Context.instance().socket(zmq.XPUB); socket.bind(sys.argv[1]); socket.recv();"
        "socket.send(result('cam', 2))"
    )
    with Subscriber(once, timeout=120) as results:
        assert [next(results).sequence, next(results).sequence] == [1, 2]


def test_what_a_publisher_calls_itself_does_not_reach_the_terminal(publisher, capsys):
    name = "\x1b[2J\x9b31m\r\n[red]\u202e[/x]"
    sending = (
        f"name = {name!r}; socket.recv(); socket.send(encode_event(SourceEvent(name, 'li\\x1bve', 3.0, 'why')));"
        "time.sleep(0.5); socket.send(result(name, 1)); socket.send(result(name, 2))"
    )
    shown = r"\x1b[2J\x9b31m\r\n[red]\u202e[/x]"
    listen(publisher(sending), "", as_json=False, max_frames=2)
    out, err = capsys.readouterr()
    assert re.sub(r"  [\d.]+ fps", "", out) == "".join(f"{shown} #{k}  1000 ms old  nobody\n" for k in (1, 2))
    assert err.splitlines()[-1] == rf"{shown} is li\x1bve: why"  # before it perhaps that nothing came for a while
    assert all(line.isprintable() for line in err.splitlines())
    listen(publisher(sending), "", as_json=True, max_frames=2)
    out, _ = capsys.readouterr()
    assert [json.loads(line)["source"] for line in out.splitlines()] == [name, name]
    assert all(line.isprintable() for line in out.splitlines())


def test_an_address_that_is_none():
    with pytest.raises(
        UsageError, match=r"cannot connect to nowhere \(Invalid argument\): give an address such as tcp://"
    ):
        Subscriber("nowhere")
    for port in ("80000", "-5", "0", "*x", ""):  # ZeroMQ would take 14464 for the first
        with pytest.raises(UsageError, match="a port is 1 to 65535"):
            Subscriber(f"tcp://127.0.0.1:{port}")


def test_the_client_needs_numpy_pyzmq_and_msgpack_only():
    code = "import sys, json; import pymafx_live.pipeline.client; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    heavy = {"av", "click", "cv2", "numba", "onnxruntime", "pydantic", "rich", "scipy", "torch", "yaml"}
    assert not heavy & set(loaded)
    ours = {name for name in loaded if name.startswith("pymafx_live.")}
    assert ours == {
        "pymafx_live.core",
        *(
            f"pymafx_live.core.{name}"
            for name in (
                "addresses",
                "arrays",
                "errors",
                "posture",
                "rotations",
                "skeleton",
                "text",
                "types",
                "wire",
                "world",
            )
        ),
        "pymafx_live.pipeline",
        "pymafx_live.pipeline.client",
        "pymafx_live.pipeline.curve",
    }
