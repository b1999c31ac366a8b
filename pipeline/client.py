"""Receives people: needs numpy, pyzmq and msgpack only.

with Subscriber("tcp://127.0.0.1:5555") as results:
    for result in results:
        for person in result.people:
            print(person.id, person.transl)
"""

from types import TracebackType
from typing import Self

import zmq
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import FrameResult
from pymafx_live.core.wire import TOPIC, MalformedMessageError, UnknownVersionError, decode, topic

__all__ = ["MalformedMessageError", "NoMessageError", "Subscriber", "UnknownVersionError"]


class NoMessageError(TimeoutError):
    """Nothing arrived in time: nobody publishes there. (A frame without people does arrive.)"""


class Subscriber:
    """An endless iterator of the results that are published at `address`.

    `source` takes one source only, by its name. `newest` keeps only the newest message, for a consumer that
    is slower than the camera; use it with one source. After `timeout` seconds without a message the
    iteration raises `NoMessageError`; it may be gone on with. `None` waits for ever.

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
    ) -> None:
        self.address = address
        self._timeout = timeout
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        if newest:
            self._socket.setsockopt(zmq.CONFLATE, 1)
        self._socket.setsockopt(zmq.SUBSCRIBE, topic(source) if source else TOPIC)
        try:
            self._socket.connect(address)
        except zmq.ZMQError as error:
            self.close()
            raise UsageError(
                f"cannot connect to {address} ({error.strerror}): give an address such as tcp://127.0.0.1:5555"
            ) from error

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> FrameResult:
        return decode(self._receive())

    def _receive(self) -> bytes:
        if self._timeout is not None and not self._socket.poll(round(self._timeout * 1000)):
            raise NoMessageError(f"no message from {self.address} for {self._timeout:g} s")
        return self._socket.recv()

    def close(self) -> None:
        """Disconnects."""
        self._context.destroy(linger=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
