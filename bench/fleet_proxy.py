"""What the one address of a fleet costs: results by way of the proxy, against results straight from the workers.

    python -m pymafx_live.bench.fleet_proxy [--workers 10] [--cameras 10,40] [--seconds 10] [--json out.json]

A process has so many publishers; each sends a result of each of its cameras 25 times a second, all in one go, as a
batch comes out of an engine. Another process listens to all of them. Delays are on one clock, from before a message is
sent until it is read; `lost` are those that did not arrive. Each row is a run with and one without the proxy.
"""

import argparse
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil
import zmq
from pymafx_live.bench.latency import Figures, percentiles
from pymafx_live.bench.outputs import CAMERA, people
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import FrameResult, Person, SourceEvent, SourceState
from pymafx_live.core.wire import TOPIC, encode, encode_event
from pymafx_live.pipeline.fleet.proxy import Proxy
from pymafx_live.pipeline.outputs.run import JOINTS
from pymafx_live.pipeline.publisher import KEPT, Bounds, Publisher

FPS = 25
_STAMP = struct.Struct("<d")
_SETTLE = 2.0
"""Seconds in which connections are made, and after which what is still on its way has arrived."""
COLUMNS = {
    "sent": "sent a second", "lost": "lost, %", "p50": "p50, ms", "p95": "p95, ms", "p99": "p99, ms",
    "cpu": "% of a core", "each": "us a message",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Load:
    """So many workers with so many cameras each, people in every picture, for so many seconds."""

    workers: int
    cameras: int
    people: int
    seconds: float


def result(source: str, everybody: Sequence[Person]) -> bytes:
    """A message of so many people."""
    return encode(FrameResult(source, 0, "bench", 0.0, 0.0, 0.0, CAMERA, everybody), JOINTS["body"])


def send(load: Load, pipe: Any) -> None:
    """Publishes, tells the addresses, begins when it is told to, and tells how many messages it has sent."""
    ((everybody),) = people(load.people, 1)
    messages = [
        [
            encode(FrameResult(f"cam{w}.{c}", 0, "bench", 0.0, 0.0, 0.0, CAMERA, everybody), 22)
            for c in range(load.cameras)
        ]
        for w in range(load.workers)
    ]
    bounds = Bounds(kept=KEPT * load.cameras)
    with ExitStack() as stack:
        publishers = [
            stack.enter_context(closing(Publisher("tcp://127.0.0.1:*", bounds=bounds))) for _ in range(load.workers)
        ]
        pipe.send(([publisher.address for publisher in publishers], len(messages[0][0])))
        for worker, publisher in enumerate(publishers):
            for camera in range(load.cameras):
                publisher.send(encode_event(SourceEvent(f"cam{worker}.{camera}", SourceState.LIVE, 0.0)))
        pipe.recv()
        sent, begin = 0, time.monotonic()
        while (turn := sent // load.cameras) < load.workers * FPS * load.seconds:
            due = begin + turn / (load.workers * FPS)
            time.sleep(max(due - time.monotonic(), 0))
            for message in messages[turn % load.workers]:
                publishers[turn % load.workers].send(message + _STAMP.pack(time.monotonic()))
                sent += 1
        pipe.send((sent, time.monotonic() - begin))
        pipe.recv()


def receive(addresses: Sequence[str], pipe: Any) -> None:
    """Listens until it is told to end, and tells the delays in seconds."""
    delays = []
    with zmq.Context() as context, context.socket(zmq.SUB) as socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SUBSCRIBE, TOPIC)
        for address in addresses:
            socket.connect(address)
        pipe.send("ready")
        while not pipe.poll():
            while socket.poll(50):
                (sent,) = _STAMP.unpack(socket.recv()[-_STAMP.size :])
                delays.append(time.monotonic() - sent)
        pipe.send(delays)


def forward(addresses: Sequence[str], pipe: Any) -> None:
    """Is the proxy, until it is told to end; tells its address, and then the seconds of processor it took."""
    with closing(Proxy("tcp://127.0.0.1:*")) as proxy:
        for number, address in enumerate(addresses):
            proxy.add(f"w{number}", address)
        pipe.send(proxy.where())
        while pipe.recv() != "end":
            pipe.send(sum(psutil.Process().cpu_times()[:2]))


def measure(load: Load, proxied: bool) -> Figures:
    """The figures of one run."""
    spawn = get_context("spawn")
    with ExitStack() as stack:

        def started(work: Any, *arguments: Any) -> Any:
            here, there = spawn.Pipe()
            process = spawn.Process(target=work, args=(*arguments, there), daemon=True)
            process.start()
            stack.callback(process.kill)
            return here

        sender = started(send, load)
        addresses, size = sender.recv()
        proxy = started(forward, addresses) if proxied else None
        receiver = started(receive, [proxy.recv()] if proxy else addresses)
        receiver.recv()
        time.sleep(_SETTLE)
        before = _ask(proxy) if proxy else 0.0
        sender.send("begin")
        sent, seconds = sender.recv()
        time.sleep(_SETTLE / 4)
        busy = (_ask(proxy) - before) if proxy else float("nan")
        receiver.send("end")
        delays = receiver.recv()
    return {
        "sent": sent / seconds, "lost": 100 * (1 - len(delays) / sent), **percentiles(delays),
        "cpu": 100 * busy / seconds, "each": 1e6 * busy / sent, "bytes": size,
    }  # fmt: skip


def _ask(proxy: Any) -> float:
    proxy.send("how busy")
    return float(proxy.recv())


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(prog="pymafx_live.bench.fleet_proxy", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--cameras", default="10,40", help="cameras of each worker, one row each")
    parser.add_argument("--people", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    rows = {}
    for cameras in numbers(given.cameras):
        load = Load(given.workers, cameras, given.people, given.seconds)
        for proxied in (False, True):
            rows[f"{given.workers * cameras} cameras, {'proxy' if proxied else 'direct'}"] = measure(load, proxied)
    title = f"{given.workers} workers, {FPS} results a second of each camera"
    print_table(title, rows, COLUMNS, decimals=1)
    if given.json:
        write_json(given.json, "fleet_proxy", rows, vars(given) | {"json": str(given.json)})


if __name__ == "__main__":
    try:
        main()
    except LiveError as error:
        sys.exit(f"error: {error}")
