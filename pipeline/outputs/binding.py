"""Opens ZeroMQ addresses to publish on, and says in a sentence why one cannot be."""

import errno
import socket
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from pymafx_live.core.addresses import has_port
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.outputs.targets import Targets

if TYPE_CHECKING:
    import zmq
    from pymafx_live.pipeline.publisher import Bounds, Publisher


def claimed(address: str, flag: str, targets: Targets) -> str:
    """The address that a flag gives, its scheme in small letters; what file it makes is claimed.

    Raises:
        UsageError: there is no such port, or the file is somebody else's.
    """
    scheme, mark, rest = address.partition("://")
    address = scheme.lower() + mark + rest
    _check_port(address, flag)
    if (path := _socket_path(address)) is not None:
        targets.claim(path, flag)
    return address


def bind(address: str, flag: str, curve: Path | None = None, bounds: "Bounds | None" = None) -> "Publisher":
    """A publisher at an address.

    Raises:
        UsageError: the address is taken, or none of ZeroMQ's, or the keys cannot be used.
    """
    import zmq
    from pymafx_live.pipeline.publisher import Publisher

    _check_port(address, flag)
    _refuse_taken(address, flag)
    try:
        return Publisher(address, curve, bounds)
    except zmq.ZMQError as error:
        raise UsageError(_why_not(address, flag, error)) from error


def permit(address: str, curve: str, insecure: bool) -> Path | None:
    """The key file of who publishes at an address.

    Raises:
        UsageError: others reach the address, and there are neither keys nor the wish to do without.
    """
    if not (curve or insecure or of_this_machine(address)):
        raise UsageError(
            f"{address} can be reached by other machines, and whoever does sees who is where: give --curve "
            "with a key file (`pymafx-live keygen` makes one), or --insecure in a network that you trust"
        )
    return Path(curve).expanduser() if curve else None


def of_this_machine(address: str) -> bool:
    """Whether only processes of this machine can connect there."""
    scheme, _, rest = address.partition("://")
    if scheme in ("ipc", "inproc"):
        return True
    host = rest.rpartition(":")[0].strip("[]")
    try:
        return host.lower() in ("localhost", "lo") or ip_address(host).is_loopback
    except ValueError:  # the name of a network card, or none
        return False


def _check_port(address: str, flag: str) -> None:
    if not has_port(address):
        raise UsageError(
            f"cannot publish on {address}: a port is 1 to 65535, or * for any that is free; "
            f"give {flag} an address such as tcp://127.0.0.1:5555"
        )


def _socket_path(address: str) -> Path | None:
    """The file that ZeroMQ makes for an `ipc://` address; None where it makes none, or one with a name of its own."""
    name = address.removeprefix("ipc://")
    return None if name == address or name.startswith(("@", "*")) else Path(name)


def _refuse_taken(address: str, flag: str) -> None:
    """Raises `UsageError` for an `ipc://` address that is a file, or a socket that somebody listens on.

    ZeroMQ would take it away from both.
    """
    path = _socket_path(address)
    if path is None or not path.exists():
        return
    if not path.is_socket():
        raise UsageError(f"cannot publish on {address}: a file is there; give another {flag}")
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1)
        with suppress(OSError):  # what nobody listens on was left behind by a run that was killed
            probe.connect(str(path))
            raise UsageError(_taken(address, flag))


def _taken(address: str, flag: str) -> str:
    return f"cannot publish on {address}: another program uses it; end that one or give another {flag}"


def _why_not(address: str, flag: str, error: "zmq.ZMQError") -> str:
    import zmq

    if error.errno == errno.EADDRINUSE:
        return _taken(address, flag)
    return (
        f"cannot publish on {address} ({zmq.strerror(error.errno or 0)}): give an address such as tcp://127.0.0.1:5555"
    )
