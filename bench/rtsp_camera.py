"""A camera of our own: RTSP over TCP (interleaved) or UDP with H.264, in plain Python, with faults on order.

    python -m pymafx_live.bench.rtsp_camera CLIP.h264 [--fps 25] [--port 0]

says its address, and then of each picture that it takes its number and when, by `time.monotonic`.
"""

import argparse
import random
import re
import signal
import socket
import ssl
import struct
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

_NTP = 2_208_988_800
"""Seconds from 1900 to 1970."""
_PAYLOAD = 1400
Send = Callable[[bytes], object]


def access_units(stream: bytes) -> list[list[bytes]]:
    """The pictures of an H.264 stream with start codes: their slices, and the parameter sets before them."""
    pictures: list[list[bytes]] = [[]]
    for unit in re.split(b"\0\0\1", stream)[1:]:
        last = pictures[-1]
        begins = unit[0] & 31 not in (1, 5) or unit[1] & 0x80  # no slice, or one whose first macroblock is the first
        if begins and last and last[-1][0] & 31 in (1, 5):
            pictures.append(last := [])
        last.append(unit.rstrip(b"\0"))
    return pictures


@dataclass
class Faults:
    """What goes wrong; all may be changed while the camera plays."""

    silent_at: str = ""
    """The request that is not answered (`OPTIONS`, `DESCRIBE`), or `PLAY`: answered, and nothing sent."""
    transport: str = ""
    """`udp` or `tcp`: the other one is refused."""
    password: str = ""
    redirects: int = 0
    """So many redirections before the stream; -1: without end."""
    missing: bool = False
    loss: float = 0.0
    flip: float = 0.0
    reorder: float = 0.0
    cut: float = 0.0
    """Of packets: lost, with a bit flipped, swapped with the next one, without their end."""
    reports: bool = True
    skew: float = 0.0
    """Seconds by which the camera's clock is ahead."""


