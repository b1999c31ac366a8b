"""Who may see the page: a browser sends requests to any address for any site, so that each is checked."""

import hmac
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from socket import gethostname

_COSTLY = "/recordings/"
"""The paths of what takes some work to serve."""


class Access:
    """Refuses other sites' requests, and on an address that other machines reach who does not know the token.

    A site that has its name point at this machine (DNS rebinding) sends that name as `Host`; a site that opens a
    websocket to here sends its own as `Origin` (RFC 6455, 10.2). `token` is "" where only this machine can connect.
    """

    def __init__(self, host: str, port: int, local: bool) -> None:
        """`host` is what the address is called; `local`: only this machine reaches it."""
        self.cookie = f"pymafx-live-{port}"  # a browser has one jar for all ports of a machine
        own = gethostname().lower()
        self._names = {"localhost", host.lower().strip("[]")} | (set() if local else {own, f"{own}.local"})
        self._local = local
        self.token = "" if local else secrets.token_urlsafe(18)  # a part of a path that `core.addresses` shows

    def refusal(self, headers: Mapping[str, str], path: str) -> str:
        """Why a request for a path, with these headers (names in small letters), is refused; "" where it is not."""
        host = headers.get("host", "")
        if not self._known(_name(host)):
            return f"this page is not called {host[:100]!r}: use the address that pymafx-live printed"
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in (f"http://{host.lower()}", f"https://{host.lower()}"):
            return "another site's page may not ask here"
        if path.startswith(_COSTLY) and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "another site's page may not ask for this"  # a picture's address, say, which has no `Origin`
        if self.token and not (self.told(path) or self._equal(_cookie(headers.get("cookie", ""), self.cookie))):
            return "this page needs its token: use the whole address that pymafx-live printed"
        return ""

    def told(self, path: str) -> bool:
        """Whether the path is the token: who asks for it may have the cookie."""
        return self._equal(path.removeprefix("/"))

    def _equal(self, given: str) -> bool:
        return bool(self.token) and hmac.compare_digest(given.encode(errors="replace"), self.token.encode())

    def _known(self, name: str) -> bool:
        """A name of ours, or a number: no other site's name can stand there."""
        if name in self._names:
            return True
        try:
            return ip_address(name).is_loopback or not self._local
        except ValueError:
            return False


def _name(host: str) -> str:
    """A `Host` header without the port."""
    if host.startswith("["):
        number, end, _ = host[1:].partition("]")
        return number.lower() if end else ""
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _cookie(header: str, name: str) -> str:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return found.value if found else ""
