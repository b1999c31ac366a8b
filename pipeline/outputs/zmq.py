"""Publishes every result and event on a ZeroMQ PUB socket; see docs/wire-protocol.md."""

import logging
import socket
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.addresses import has_port
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import encode, encode_event
from pymafx_live.pipeline.outputs.heartbeat import Heartbeat
from pymafx_live.pipeline.outputs.run import JOINTS, Run

if TYPE_CHECKING:
    import zmq

logger = logging.getLogger(__name__)


class ZmqSettings(Section):
    """ZeroMQ."""

    bind: str = setting("tcp://127.0.0.1:5555", "ZeroMQ address to publish on; empty: do not publish", "--bind")
    curve: str = setting(
        "", "the publisher's key file, made by `pymafx-live keygen`: only who has a key hears, encrypted", "--curve"
    )
    insecure: bool = setting(
        False, "publish to other machines without keys: who reaches the address can see who is where", "--insecure"
    )
    ttl: float = setting(
        0.0, "seconds after its capture from which a result is not sent any more, and said to be stale; 0: for ever",
        "--ttl", ge=0,
    )  # fmt: skip


class ZmqOutput(Output):
    """Sends and forgets: a slow subscriber loses messages, it never slows the loop.

    To encode and send takes less time, and less of the run's, than to wake another thread beside busy networks.

    With the key file `curve` only known subscribers hear (`pipeline.curve`).

    Raises:
        UsageError: the address is taken, or none of ZeroMQ's, or the keys cannot be used.
    """

    Settings = ZmqSettings
    policy = Policy.DIRECT
    raw = True

    def __init__(self, address: str, curve: Path | None = None, joints: int = JOINTS["body"], ttl: float = 0.0) -> None:
        """`joints` is how many of each person's joints are sent; what is older than `ttl` seconds is not (0: all)."""
        import zmq
        from pymafx_live.pipeline.publisher import Publisher

        _check_port(address)
        _refuse_taken(address)
        self.name = f"--bind {address}"
        self._joints, self._ttl, self._late = joints, ttl, False
        try:
            self._publisher = Publisher(address, curve)
        except zmq.ZMQError as error:
            raise UsageError(_why_not(address, error)) from error
        self.address = self._publisher.address
        if address.endswith("*"):
            logger.warning("publishing on %s", self.address)
        self._heartbeat = Heartbeat(lambda event: self._publisher.send(encode_event(event)))

    @classmethod
    def open(cls, settings: ZmqSettings, run: Run) -> Self | None:
        """Binds the address, if one is given; one that other machines reach needs keys, or the wish to do without."""
        scheme, mark, rest = settings.bind.partition("://")
        address = scheme.lower() + mark + rest
        if not address:
            return None
        _check_port(address)
        if (path := _socket_path(address)) is not None:
            run.targets.claim(path, "--bind")
        if not (settings.curve or settings.insecure or _of_this_machine(address)):
            raise UsageError(
                f"{address} can be reached by other machines, and whoever does sees who is where: give --curve "
                "with a key file (`pymafx-live keygen` makes one), or --insecure in a network that you trust"
            )
        curve = Path(settings.curve).expanduser() if settings.curve else None
        return cls(address, curve, run.joints, settings.ttl)

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the result's message, or drops it where that would block; `published_at` is now."""
        if frame is not None:
            result = replace(result, published_at=result.captured_at + frame.age, ttl=self._ttl)
        if self._ttl and result.age > self._ttl and not result.final:
            if not self._late:
                logger.warning("results are older than --ttl %g: these are not sent", self._ttl)
            self._late = True
            return
        self._publisher.send(encode(result, self._joints))

    def tell(self, event: SourceEvent) -> None:
        """Sends the event's message, and again every second until there is another one of its source."""
        self._heartbeat.note(event)
        self._publisher.send(encode_event(event))

    def close(self) -> None:
        """Closes the socket; what a subscriber is too slow for is lost."""
        self._heartbeat.close()
        self._publisher.close()


def _of_this_machine(address: str) -> bool:
    """Whether only processes of this machine can connect there."""
    scheme, _, rest = address.partition("://")
    if scheme in ("ipc", "inproc"):
        return True
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return host.lower() in ("localhost", "lo") or ip_address(host).is_loopback
    except ValueError:  # the name of a network card, or none
        return False


def _check_port(address: str) -> None:
    if not has_port(address):
        raise UsageError(
            f"cannot publish on {address}: a port is 1 to 65535, or * for any that is free; "
            "give an address such as tcp://127.0.0.1:5555"
        )


def _socket_path(address: str) -> Path | None:
    """The file that ZeroMQ makes for an `ipc://` address; None where it makes none, or one with a name of its own."""
    name = address.removeprefix("ipc://")
    return None if name == address or name.startswith(("@", "*")) else Path(name)


def _refuse_taken(address: str) -> None:
    """Raises `UsageError` for an `ipc://` address that is a file, or a socket that somebody listens on.

    ZeroMQ would take it away from both.
    """
    path = _socket_path(address)
    if path is None or not path.exists():
        return
    if not path.is_socket():
        raise UsageError(f"cannot publish on {address}: a file is there; give another --bind")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        with suppress(OSError):  # what nobody listens on was left behind by a run that was killed
            probe.connect(str(path))
            raise UsageError(_taken(address))


def _taken(address: str) -> str:
    return f"cannot publish on {address}: another program uses it; end that one or give another --bind"


def _why_not(address: str, error: "zmq.ZMQError") -> str:
    import errno

    import zmq

    if error.errno == errno.EADDRINUSE:
        return _taken(address)
    return (
        f"cannot publish on {address} ({zmq.strerror(error.errno or 0)}): give an address such as tcp://127.0.0.1:5555"
    )
