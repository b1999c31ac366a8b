"""Publishes every result and event on a ZeroMQ PUB socket; see docs/wire-protocol.md."""

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import encode, encode_event
from pymafx_live.pipeline.outputs.run import Run

if TYPE_CHECKING:
    import zmq

_HIGH_WATER_MARK = 4
"""Messages kept for a subscriber that falls behind; more would only make them old."""
_LINGER = 500
"""Milliseconds that the last messages, one of which says that the source has ended, have to leave."""


class ZmqSettings(Section):
    """ZeroMQ."""

    bind: str = setting("tcp://127.0.0.1:5555", "ZeroMQ address to publish on; empty: do not publish", "--bind")


class ZmqOutput(Output):
    """Sends and forgets: a slow subscriber loses messages, it never slows the loop.

    To encode and send takes less time, and less of the run's, than to wake another thread beside busy networks.

    Raises:
        UsageError: the address is taken, or none of ZeroMQ's.
    """

    Settings = ZmqSettings
    policy = Policy.DIRECT

    def __init__(self, address: str) -> None:
        import zmq

        self.name = f"--bind {address}"
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUB)
        self._socket.setsockopt(zmq.SNDHWM, _HIGH_WATER_MARK)
        try:
            self._socket.bind(address)
        except zmq.ZMQError as error:
            self.close()
            raise UsageError(_why_not(address, error)) from error
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @classmethod
    def open(cls, settings: ZmqSettings, run: Run) -> Self | None:
        """Binds the address, if one is given."""
        return cls(settings.bind) if settings.bind else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the result's message, or drops it where that would block; `published_at` is now."""
        if frame is not None:
            result = replace(result, published_at=result.captured_at + frame.age)
        self._send(encode(result))

    def tell(self, event: SourceEvent) -> None:
        """Sends the event's message."""
        self._send(encode_event(event))

    def close(self) -> None:
        """Closes the socket; what a subscriber is too slow for is lost."""
        self._context.destroy(linger=_LINGER)

    def _send(self, message: bytes) -> None:
        import zmq

        with suppress(zmq.Again):  # never raised by a PUB socket, which drops by itself
            self._socket.send(message, zmq.NOBLOCK)


def _why_not(address: str, error: "zmq.ZMQError") -> str:
    import errno

    if error.errno == errno.EADDRINUSE:
        return f"cannot publish on {address}: another program uses it; end that one or give another --bind"
    return f"cannot publish on {address} ({error.strerror}): give an address such as tcp://127.0.0.1:5555"
