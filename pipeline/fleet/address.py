"""The one address of a fleet, as the manager handles it: the proxy's actor, and what it is told."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.types import SourceEvent, SourceState
from pymafx_live.pipeline.fleet import keys
from pymafx_live.pipeline.fleet.actors import PROXY, find, make_proxy
from pymafx_live.pipeline.fleet.answers import Trouble, cause, quietly, why, within
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.journal import Journal
from pymafx_live.pipeline.fleet.store import Store

_PATIENCE = 4.0
"""Seconds after which a proxy that does not answer is replaced."""
_START = 60.0
_FREED = 0.2


def published(wanted: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes a proxy another one: address, key file, and whether it may do without."""
    return wanted.get("publish"), wanted.get("curve"), wanted.get("insecure")


class Address:
    """The proxy. It carries out what it is told in that order, so that only what has to be known is waited for."""

    def __init__(self, store: Store, journal: Journal) -> None:
        self.where = ""
        """Where subscribers connect to."""
        self._store, self._journal = store, journal
        self._proxy: Any = None
        self._workers: dict[str, str] = {}
        self._binding, self._trouble = asyncio.Lock(), Trouble()

    @property
    def keys(self) -> dict[str, Mapping[str, bytes]]:
        """The keys of the way between workers and proxy, made once for a fleet."""
        kept: dict[str, Mapping[str, bytes]] | None = self._store.load("keys")
        if kept is None:
            made = keys.make()
            kept = {"worker": dict(made.worker), "proxy": dict(made.proxy)}
            self._store.save("keys", kept)
        return kept

    @property
    def open(self) -> bool:
        """Whether there is a proxy."""
        return self._proxy is not None

    async def find_again(self) -> None:
        """The proxy that was opened before this manager."""
        self._proxy = find(PROXY)
        if self._proxy is not None:
            try:
                self.where = await within(self._proxy.where.remote(), _START)
            except Exception:
                self._end()

    async def bind(self, wanted: Mapping[str, Any]) -> None:
        """A new proxy at the address that is wanted, in place of another. Raises `LiveError`."""
        async with self._binding:
            await self._bind(wanted)

    async def _bind(self, wanted: Mapping[str, Any]) -> None:
        await self.close()
        proxy = await self._made(published(wanted))
        try:
            self.where = await within(proxy.where.remote(), _START)
        except Exception as error:
            ray().kill(proxy)
            if isinstance(raised := cause(error), LiveError):
                raise raised from None
            raise UsageError(f"{wanted['publish']} cannot be published on: {why(error)}") from error
        self._proxy = proxy
        self._journal.note(f"people are published on {self.where}")

    async def _made(self, where: tuple[Any, ...]) -> Any:
        """A new proxy; the name of one that was just ended is free a moment later."""
        node, until = ray().get_runtime_context().get_node_id(), time.monotonic() + _START
        while True:
            try:
                return make_proxy(node, where, self.keys["proxy"])
            except ValueError:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(_FREED)

    async def close(self) -> None:
        """Disconnects all who listen."""
        if self._proxy is not None:
            await quietly(within(self._proxy.close.remote(), _PATIENCE))
            self._end()

    async def update(
        self, wanted: Mapping[str, Any], states: Mapping[str, Mapping[str, Any]], places: Mapping[str, str]
    ) -> None:
        """Tells which workers there are, by their states, and who speaks for which camera; makes a proxy that died
        anew."""
        if self._binding.locked() or time.monotonic() < self._trouble.until:
            return
        proxy = self._proxy
        try:
            if proxy is None:
                await self.bind(wanted)
                proxy, self._trouble = self._proxy, Trouble()
            for worker, state in states.items():
                if self._workers.get(worker) != state["address"]:
                    await within(proxy.add.remote(worker, state["address"]), _PATIENCE)
                    self._workers[worker] = state["address"]
                    for camera in [camera for camera, place in places.items() if place == worker]:
                        proxy.route.remote(camera, worker)
            await within(proxy.describe.remote(list(states.values())), _PATIENCE)
        except Exception as error:
            if self._proxy is not proxy:  # another one was opened meanwhile
                return
            if proxy is not None or self._trouble.why != why(error):
                self._journal.note(f"nobody can listen ({why(error)}): the proxy is made anew")
            self._trouble = self._trouble.again(why(error), time.monotonic()) if proxy is None else Trouble()
            self._end()

    def drop(self, worker: str) -> None:
        """Listens to a worker no more. Its cameras are `reconnecting` until another one speaks for them."""
        if self._proxy is not None:
            self._proxy.remove.remote(worker)
        self._workers.pop(worker, None)

    def route(self, camera: str, worker: str) -> None:
        """From now on that worker speaks for the camera."""
        if self._proxy is not None:
            self._proxy.route.remote(camera, worker)

    async def hand_over(self, camera: str, worker: str) -> None:
        """The same, and returns when it is so."""
        if self._proxy is not None:
            await quietly(within(self._proxy.route.remote(camera, worker), _PATIENCE))

    def forget(self, camera: str) -> None:
        """The camera is not there any more."""
        if self._proxy is not None:
            self._proxy.forget.remote(camera)

    def tell(self, camera: str, state: SourceState, reason: str) -> None:
        """An event on the wire, of a camera that no worker speaks for."""
        if self._proxy is not None:
            self._proxy.tell.remote(SourceEvent(camera, state, time.time(), SECRETS.hide(reason)))

    def _end(self) -> None:
        if self._proxy is not None:
            ray().kill(self._proxy)
        self._proxy, self._workers = None, {}
