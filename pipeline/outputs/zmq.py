"""Publishes every result on a ZeroMQ PUB socket; see docs/wire-protocol.md."""

from contextlib import suppress

import zmq
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.core.wire import encode

_HIGH_WATER_MARK = 4
"""Messages kept for a subscriber that falls behind; more would only make them old."""


class ZmqOutput:
    """Sends and forgets: a slow subscriber loses messages, it never slows the loop.

    Raises:
        UsageError: the address is taken, or none of ZeroMQ's.
    """

    def __init__(self, address: str) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
        self._socket.setsockopt(zmq.LINGER, 0)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise UsageError(_why_not(address, error)) from error

    def write(self, result: FrameResult, frame: Frame) -> None:
        """Sends the result's message, or drops it where that would block."""
        with suppress(zmq.Again):  # never raised by a PUB socket, which drops by itself
            self._socket.send(encode(result), zmq.NOBLOCK)

    def close(self) -> None:
        """Closes the socket without waiting for subscribers."""
        self._context.destroy(linger=0)


def _why_not(address: str, error: zmq.ZMQError) -> str:
    if error.errno == zmq.EADDRINUSE:
        return f"cannot publish on {address}: another program uses it; end that one or give another --bind"
    return f"cannot publish on {address} ({error.strerror}): give an address such as tcp://127.0.0.1:5555"
