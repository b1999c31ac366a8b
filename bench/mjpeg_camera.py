"""A camera of our own that sends JPEG pictures over HTTP (multipart/x-mixed-replace), with faults on order."""

import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

import cv2
from pymafx_live.core.arrays import Image

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"


class MjpegCamera:
    """Plays pictures at `fps` again and again to whoever asks. Use it in a `with` block.

    While `silent` is set it sends nothing; `break_off` ends each connection once, within a picture. `taken` holds when
    each picture was taken, by `time.monotonic`.
    """

    def __init__(self, pictures: Sequence[Image], fps: float) -> None:
        self._pictures = [cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures]
        self._fps = fps
        self.silent = threading.Event()
        self.taken: list[tuple[int, float]] = []
        self._broken, self._over = 0, False

    def __enter__(self) -> "MjpegCamera":
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/video"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def break_off(self) -> None:
        """Ends the connections there are, each in the middle of its next picture."""
        self._broken += 1

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        broken, index, due = self._broken, 0, time.monotonic()
        with suppress(OSError), connection:
            connection.recv(4096)
            connection.sendall(_HEAD)
            while not self._over:
                picture = self._pictures[index % len(self._pictures)]
                if not self.silent.is_set():
                    self.taken.append((index % len(self._pictures), due))
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()
                    if self._broken != broken:
                        connection.sendall(head + picture[: len(picture) // 2])
                        return
                    connection.sendall(head + picture + b"\r\n")
                index, due = index + 1, due + 1 / self._fps
                time.sleep(max(0.0, due - time.monotonic()))
