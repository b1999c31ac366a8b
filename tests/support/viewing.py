"""What tests ask the page's server for, and what they hear of it."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
from pymafx_live.pipeline.outputs.web import WebOutput
from support.watching import wait_until
from websockets.sync.client import ClientConnection, connect


def ask(output: WebOutput, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", output.server.port, timeout=120)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    connection.close()
    return found


@contextmanager
def viewer(output: WebOutput, **more) -> Iterator[ClientConnection]:
    before = output.server.viewers.count
    with connect(f"ws://127.0.0.1:{output.server.port}/live", max_size=None, proxy=None, **more) as opened:
        wait_until(lambda: output.server.viewers.count > before)
        yield opened
    wait_until(lambda: output.server.viewers.count <= before or not output.server._thread.is_alive())


def results(socket: ClientConnection, last: int) -> list[bytes]:
    """The results up to that sequence number."""
    found = []
    while not found or content_of(found[-1])["sequence"] < last:
        message = socket.recv(timeout=30)
        found += [message] if message.startswith(b"people/") else []
    return found


def content_of(message: bytes) -> dict[str, Any]:
    return msgpack.unpackb(message.partition(b"\0")[2])