@dataclass
class RtspCamera:
    """Plays `clips` at `fps`, each from its first picture again and again; `clip` says which. Use it in a `with` block.

    `taken` holds when each picture was taken, by `time.monotonic`; `requests` the methods that were asked for. What the
    network does not take waits in the camera.
    """

    clips: list[Path]
    fps: float = 25.0
    faults: Faults = field(default_factory=Faults)
    port: int = 0
    clip: int = 0
    taken: list[tuple[int, float]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    most_at_once: int = 0
    tls: ssl.SSLContext | None = None
    """With it, it speaks RTSPS only."""
    asleep_until: float = 0.0
    """Of what is due before that, by `time.monotonic`, nothing is taken any more."""

    def __enter__(self) -> "RtspCamera":
        self._pictures = [access_units(clip.read_bytes()) for clip in self.clips]
        self._chance = random.Random(1)
        self._connections: set[socket.socket] = set()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"rtsp{'s' if self.tls else ''}://127.0.0.1:{self.port}/live"

    def start(self) -> None:
        """Listens, on the same port as before."""
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        """Dies: no connection is left, and none accepted."""
        for connection in [self._server, *self._connections]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections.add(connection)
                self.most_at_once = max(self.most_at_once, len(self._connections))
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with suppress(OSError):
            if self.tls is not None:
                self._connections.discard(connection)
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._connections.add(connection)
            with connection:
                _Client(self, connection).serve()
        self._connections.discard(connection)

    def play(self, send: Send, report: Send, alive: Callable[[], bool]) -> None:
        """Sends RTP packets (RFC 3550, RFC 6184) until `alive` says no more."""
        source, number = self._chance.getrandbits(32), self._chance.randrange(65536)
        base, began = self._chance.getrandbits(31), time.monotonic()
        index, due, next_report, clip = 0, began, began, self.clip
        while alive():
            if clip != self.clip:
                clip, index = self.clip, 0
            pictures = self._pictures[clip]
            stamp = (base + round((due - began) * 90_000)) & 0xFFFFFFFF
            if self.faults.reports and due >= next_report:
                next_report = due + 1.0
                report(_sender_report(source, stamp, time.time() + self.faults.skew))
            self.taken.append((index % len(pictures), due))
            payloads = _payloads(pictures[index % len(pictures)])
            packets = []
            for k, payload in enumerate(payloads):
                marker = 0x80 if k == len(payloads) - 1 else 0
                packets.append(struct.pack("!BBHII", 0x80, 96 | marker, number & 0xFFFF, stamp, source) + payload)
                number += 1
            for packet in self._spoilt(packets):
                send(packet)
            index, due = index + 1, max(due + 1 / self.fps, self.asleep_until)
            time.sleep(max(0.0, due - time.monotonic()))

    def _spoilt(self, packets: list[bytes]) -> Iterator[bytes]:
        chance, faults = self._chance.random, self.faults
        left = [packet for packet in packets if chance() >= faults.loss]
        for k in range(len(left)):
            if chance() < faults.flip and len(left[k]) > 13:
                data = bytearray(left[k])
                data[self._chance.randrange(13, len(data))] ^= 1 << self._chance.randrange(8)
                left[k] = bytes(data)
            if chance() < faults.cut:
                left[k] = left[k][: self._chance.randrange(13, len(left[k]) + 1)]
            if k and chance() < faults.reorder:
                left[k - 1], left[k] = left[k], left[k - 1]
        yield from left

    def description(self) -> str:
        """What it plays, in SDP (RFC 8866)."""
        units = [unit for picture in self._pictures[self.clip] for unit in picture]
        sets = [next(unit for unit in units if unit[0] & 31 == kind) for kind in (7, 8)]
        coded = ",".join(b64encode(unit).decode() for unit in sets)
        return (
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\nm=video 0 RTP/AVP 96\r\n"
            "c=IN IP4 0.0.0.0\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;"
            f"profile-level-id={sets[0][1:4].hex()};sprop-parameter-sets={coded}\r\n"
            f"a=framerate:{self.fps:g}\r\na=control:track1\r\n"
        )


class _Client:
    """One connection to the camera."""

    def __init__(self, camera: RtspCamera, connection: socket.socket) -> None:
        self._camera, self._connection = camera, connection
        self._lock = threading.Lock()
        self._ports: tuple[int, int] | None = None
        self._received = b""

    def serve(self) -> None:
        while True:
            head = self._head()
            if head is None:
                return
            method, url = head.split()[:2]
            fields = dict(re.findall(r"^([\w-]+):\s*(.*?)\r?$", head.lower(), re.MULTILINE))
            self._camera.requests.append(method)
            self._number = fields.get("cseq", "0")
            if method != self._camera.faults.silent_at or method == "PLAY":
                self._answer(method, url, head, fields)

    def _head(self) -> str | None:
        """The next request, without what the client reports of its own in between."""
        while True:
            if self._received[:1] == b"$" and len(self._received) >= 4:
                size = 4 + struct.unpack("!H", self._received[2:4])[0]
                if len(self._received) >= size:
                    self._received = self._received[size:]
                    continue
            elif b"\r\n\r\n" in self._received:
                head, _, self._received = self._received.partition(b"\r\n\r\n")
                return head.decode()
            data = self._connection.recv(65536)
            if not data:
                return None
            self._received += data

    def _reply(self, status: str = "200 OK", fields: str = "", body: str = "") -> None:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        with self._lock:
            self._connection.sendall(
                f"RTSP/1.0 {status}\r\nCSeq: {self._number}\r\n{fields}{length}\r\n{body}".encode()
            )

    def _answer(self, method: str, url: str, head: str, fields: dict[str, str]) -> None:
        camera, faults = self._camera, self._camera.faults
        if method == "OPTIONS":
            self._reply(fields="Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n")
        elif faults.redirects:
            faults.redirects -= 1 if faults.redirects > 0 else 0
            self._reply("302 Moved", f"Location: {camera.url}{len(camera.requests)}\r\n")
        elif faults.password and not self._knows(faults.password, method, head):
            self._reply("401 Unauthorized", 'WWW-Authenticate: Digest realm="camera", nonce="1f"\r\n')
        elif faults.missing:
            self._reply("404 Not Found")
        elif method == "DESCRIBE":
            self._reply(fields=f"Content-Type: application/sdp\r\nContent-Base: {url}/\r\n", body=camera.description())
        elif method == "SETUP":
            self._set_up(fields["transport"])
        elif method == "PLAY":
            self._reply(fields="Session: 1\r\nRange: npt=now-\r\n")
            if faults.silent_at != "PLAY":
                threading.Thread(target=self._play, daemon=True).start()
        else:
            self._reply()

    def _knows(self, password: str, method: str, head: str) -> bool:
        given = dict(re.findall(r'(\w+)="([^"]*)"', head))

        def digest(text: str) -> str:
            return md5(text.encode(), usedforsecurity=False).hexdigest()

        who = digest(f"{given.get('username')}:camera:{password}")
        what = digest(f"{method}:{given.get('uri')}")
        return given.get("response") == digest(f"{who}:1f:{what}")

    def _set_up(self, transport: str) -> None:
        kind = "tcp" if "tcp" in transport else "udp"
        if self._camera.faults.transport not in ("", kind):
            self._reply("461 Unsupported Transport")
        elif kind == "tcp":
            self._reply(fields="Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1;timeout=60\r\n")
        else:
            first, second = (int(port) for port in re.findall(r"client_port=(\d+)-(\d+)", transport)[0])
            self._ports = first, second
            self._reply(
                fields=f"Transport: RTP/AVP;unicast;client_port={first}-{second};server_port=6970-6971\r\n"
                "Session: 1;timeout=60\r\n"
            )

    def _play(self) -> None:
        alive = True

        def interleaved(packet: bytes, channel: int = 0) -> None:
            nonlocal alive
            try:
                with self._lock:
                    self._connection.sendall(struct.pack("!cBH", b"$", channel, len(packet)) + packet)
            except OSError:
                alive = False

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            if self._ports is None:
                self._camera.play(interleaved, lambda packet: interleaved(packet, 1), lambda: alive)
                return
            here = [("127.0.0.1", port) for port in self._ports]
            self._camera.play(
                lambda packet: out.sendto(packet, here[0]), lambda packet: out.sendto(packet, here[1]),
                lambda: self._connection.fileno() >= 0,
            )  # fmt: skip


def _payloads(units: list[bytes]) -> list[bytes]:
    """A picture's units as payloads, large ones in fragments (RFC 6184, 5.8)."""
    payloads = []
    for unit in units:
        if len(unit) <= _PAYLOAD:
            payloads.append(unit)
            continue
        pieces = [unit[at : at + _PAYLOAD] for at in range(1, len(unit), _PAYLOAD)]
        for k, piece in enumerate(pieces):
            edge = (0x80 if k == 0 else 0) | (0x40 if k == len(pieces) - 1 else 0)
            payloads.append(bytes([unit[0] & 0xE0 | 28, edge | unit[0] & 31]) + piece)
    return payloads


def _sender_report(source: int, stamp: int, now: float) -> bytes:
    seconds = now + _NTP
    whole = int(seconds)
    report = struct.pack(
        "!BBHIIIIII", 0x80, 200, 6, source, whole, int((seconds - whole) * 2**32), stamp, 0, 0
    )  # fmt: skip
    return report + struct.pack("!BBHI", 0x81, 202, 2, source) + b"\1\1c\0"


def main() -> None:
    """Plays a clip until it is ended; stopped and continued (SIGCONT), it does not make up for what it has missed."""
    parser = argparse.ArgumentParser(prog="python -m pymafx_live.bench.rtsp_camera")
    parser.add_argument("clip", type=Path)
    parser.add_argument("--fps", type=float, default=25.0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with RtspCamera([options.clip], options.fps, port=options.port) as camera:

        def awake(*_: object) -> None:
            camera.asleep_until = time.monotonic()

        signal.signal(signal.SIGCONT, awake)
        print(camera.url, flush=True)
        told = 0
        while True:
            for number, at in camera.taken[told:]:
                print(number, at, flush=True)
                told += 1
            time.sleep(0.01)


if __name__ == "__main__":
    main()
