"""Serves the page and its websocket, on a thread of its own."""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Event, Thread
from typing import Any

from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.page.access import Access
from pymafx_live.pipeline.page.downloads import Downloads
from pymafx_live.pipeline.page.files import files
from pymafx_live.pipeline.page.viewers import Viewers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
REMEDY = "python -m pip install 'pymafx-live[web]'"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
_PATIENCE = 2.0
"""Seconds that viewers may take to hear that it is over."""
_MOST_CONNECTIONS = 200
"""Of which each has a file handle: the run needs some too."""


class PageServer:
    """A server at `address` (host:port); `url` is what to open, with the token where there is one.

    `asked` hears what viewers wish (see `Viewers`), and `recording` says where a recording of that name is.

    Raises:
        UsageError: the address is taken or there is none such, or the extra `web` is not installed.
    """

    def __init__(
        self,
        address: str,
        asked: Callable[[Mapping[str, Any]], None] = lambda _: None,
        recording: Callable[[str], Path | None] = lambda _: None,
    ) -> None:
        try:
            import uvicorn
            import websockets  # noqa: F401, which uvicorn needs
            from starlette.applications import Starlette  # noqa: F401
        except ImportError as error:
            raise UsageError(f"--web needs the extra `web` ({error.name} is missing): {REMEDY}") from error
        host, _, port = address.rpartition(":")
        self._socket = _listening(host.strip("[]"), int(port), address)
        bound, self.port = self._socket.getsockname()[:2]
        self.access = Access(host, self.port, ip_address(bound).is_loopback)
        shown = socket.gethostname() if ip_address(bound).is_unspecified else host
        self.url = f"http://{shown}:{self.port}/{self.access.token}".rstrip("/")
        self.viewers = Viewers(asked)
        guarded = Guard(_application(self.viewers, Downloads(recording)), self.access)
        config = uvicorn.Config(
            guarded, log_config=None, log_level=logging.CRITICAL, access_log=False, lifespan="off",
            ws="websockets-sansio", ws_max_size=1024, ws_per_message_deflate=False,
            ws_ping_interval=5, ws_ping_timeout=10, timeout_graceful_shutdown=int(_PATIENCE), proxy_headers=False,
            http=_bounded(), server_header=False,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._loop: Any = None
        self._ready = Event()
        self._thread = Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._ready.wait()

    def post(self, key: bytes, message: bytes, lasting: bool = False) -> None:
        """Gives everybody a message, from any thread; see `Viewers.post`."""
        with suppress(RuntimeError):  # it has closed
            self._loop.call_soon_threadsafe(self.viewers.post, key, message, lasting)

    def close(self) -> None:
        """Says goodbye to the viewers and closes the port."""
        self._server.should_exit = True
        self._thread.join(2 * _PATIENCE)
        self._socket.close()

    def _run(self) -> None:
        import asyncio

        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            self._ready.set()
            await self._server.serve([self._socket])

        asyncio.run(serve())


class Guard:
    """Asks `Access` about every request before the application sees it."""

    def __init__(self, application: Callable[[Scope, Receive, Send], Awaitable[None]], access: Access) -> None:
        self._application, self._access = application, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        from starlette.responses import PlainTextResponse, RedirectResponse

        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if refusal := self._access.refusal(headers, scope["path"]):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": refusal})
                return
            await PlainTextResponse(f"{refusal}\n", 403, _HEADERS)(scope, receive, send)
        elif scope["type"] == "http" and self._access.told(scope["path"]):
            answer = RedirectResponse("/", 303, _HEADERS)  # it is not to stay in the browser's history
            # `strict` is left out where a link in another page led here; no other site's request takes `lax` along.
            answer.set_cookie(self._access.cookie, self._access.token, httponly=True, samesite="lax")
            await answer(scope, receive, send)
        else:
            await self._application(scope, receive, send)


def _bounded() -> Any:
    """uvicorn's HTTP on h11; a connection too many is closed, also where nothing is asked on the others."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Bounded(H11Protocol):  # type: ignore[misc, unused-ignore]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > _MOST_CONNECTIONS:
                transport.abort()

    return Bounded


def _application(viewers: Viewers, downloads: Downloads) -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route, WebSocketRoute

    async def answer(request: Request) -> Response:
        kind, content = files()[request.scope["path"]]
        return Response(content, media_type=kind, headers=_HEADERS)

    routes = [Route(path, answer) for path in files()]

    async def download(request: Request) -> Response:
        answer: Response = await downloads.answer(request.path_params["name"])
        answer.headers.update(_HEADERS)
        return answer

    routes.append(Route("/recordings/{name}", download))
    made = Starlette(routes=[*routes, WebSocketRoute("/live", viewers.serve)])
    made.router.redirect_slashes = False
    return made


def _listening(host: str, port: int, address: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError, UnicodeError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = "another program uses it" if taken else error
        raise UsageError(
            f"cannot serve the page on {address} ({why}): give another --web, such as 127.0.0.1:8001"
        ) from error
