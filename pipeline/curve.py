"""Keys for CURVE, ZeroMQ's encryption: with them only known subscribers hear a publisher, and nobody else can be it.

A folder of keys holds `server.key_secret` for the publisher, one `NAME.key_secret` for each subscriber, and in
`clients/` the public keys that the publisher lets in. The files are those of CZMQ and `zmq.auth`
(https://rfc.zeromq.org/spec/4/, ZPL); a subscriber's holds the publisher's public key too, as `server-key`.
"""

import logging
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import zmq
from pymafx_live.core.errors import UsageError

if TYPE_CHECKING:
    from zmq.auth.thread import ThreadAuthenticator

logger = logging.getLogger(__name__)

SERVER = "server.key_secret"
CLIENTS = "clients"
_Z85 = r"[0-9a-zA-Z.:+=^!/*?&<>()\[\]{}@%$#-]"
_KEY = re.compile(rf'^\s*(public|secret|server)-key\s*=\s*"({_Z85}{{40}})"\s*$'.encode(), re.MULTILINE)
_LONGEST = 4096
"""Bytes of a key file."""
_DOMAIN = "people"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one end, in Z85; `server` is the publisher's public key, which a subscriber knows it by."""

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes | None = None


def generate(folder: Path, client: str) -> list[Path]:
    """Writes the keys of a publisher, unless they are there, and of a subscriber; returns the new secret files.

    Secret files can be read by their owner only. Raises `UsageError` for keys that are there already.
    """
    if not _NAME.fullmatch(client) or client == "server":
        raise UsageError(f"{client!r} is no name for a subscriber's keys: give letters, digits, _ and -, not `server`")
    server, secret, public = folder / SERVER, folder / f"{client}.key_secret", folder / CLIENTS / f"{client}.key"
    if taken := next((file for file in (secret, public) if file.exists()), None):
        raise UsageError(
            f"{taken} is there, and keys are never overwritten: give --client another name, or a new folder"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        public.parent.mkdir(exist_ok=True)
        new = [secret] if server.exists() else [server, secret]
        keys = read(server) if server.exists() else _pair()
        own = _pair()
        if server in new:
            _write(server, 0o600, public=keys.public, secret=keys.secret)
        _write(public, 0o644, public=own.public)
        _write(secret, 0o600, public=own.public, secret=own.secret, server=keys.public)
    except OSError as error:
        raise UsageError(f"no keys can be written into {folder} ({error.strerror}): give another folder") from error
    return new


def read(file: Path) -> Keys:
    """The keys in a secret file. Raises `UsageError`, which never repeats one."""
    if re.fullmatch(_Z85 + "{36,40}", str(file)) and not file.exists():  # as a path it may be a little shorter
        raise UsageError("--curve wants the file of a key, not the key: others would see it in the list of processes")
    try:
        found = _found(file)
        shared = file.stat().st_mode & 0o077
    except OSError as error:
        raise UsageError(
            f"cannot read the keys {file} ({error.strerror}): `pymafx-live keygen` makes some, see docs/security.md"
        ) from error
    secret = found.get("secret")
    public = _public(secret) if secret else None
    if secret is None or public is None:
        raise UsageError(f"{file} holds no secret key: give a .key_secret file that `pymafx-live keygen` made")
    if shared and os.name == "posix":
        logger.warning("%s can be read by other users of this machine: chmod 600 it, or make new keys", file)
    return Keys(public, secret, found.get("server"))


def guard(context: "zmq.Context[zmq.Socket[bytes]]", file: Path) -> "Guard":
    """Lets in, on sockets of that context, who has a key in the folder `clients` beside the publisher's `file`.

    Raises `UsageError` where there is no key to let in, or this build of ZeroMQ has no CURVE.
    """
    keys = read(file)
    if keys.server is not None:
        raise UsageError(f"{file} is a subscriber's: give the publisher {SERVER}")
    clients = Clients(file.parent / CLIENTS)
    if not clients.keys():
        raise UsageError(
            f"{clients.folder} holds no subscriber's public key, so nobody could hear: `pymafx-live keygen` makes one"
        )
    _check_built()
    from zmq.auth.thread import ThreadAuthenticator

    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    authenticator.configure_curve_callback(_DOMAIN, clients)
    return Guard(keys, authenticator)


class Guard:
    """Tells known subscribers from others for the sockets that it is put before."""

    def __init__(self, keys: Keys, authenticator: "ThreadAuthenticator") -> None:
        self._keys, self._authenticator = keys, authenticator

    def put_before(self, socket: "zmq.Socket[bytes]") -> None:
        """Before it is bound."""
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, self._keys.secret)
        socket.setsockopt_string(zmq.ZAP_DOMAIN, _DOMAIN)
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # nobody comes in when the authenticator is not there

    def close(self) -> None:
        """Ends its thread; nobody new comes in."""
        self._authenticator.stop()


class Clients:
    """The public keys in a folder, read anew for each who wants in: a new one needs no restart."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[bytes]:
        """What can be read of them."""
        found = set()
        for file in self.folder.glob("*.key"):
            try:
                found.add(_found(file).get("public"))
            except OSError as error:
                logger.warning("the key %s cannot be read (%s): who has it is not let in", file, error.strerror)
        return {key for key in found if key}

    def callback(self, domain: str, key: bytes) -> bool:
        """Asked by the authenticator, with the key of one who has proved to have its secret."""
        return key in self.keys()


def introduce(socket: "zmq.Socket[bytes]", file: Path) -> None:
    """Gives a subscriber's socket its keys, before it connects. Raises `UsageError`."""
    keys = read(file)
    if keys.server is None:
        raise UsageError(f"{file} is the publisher's: give a subscriber a file of its own, which `keygen` makes")
    _check_built()
    socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)
    socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.public)
    socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret)


def _check_built() -> None:
    if not zmq.has("curve"):
        raise UsageError("this build of ZeroMQ has no CURVE: install pyzmq from its wheel")


def _public(secret: bytes) -> bytes | None:
    try:
        return zmq.curve_public(secret)
    except zmq.ZMQError:  # forty letters that are no number
        return None


def _pair() -> Keys:
    _check_built()
    public, secret = zmq.curve_keypair()
    return Keys(public, secret)


def _found(file: Path) -> dict[str, bytes]:
    with file.open("rb") as stream:
        return {name.decode(): key for name, key in _KEY.findall(stream.read(_LONGEST))}


def _write(file: Path, mode: int, **keys: bytes) -> None:
    """A new file, which nobody else can open at any time. Raises `OSError` where there is one."""
    lines = [f'    {name}-key = "{key.decode()}"\n' for name, key in keys.items()]
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="ascii") as stream:
        stream.write("".join(["metadata\n", "curve\n", *lines]))
