"""A link that is too slow, or stands still for a while: relays TCP connections on this machine."""

import socket
import threading
import time
from contextlib import suppress

_PIECE = 4096


class SlowLink:
    """Relays to a port at `rate` bytes a second, and nothing while `held` is set. Use it in a `with` block."""

    def __init__(self, port: int, rate: float) -> None:
        self.rate, self.held = rate, threading.Event()
        self._target = port

    def __enter__(self) -> "SlowLink":
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket()
                far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * _PIECE)  # what waits, waits at the camera
                far.connect(("127.0.0.1", self._target))
                threading.Thread(target=self._pass_on, args=(near, far), daemon=True).start()
                threading.Thread(target=self._pass_on, args=(far, near), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        """A token bucket that holds one piece."""
        due = time.monotonic()
        with suppress(OSError), one, other:
            while data := one.recv(_PIECE):
                while self.held.is_set():
                    time.sleep(0.01)
                due = max(due, time.monotonic() - _PIECE / self.rate) + len(data) / self.rate
                time.sleep(max(0.0, due - time.monotonic()))
                other.sendall(data)
