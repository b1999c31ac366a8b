"""Addresses of cameras, and what of them may be shown: passwords, keys and tokens leave the process nowhere."""

import re
from urllib.parse import quote

from pymafx_live.core.errors import UsageError

HIDDEN = "…"
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_WRITTEN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]*[^\s'\".,;:!?)]")
_LOGIN = re.compile(r"(?<![^\s/@'\"])[^\s/@'\":]*+:[^\s@'\"]++@(?=[\w\[])")
"""A user and a password in what is no address, as its scheme is mistyped."""
_NAMED = re.compile(r"(?i)\b((?:user|login|pass(?:word|wd)?|pwd|token|secret|(?:api_?)?key|auth)=)[^&\s'\"]+")
"""What a query or a path calls secret, also where it is no address."""
_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[A-Za-z0-9._-]+|\*)(:(\d{1,5}|\*))?")
_SENT_TO = re.compile(r"(?P<host>\[[^\]]+\]|[^:\s]+):(?P<port>\d{1,5})(?P<more>\+?)")
_KEYED = ("rtmp", "srt")
"""Schemes of which the last part of the path is a key to publish or to play."""
_LONGEST = 24
"""A longer part of a path is taken for a token."""
_UNRESERVED = "-._~!$&()*+,;=%"
"""What may stand unescaped in a user and a password (RFC 3986); what is escaped already stays so."""


def has_port(address: str) -> bool:
    """Whether an address of ZeroMQ has a port that there is, or needs none: ZeroMQ itself takes what is left of
    another in 16 bits."""
    port = address.rpartition(":")[2]
    if not address.startswith("tcp://") or port == "*":
        return True
    return port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 2**16


def parse_address(text: str, flag: str, such_as: str = "127.0.0.1:39539") -> tuple[str, int, bool]:
    """The host, the port and whether a `+` follows of `host:port+`.

    Raises:
        UsageError: it is no such address.
    """
    match = _SENT_TO.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 2**16:
        raise UsageError(
            f"cannot send to {text}: an address is host:port with a port of 1 to 65535; "
            f"give {flag} one such as {such_as}"
        )
    return match["host"].strip("[]"), int(match["port"]), bool(match["more"])


def masked(address: str) -> str:
    """The address as it may be shown and sent: without user, password, query, and what looks like a key in its path.

    Cameras' owners do not escape, so a password may hold any character; where it cannot be told from the host,
    nothing but the scheme is shown. Of what is no address (`0`, a file) only what is called a password is hidden.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return _NAMED.sub(rf"\1{HIDDEN}", address)
    scheme, rest = match[1].lower(), match[2]
    place, _, query = rest.partition("?")
    if "@" in query:
        return f"{scheme}://{HIDDEN}"
    host, slash, path = place.rpartition("@")[2].partition("#")[0].partition("/")
    if not place.rpartition("@")[0] and not host:  # of this machine: ipc:///path
        return f"{scheme}://{place}"
    if not _HOST.fullmatch(host):
        return f"{scheme}://{HIDDEN}"
    parts = [HIDDEN if _secret(part) else part for part in path.split("/")]
    if scheme.startswith(_KEYED) and len(parts) > 1:
        parts[-1] = HIDDEN
    return f"{scheme}://{host}{slash}{'/'.join(parts)}"


def _secret(part: str) -> bool:
    return len(part) > _LONGEST or not re.fullmatch(r"[\w.,~+-]*", part)


def escaped(address: str) -> str:
    """The address as FFmpeg understands it: the scheme in small letters, specials in user and password escaped."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return address
    scheme, (login, at, host) = match[1].lower(), _parted(match[2])
    user, colon, password = login.partition(":")
    user, password = (quote(part, _UNRESERVED, errors="surrogateescape") for part in (user, password))
    return f"{scheme}://{user}{colon}{password}{at}{host}"


def _parted(rest: str) -> tuple[str, str, str]:
    """What stands before the host, the `@` if any, and the host with all that follows."""
    place, mark, query = rest.partition("?")
    login, at, host = place.rpartition("@")
    if "@" in query and not (at and _HOST.fullmatch(host.partition("/")[0])):  # a question mark in a password
        return rest.rpartition("@")
    return login, at, host + mark + query


class Secrets:
    """Hides in any text what was learnt to be secret, and every address that is written out in it."""

    _SHORTEST = 4
    """Characters of a password that is sought in every text: a shorter one is in many words."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}

    def learn(self, address: str) -> None:
        """Remembers an address, its user with the password, and the password alone."""
        match = _ADDRESS.fullmatch(address)
        if match is None:
            return
        self._shown[address] = self._shown[escaped(address)] = masked(address)
        for form in (match[2], _ADDRESS.sub(r"\2", escaped(address))):
            logins = [form[: at.start()] for at in re.finditer("@", form)]
            for secret in (form, *logins, *(login.partition(":")[2] for login in logins)):
                if len(secret) >= self._SHORTEST and secret not in masked(address):
                    self._shown.setdefault(secret, HIDDEN)

    def hide(self, text: str) -> str:
        """The text with every secret left out."""
        for secret in sorted(self._shown, key=len, reverse=True):
            text = text.replace(secret, self._shown[secret])
        text = _LOGIN.sub(f"{HIDDEN}@", _WRITTEN.sub(lambda found: masked(found[0]), text))
        return _NAMED.sub(rf"\1{HIDDEN}", text)


SECRETS = Secrets()
"""What this process must not show: all that it prints, logs and writes goes through `hide`."""
