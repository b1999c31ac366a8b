"""Receives people: needs numpy, pyzmq and msgpack only.

with Subscriber("tcp://127.0.0.1:5555") as results:
    for result in results:
        for person in result.people:
            if person.parts["transl"].origin == "measured":
                print(person.id, person.pelvis)
"""

import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import zmq
from pymafx_live.core.addresses import has_port
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Directory, FrameResult, SourceEvent
from pymafx_live.core.wire import (
    DIRECTORY_TOPIC,
    EVENT_TOPIC,
    LARGEST,
    TOPIC,
    MalformedMessageError,
    UnknownVersionError,
    decode,
    decode_directory,
    decode_event,
    topic,
)
from pymafx_live.pipeline.curve import introduce

__all__ = ["MalformedMessageError", "NoMessageError", "Subscriber", "UnknownVersionError", "directory"]

_KEPT = 128
"""Messages that wait for who reads them; more are not taken, so that none of them becomes old."""
_PAUSES = (0.1, 2.0)
"""Seconds before a connection that was lost is made anew: the first time, and at most."""

logger = logging.getLogger(__name__)


class NoMessageError(TimeoutError):
    """No result arrived in time: nobody publishes there, or the camera is still. (A frame without people arrives.)"""


class Subscriber:
    """An endless iterator of the results that are published at `address`.

    `source` takes one source only, by its name. `newest` keeps only the newest message, for a consumer that
    is slower than the camera; use it with one source. After `timeout` seconds without a result the
    iteration raises `NoMessageError`; it may be gone on with. `None` waits for ever. `on_event` is called, from within
    the iteration, with what happens to the sources: `connecting`, `live`, `stalled` and so on, at once and again every
    second while it lasts. `curve` is the key file for a publisher that runs with `--curve`: docs/security.md.

    Raises:
        UsageError: the address is not one of ZeroMQ's, or the key file cannot be used.
        UnknownVersionError, MalformedMessageError: from the iteration, which may be gone on with.
    """

    def __init__(
        self,
        address: str = "tcp://127.0.0.1:5555",
        source: str = "",
        *,
        newest: bool = False,
        timeout: float | None = None,
        on_event: Callable[[SourceEvent], None] | None = None,
        curve: str | Path = "",
    ) -> None:
        self.address = address
        self._curve = Path(curve).expanduser() if curve else None
        self._timeout = timeout
        self._on_event = on_event
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._monitors: dict[zmq.Socket[bytes], zmq.Socket[bytes]] = {}
        self._lost: set[zmq.Socket[bytes]] = set()
        self._pause, self._again = _PAUSES[0], 0.0
        self._socket = self._connected(topic(source) if source else TOPIC, newest)
        # Events have a socket of their own, as the newest message must not be one of them.
        if on_event is not None:
            self._events = self._connected(topic(source, EVENT_TOPIC) if source else EVENT_TOPIC)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FrameResult:
        return decode(self._receive())

    def _receive(self) -> bytes:
        end = math.inf if self._timeout is None else time.monotonic() + self._timeout
        while True:
            until = min(end, self._again) if self._lost else end
            left = None if until == math.inf else math.ceil(max(until - time.monotonic(), 0) * 1000)
            ready = dict(self._poller.poll(left))
            if self._on_event is not None and self._events in ready:
                self._on_event(decode_event(self._events.recv()))
            elif self._socket in ready:
                self._pause = _PAUSES[0]
                return self._socket.recv()
            elif lost := [monitor for monitor in self._monitors if monitor in ready]:
                self._note_lost(lost)
            elif self._lost and time.monotonic() >= self._again:
                self._connect_again()
            elif time.monotonic() >= end:
                raise NoMessageError(f"no message from {self.address} for {self._timeout:g} s")

    def _connected(self, prefix: bytes, newest: bool = False) -> "zmq.Socket[bytes]":
        try:
            socket = _subscribed(self._context, self.address, prefix, self._curve, newest)
        except UsageError:
            self.close()
            raise
        monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._monitors[monitor] = socket
        for each in (socket, monitor):
            self._poller.register(each, zmq.POLLIN)
        return socket

    def _note_lost(self, monitors: "list[zmq.Socket[bytes]]") -> None:
        for monitor in monitors:
            monitor.recv_multipart()
            self._lost.add(self._monitors[monitor])
        self._again = time.monotonic() + self._pause

    def _connect_again(self) -> None:
        """Of itself ZeroMQ does not where the other end has sent more than a message may have, or has another key."""
        if self._pause == _PAUSES[0]:
            logger.warning("%s has ended the connection, or sent what is no message: connecting again", self.address)
        self._pause = min(2 * self._pause, _PAUSES[1])
        for socket in self._lost:
            socket.disconnect(self.address)
            socket.connect(self.address)
        self._lost.clear()

    def close(self) -> None:
        """Disconnects."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def directory(address: str = "tcp://127.0.0.1:5555", *, timeout: float = 5.0, curve: str | Path = "") -> Directory:
    """Which sources a fleet has, and how they are: it says so at `address` every second.

    Raises:
        NoMessageError: there is no fleet; one process sends no directory.
        UsageError, UnknownVersionError, MalformedMessageError: as `Subscriber`.
    """
    with zmq.Context() as context:
        try:
            keys = Path(curve).expanduser() if curve else None
            socket = _subscribed(context, address, DIRECTORY_TOPIC, keys)
            if not socket.poll(math.ceil(timeout * 1000)):
                raise NoMessageError(f"no directory from {address} for {timeout:g} s: no fleet publishes there")
            return decode_directory(socket.recv())
        finally:
            context.destroy(linger=0)


def _subscribed(
    context: "zmq.Context[zmq.Socket[bytes]]", address: str, prefix: bytes, curve: Path | None, newest: bool = False
) -> "zmq.Socket[bytes]":
    if not has_port(address):
        raise UsageError(f"cannot connect to {address}: a port is 1 to 65535")
    socket = context.socket(zmq.SUB)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, LARGEST)
    socket.setsockopt(zmq.RCVHWM, _KEPT)
    if newest:
        socket.setsockopt(zmq.CONFLATE, 1)
    socket.setsockopt(zmq.SUBSCRIBE, prefix)
    try:
        if curve is not None:
            introduce(socket, curve)
        socket.connect(address)
    except zmq.ZMQError as error:
        raise UsageError(
            f"cannot connect to {address} ({zmq.strerror(error.errno or 0)}): "
            "give an address such as tcp://127.0.0.1:5555"
        ) from error
    return socket
