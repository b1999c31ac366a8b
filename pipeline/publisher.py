"""A ZeroMQ socket to publish on, which no subscriber can stop, slow down or fill the memory of."""

import errno
import logging
import os
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import zmq
from pymafx_live.pipeline.curve import guard

logger = logging.getLogger(__name__)

KEPT = 4
"""Messages of each source kept for a subscriber that falls behind; more would only make them old."""
LONGEST_TOPIC = 1024
"""Bytes of a message that a subscriber may send: it asks for topics, of which each byte takes 46 of memory."""
MOST_TOPICS = 1000
"""Different topics that all subscribers together may ask for."""
MOST_CONNECTIONS = 2000
"""Connections at once: each takes a file handle and 50 kB. At most three quarters of the handles that are left."""
_LINGER = 500
"""Milliseconds that the last messages, one of which says that the source has ended, have to leave."""
_ENOUGH_FILES = 8192
_LOOK = 0.25
"""Seconds between two looks at the connections while nothing is sent."""
_FREED = 0.1
"""Seconds after which ZeroMQ has given an address back: until then it may take the file of a new `ipc://` one away."""
_OFTEN = 60.0
"""Seconds in which it is told once that all were disconnected."""
_HANDSHAKE = 5000
"""Milliseconds in which who connects must say that it speaks ZeroMQ."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What subscribers may take of a publisher: `kept` messages of each that falls behind, different `topics` of all
    together, and how many seconds one may take nothing at all before it is disconnected (`patience`, 0: for ever; only
    Linux heeds it)."""

    kept: int = KEPT
    topics: int = MOST_TOPICS
    patience: float = 0.0


class Publisher:
    """Sends to whoever subscribes.

    ZeroMQ bounds neither topics nor connections. Here, where there are too many, all are disconnected: subscribers come
    back by themselves, and a run goes on in any case. Raises `zmq.ZMQError`, and `UsageError` for keys.
    """

    def __init__(self, address: str, curve: Path | None = None, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._context = zmq.Context()
        self._guard = guard(self._context, curve) if curve else None
        self._lock = threading.Lock()
        self._topics: set[bytes] = set()
        self._told, self._free_at = -_OFTEN, 0.0
        try:
            self._socket: zmq.Socket[bytes] | None = self._bound(address)
        except zmq.ZMQError:
            self._end(linger=0)
            raise
        self.address = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)
        self._most_open = _open_files() + min(MOST_CONNECTIONS, _files_left() * 3 // 4)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look_now_and_then, name="publisher", daemon=True)
        self._thread.start()

    def send(self, message: bytes) -> None:
        """Sends without waiting; who is too slow loses it."""
        with self._lock:
            if (socket := self._again()) is not None:
                socket.send(message, zmq.NOBLOCK)
                self._count_topics(socket)

    def wanted(self, message: bytes) -> bool:
        """Whether a subscriber asks at this moment for what begins so."""
        with self._lock:
            if (socket := self._again()) is not None:
                self._count_topics(socket)
            return any(message.startswith(topic[1:]) for topic in self._topics)

    def topics(self) -> frozenset[bytes]:
        """What subscribers ask for at this moment: what a message of theirs begins with."""
        with self._lock:
            if (socket := self._again()) is not None:
                self._count_topics(socket)
            return frozenset(topic[1:] for topic in self._topics)

    def close(self) -> None:
        """Closes the socket; what a subscriber is too slow for is lost."""
        self._closed.set()
        self._thread.join()
        self._end(_LINGER)

    def _end(self, linger: int) -> None:
        if self._guard is not None:
            self._guard.close()
        self._context.destroy(linger=linger)

    def _bound(self, address: str) -> "zmq.Socket[bytes]":
        socket = self._context.socket(zmq.XPUB)  # as PUB, and tells who asks for what
        socket.setsockopt(zmq.SNDHWM, self._bounds.kept)
        if self._bounds.patience:
            socket.setsockopt(zmq.TCP_MAXRT, round(self._bounds.patience * 1000))
        socket.setsockopt(zmq.MAXMSGSIZE, LONGEST_TOPIC)
        # Few requests of each subscriber at a time: else `send` does not return while one floods it with them. With
        # one alone libzmq 4.3.5 ends no handshake of CURVE.
        socket.setsockopt(zmq.RCVHWM, 2)
        socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE)
        for option, value in ((zmq.TCP_KEEPALIVE, 1), (zmq.TCP_KEEPALIVE_IDLE, 60), (zmq.TCP_KEEPALIVE_INTVL, 10)):
            socket.setsockopt(option, value)  # who was unplugged leaves after a few minutes
        if self._guard is not None:
            self._guard.put_before(socket)
        try:
            socket.bind(address)
        except zmq.ZMQError:
            socket.close(linger=0)
            raise
        return socket

    def _again(self) -> "zmq.Socket[bytes] | None":
        """The socket, bound again where all were disconnected, if the address is free already."""
        if self._socket is None and time.monotonic() > self._free_at:
            with suppress(zmq.ZMQError):
                self._socket = self._bound(self.address)
        return self._socket

    def _count_topics(self, socket: "zmq.Socket[bytes]") -> None:
        """Takes what subscribers ask for; `_lock` is held."""
        for _ in range(2 * self._bounds.topics):
            if len(self._topics) > self._bounds.topics:
                break
            try:
                asked = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            if asked[:1] == b"\1":
                self._topics.add(asked)
            elif asked[:1] == b"\0":
                self._topics.discard(b"\1" + asked[1:])
        self._disconnect_all(socket, f"subscribers asked for more than {self._bounds.topics} topics")

    def _disconnect_all(self, socket: "zmq.Socket[bytes]", why: str) -> None:
        socket.close(linger=0)
        self._socket = None
        self._free_at = time.monotonic() + _FREED
        self._topics.clear()
        if time.monotonic() - self._told > _OFTEN:
            self._told = time.monotonic()
            logger.warning("%s at %s: all are disconnected, and may come back", why, self.address)

    def _look_now_and_then(self) -> None:
        """Also while nothing is sent, as a source is silent that perhaps finds no free file handle."""
        while not self._closed.wait(_LOOK):
            with self._lock:
                if (socket := self._again()) is None:
                    continue
                if _open_files() > self._most_open:
                    self._disconnect_all(socket, "there are too many connections")
                else:
                    self._count_topics(socket)


def _open_files() -> int:
    """How many file handles this process has; 0 where the system does not say."""
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208  Path.iterdir makes an object of each
    except OSError as error:
        return sys.maxsize if error.errno == errno.EMFILE else 0


def _files_left() -> int:
    """How many more file handles there can be, after asking the system for as many as connections may take."""
    if sys.platform == "win32":
        return _ENOUGH_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return _ENOUGH_FILES
    wanted = _ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(_ENOUGH_FILES, hard)
    if soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return soft - _open_files()
