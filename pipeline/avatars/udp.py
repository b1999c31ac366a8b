"""Sends datagrams to one address, and never waits for anybody."""

import logging
import socket
from collections.abc import Iterable
from typing import Self

from pymafx_live.core.errors import UsageError, first_line

logger = logging.getLogger(__name__)


class UdpSender:
    """A socket that sends to one address; what cannot be sent is lost, and that is said once.

    The name is looked up once, here. The socket is connected, so that this machine can tell when nobody listens.

    Raises:
        UsageError: there is no such host, or no way there.
    """

    def __init__(self, host: str, port: int, flag: str) -> None:
        self._where = f"{flag} {host}:{port}"
        self._told = ""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
            # Avatar apps listen on IPv4, and `localhost` is both.
            family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
            self._socket.connect(address)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or first_line(error)
            raise UsageError(f"cannot send to {host}:{port} ({why}): give another {flag}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(self, datagrams: Iterable[bytes]) -> None:
        """Sends them in their order, up to the first that cannot be sent."""
        try:
            for data in datagrams:
                self._socket.send(data)
        except ConnectionRefusedError:  # the answer to an earlier one
            self._tell("nobody listens there: start the avatar's app, or check its port; sending goes on")
        except BlockingIOError:
            self._tell("the network takes less than is sent: some of it is lost")
        except OSError as error:
            self._tell(f"cannot be reached ({error.strerror}): sending goes on")

    def close(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _tell(self, what: str) -> None:
        if what != self._told:
            self._told = what
            logger.warning("%s: %s", self._where, what)
