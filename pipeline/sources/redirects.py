"""Follows the redirections of RTSP servers. FFmpeg does so too, but without end: a loop asks 10,000 times in 10 s."""

import re
import socket
import time
from urllib.parse import urljoin, urlsplit

MOST = 10
"""Redirections that are followed."""
_LONGEST = 64_000
"""Bytes of an answer's head."""
_PORT = 554


class TooManyRedirectsError(Exception):
    """A server that sends from one address to the next."""


def followed(url: str, seconds: float) -> str:
    """The address that an rtsp:// address leads to, asked in `seconds` at most; another scheme's is returned as it is.

    Raises:
        TooManyRedirectsError: after `MOST`.
        OSError: as `socket` does; `TimeoutError` where nothing answers in time.
    """
    deadline = time.monotonic() + seconds
    for _ in range(MOST + 1):
        if not url.startswith("rtsp://"):
            return url
        try:
            target = _redirection(url, deadline)
        except ValueError:  # no address that Python can read: FFmpeg says what is wrong with it
            return url
        if target is None:
            return url
        url = _with_login(urljoin(url, target), url)
    raise TooManyRedirectsError


def _redirection(url: str, deadline: float) -> str | None:
    """Where the server sends who asks it what it plays, None where it does not, or wants to know who asks."""
    parts = urlsplit(url)
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    with socket.create_connection((parts.hostname or "", parts.port or _PORT), left) as connection:
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        request = f"DESCRIBE {bare} RTSP/1.0\r\nCSeq: 1\r\nAccept: application/sdp\r\nUser-Agent: pymafx-live\r\n\r\n"
        connection.sendall(request.encode())
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _LONGEST:
            connection.settimeout(max(deadline - time.monotonic(), 1e-3))
            received = connection.recv(4096)
            if not received:
                break
            head += received
    text = head.decode("latin-1").partition("\r\n\r\n")[0]
    location = re.search(r"^location:\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)
    return location[1] if location and re.match(r"RTSP/1\.\d 3\d\d", text) else None


def _with_login(url: str, before: str) -> str:
    """The address with the user and password of the one before, where it is on the same host and has none."""
    old, new = urlsplit(before), urlsplit(url)
    if "@" in new.netloc or "@" not in old.netloc or old.hostname != new.hostname:
        return url
    return new._replace(netloc=f"{old.netloc.rpartition('@')[0]}@{new.netloc}").geturl()
