"""Receives people: needs numpy, pyzmq and msgpack only.

with Subscriber("tcp://127.0.0.1:5555") as results:
    for result in results:
        for person in result.people:
            if person.parts["transl"].origin == "measured":
                print(person.id, person.pelvis)
"""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import zmq
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.core.wire import (
    EVENT_TOPIC,
    TOPIC,
    MalformedMessageError,
    UnknownVersionError,
    decode,
    decode_event,
    topic,
)

__all__ = ["MalformedMessageError", "NoMessageError", "Subscriber", "UnknownVersionError"]


class NoMessageError(TimeoutError):
    """Nothing arrived in time: nobody publishes there. (A frame without people does arrive.)"""


class Subscriber:
    """An endless iterator of the results that are published at `address`.

    `source` takes one source only, by its name. `newest` keeps only the newest message, for a consumer that
    is slower than the camera; use it with one source. After `timeout` seconds without a message the
    iteration raises `NoMessageError`; it may be gone on with. `None` waits for ever. `on_event` is called, from within
    the iteration, with what happens to the sources: `connecting`, `live`, `stalled` and so on.

    Raises:
        UsageError: the address is not one of ZeroMQ's.
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
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._on_event = on_event
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._socket = self._connected(topic(source) if source else TOPIC, newest)
        # Events have a socket of their own, as the newest message must not be one of them.
        if on_event is not None:
            self._events = self._connected(topic(source, EVENT_TOPIC) if source else EVENT_TOPIC)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FrameResult:
        return decode(self._receive())

    def _receive(self) -> bytes:
        while True:
            ready = dict(self._poller.poll(None if self._timeout is None else round(self._timeout * 1000)))
            if not ready:
                raise NoMessageError(f"no message from {self.address} for {self._timeout:g} s")
            if self._on_event is not None and self._events in ready:
                self._on_event(decode_event(self._events.recv()))
            elif self._socket in ready:
                return self._socket.recv()

    def _connected(self, prefix: bytes, newest: bool = False) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.LINGER, 0)
        if newest:
            socket.setsockopt(zmq.CONFLATE, 1)
        socket.setsockopt(zmq.SUBSCRIBE, prefix)
        try:
            socket.connect(self.address)
        except zmq.ZMQError as error:
            self.close()
            raise UsageError(
                f"cannot connect to {self.address} ({error.strerror}): give an address such as tcp://127.0.0.1:5555"
            ) from error
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def close(self) -> None:
        """Disconnects."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
