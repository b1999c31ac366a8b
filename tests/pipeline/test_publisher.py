"""A publisher in a process of little memory and few file handles, against peers that ask for too much of both."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
import zmq
from pymafx_live.core.types import Camera, FrameResult
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.publisher import LONGEST_TOPIC, MOST_TOPICS

PUBLISHER = """
import resource, sys, time
from pymafx_live.core.types import Camera, FrameResult
from pymafx_live.core.wire import encode
from pymafx_live.pipeline.publisher import Publisher
import logging
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
publisher = Publisher(sys.argv[1])
print(publisher.address, flush=True)
result = encode(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)))
while True:
    publisher.send(result)
    time.sleep(0.01)
"""


@pytest.fixture(params=["tcp://127.0.0.1:*"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of a publisher, and its process."""
    address = request.param.replace("FOLDER", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process.stdout.readline().strip(), process
        process.kill()


def is_heard(address: str, patience: float = 30.0) -> bool:
    end = time.monotonic() + patience
    with Subscriber(address, timeout=0.5) as results:
        while time.monotonic() < end:
            try:
                return next(results).source == "cam"
            except NoMessageError:
                continue
    return False


def memory(process: "subprocess.Popen[str]") -> int:
    """Most bytes that it has ever had."""
    with Path(f"/proc/{process.pid}/status").open() as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("running", ["tcp://127.0.0.1:*", "ipc://FOLDER/live.sock"], indirect=True)
def test_no_number_of_topics_fills_its_memory(running):
    address, process = running
    assert is_heard(address)
    before = memory(process)
    with zmq.Context() as context, ExitStack() as stack:
        for peer in range(4):
            flood = stack.enter_context(context.socket(zmq.SUB))
            flood.setsockopt(zmq.LINGER, 0)
            flood.setsockopt(zmq.SNDHWM, 0)
            flood.connect(address)
            for number in range(3000):
                flood.subscribe(f"{peer}/{number}/".encode() + bytes(LONGEST_TOPIC - 100))
        time.sleep(1)
        assert process.poll() is None
        assert memory(process) - before < 200 * 2**20  # without bounds 550 MB
    assert is_heard(address)


def test_who_asks_for_much_within_the_bounds_stays_connected(running):
    address, process = running
    with zmq.Context() as context, context.socket(zmq.SUB) as many:
        many.setsockopt(zmq.LINGER, 0)
        many.connect(address)
        for number in range(MOST_TOPICS - 5):
            many.subscribe(f"smplx/cam{number}\0")
        many.subscribe(b"smplx/cam\0")
        for _ in range(3):
            for number in range(MOST_TOPICS - 5):
                many.unsubscribe(f"smplx/cam{number}\0")
                many.subscribe(f"smplx/other{number}\0")
                many.unsubscribe(f"smplx/other{number}\0")
                many.subscribe(f"smplx/cam{number}\0")
        assert many.poll(20_000)
        assert is_heard(address)
    process.kill()
    assert "disconnected" not in process.stderr.read()


def test_a_topic_that_is_too_long_costs_its_sender_the_connection_only(running):
    address, process = running
    with Subscriber(address, timeout=120) as results:
        next(results)
        with zmq.Context() as context, context.socket(zmq.SUB) as rude:
            rude.setsockopt(zmq.LINGER, 0)
            rude.connect(address)
            rude.subscribe(bytes(LONGEST_TOPIC + 100))
            rude.subscribe(b"smplx/")
            assert not rude.poll(500)
        assert next(results).source == "cam"
    process.kill()
    assert "disconnected" not in process.stderr.read()


def test_more_connections_than_there_are_file_handles(running):
    address, process = running
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    with ExitStack() as stack:
        for _ in range(200):
            connection = stack.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex((host, int(port)))
        time.sleep(1.5)
        assert process.poll() is None
    assert is_heard(address)
    process.kill()
    assert "there are too many connections" in process.stderr.read()


def test_what_many_cameras_send_at_one_moment_arrives():
    camera = Camera(4, 3, 1, 1, 1, 1)
    batch = [FrameResult(f"cam{k}", 1, "run", 0.0, 1.0, 2.0, camera) for k in range(100)]
    with (
        closing(ZmqOutput("tcp://127.0.0.1:*", sources=30)) as output,
        Subscriber(output.address, timeout=0.05) as results,
    ):
        end, first = time.monotonic() + 30, None
        while first is None and time.monotonic() < end:
            output.write(batch[0], None)
            with suppress(NoMessageError):
                first = next(results)
        with suppress(NoMessageError):
            while True:
                next(results)
        for result in batch:
            output.write(result, None)
        results._timeout = 30
        assert [next(results).source for _ in batch] == [result.source for result in batch]
