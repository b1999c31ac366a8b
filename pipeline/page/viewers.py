"""Who looks at the page: each is sent the newest of everything, as fast as it takes that, and may ask for something."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.websockets import WebSocket

MOST = 100
"""Viewers at a time."""
_QUIET = 1.0
"""Seconds of silence after which the sources' states are repeated: who hears nothing knows that nobody is there."""
_BETWEEN = 0.03
"""Seconds between two wishes of a viewer, at least: no hand is faster, and each costs the run some of its processor."""
_LONGEST = 300
"""Bytes of a source's name that a viewer asks for the pictures of, at most."""


class Viewer:
    """What waits for one viewer: of each kind and source the newest message."""

    def __init__(self) -> None:
        self.picture = b""
        """The source whose pictures it shows; empty: none."""
        self._waiting: dict[bytes, bytes] = {}
        self._some = asyncio.Event()

    def put(self, key: bytes, message: bytes) -> None:
        """Replaces what waits under that key."""
        self._waiting[key] = message
        self._some.set()

    async def take(self, seconds: float) -> bytes | None:
        """The message that has waited longest, or None where none comes in that time."""
        try:
            async with asyncio.timeout(seconds):
                await self._some.wait()
        except TimeoutError:
            return None
        key = next(iter(self._waiting))
        message = self._waiting.pop(key)
        if not self._waiting:
            self._some.clear()
        return message


class Viewers:
    """All viewers. Everything but `count` and `pictured` belongs to the server's own thread.

    A viewer asks with a JSON map: {"picture": source} for the pictures of a source (empty: of none), and what else
    `asked` makes sense of; that is told all of it, on the server's thread.
    """

    def __init__(self, asked: Callable[[Mapping[str, Any]], None] = lambda _: None) -> None:
        self._asked = asked
        self.count = 0
        """How many there are; any thread may look."""
        self.pictured: frozenset[bytes] = frozenset()
        """The sources whose pictures are looked at; any thread may look."""
        self._all: set[Viewer] = set()
        self._states: dict[bytes, bytes] = {}

    def post(self, key: bytes, message: bytes, lasting: bool = False) -> None:
        """Gives a message to everybody; one that is `lasting` also to who comes later."""
        if lasting:
            self._states[key] = message
        source = key.partition(b"/")[2]
        for viewer in self._all:
            if not key.startswith(b"picture/") or viewer.picture == source:
                viewer.put(key, message)

    async def serve(self, socket: "WebSocket") -> None:
        """Sends to one viewer until it leaves."""
        from starlette.websockets import WebSocketDisconnect

        if self.count >= MOST:
            await socket.close(1013, f"{MOST} others look already")
            return
        await socket.accept()
        viewer = Viewer()
        for key, state in self._states.items():
            viewer.put(key, state)
        self._all.add(viewer)
        self._count()
        sending = asyncio.create_task(self._send(viewer, socket))
        try:
            while True:
                self._take(viewer, await socket.receive_text())
                await asyncio.sleep(_BETWEEN)
        except (WebSocketDisconnect, KeyError):  # it left, or sent what is no text
            pass
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            self._all.discard(viewer)
            self._count()

    async def _send(self, viewer: Viewer, socket: "WebSocket") -> None:
        while True:
            message = await viewer.take(_QUIET)
            if message is not None:
                await socket.send_bytes(message)  # which waits while 64 kB are on their way
                continue
            await socket.send_bytes(b"alive/\0")
            for state in tuple(self._states.values()):
                await socket.send_bytes(state)

    def _take(self, viewer: Viewer, text: str) -> None:
        """Does what a viewer asks for; what is not understood is left aside."""
        try:
            wish = json.loads(text)
        except (ValueError, RecursionError):
            return
        if not isinstance(wish, dict):
            return
        if isinstance(source := wish.get("picture"), str):
            viewer.picture = source.encode(errors="replace")[:_LONGEST]
            self._count()
        self._asked(wish)

    def _count(self) -> None:
        self.count = len(self._all)
        self.pictured = frozenset(viewer.picture for viewer in self._all if viewer.picture)
