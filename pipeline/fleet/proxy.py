"""The one address of a fleet: what its workers publish leaves here, as if one process had all the cameras.

A plain class with a thread, without Ray: who starts the fleet makes an actor of it. Towards subscribers it is the
`Publisher` of any run, with its bounds and its keys. Each worker's publisher is subscribed to on a socket of its own,
for what subscribers ask for here, so that nobody else's results travel. Messages pass as they are; only their topics
are read.

A source has one worker at a time: its own is heard, and what another says of it is dropped. `route` says which one, so
that of a camera that is open twice for a moment, while it moves, nothing is sent twice:

    new.add(camera)              # returns with its first result
    proxy.route(name, "new")     # from here on the new run is heard, and the old one is not
    old.remove(name)
"""

import logging
import queue
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import zmq
from pymafx_live.core.addresses import has_port
from pymafx_live.core.errors import UsageError
from pymafx_live.core.text import LONGEST, quiet
from pymafx_live.core.types import OVER, Directory, Listing, SourceEvent, SourceState
from pymafx_live.core.wire import (
    EVENT_TOPIC,
    LARGEST,
    TOPIC,
    MalformedMessageError,
    UnknownVersionError,
    decode_event,
    encode_directory,
    encode_event,
)
from pymafx_live.pipeline.curve import introduce
from pymafx_live.pipeline.fleet.keys import lay_out
from pymafx_live.pipeline.outputs.binding import bind, permit
from pymafx_live.pipeline.outputs.heartbeat import PERIOD
from pymafx_live.pipeline.publisher import MOST_TOPICS, Bounds

BOUNDS = Bounds(kept=256, topics=4000, patience=10.0)
"""Towards subscribers: a hundred workers may send at one moment, and a thousand sources have as many topics."""
SILENT = 3.0
"""Seconds without a word, though a worker repeats the state of its sources every second, after which it is said so."""
FRESH = 5.0
"""Seconds for which the figures of `describe` are passed on."""
MOST_SOURCES = 10_000
"""More names than that are no cameras."""
_KEPT = 256
"""Messages of one worker that wait here; beyond that it drops them, as it does for any slow subscriber."""
_TURN = 64
"""Messages of one worker before the next one has its turn."""
_PAUSE = 20
"""Milliseconds at most until a new topic is passed on, or a call is carried out."""
_MOST_PUSHED = MOST_TOPICS * 9 // 10
"""Topics that a worker is asked for; it disconnects who asks for too many, so then it is asked for all."""
_PATIENCE = 30.0
"""Seconds for the thread to carry out a call."""

logger = logging.getLogger(__name__)
Value = TypeVar("Value")


@dataclass
class _Worker:
    """A worker's publisher, as it is subscribed to."""

    name: str
    address: str
    socket: "zmq.Socket[bytes]"
    heard: float
    """When it last said anything, on the monotonic clock."""
    topics: set[bytes] = field(default_factory=set)
    silent: bool = False


class Proxy:
    """Publishes what workers publish. Its methods may be called from any thread, and from Ray.

    Raises:
        UsageError: the address is taken, none of ZeroMQ's, or reached by others without keys; or keys cannot be used.
    """

    def __init__(
        self, address: str, curve: str = "", *, insecure: bool = False, keys: Mapping[str, bytes] | None = None
    ) -> None:
        """`address`, `curve` and `insecure` are as `--bind`, `--curve` and `--insecure` of one process. With `keys`
        (`FleetKeys.proxy`) the way to the workers is encrypted; they have `FleetKeys.worker`."""
        self._folder = tempfile.TemporaryDirectory(prefix="pymafx-live-") if keys else None
        self._curve = lay_out(keys, Path(self._folder.name)) if keys and self._folder else None
        self._publisher = bind(address, "--publish", permit(address, curve, insecure), BOUNDS)
        self._context = zmq.Context()
        self._poller = zmq.Poller()
        self._workers: dict[str, _Worker] = {}
        self._of_socket: dict[zmq.Socket[bytes], _Worker] = {}
        self._asked: frozenset[bytes] = frozenset()
        self._routes: dict[str, str] = {}
        self._events: dict[str, SourceEvent] = {}
        self._told: dict[str, SourceEvent] = {}
        self._outdated: set[str] = set()
        self._states: Sequence[Mapping[str, Any]] = ()
        self._described = self._looked = float("-inf")
        self._ticked = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fleet-proxy", daemon=True)
        self._thread.start()

    def where(self) -> str:
        """The address that subscribers connect to; with a `*` for a port, the port that was free."""
        return self._publisher.address

    def add(self, worker: str, address: str) -> None:
        """Listens to a worker's publisher (its `address` of `state()`) from now on. The same again changes nothing;
        with another address, the worker is listened to there instead.

        Raises:
            UsageError: it is no address of ZeroMQ's.
        """
        self._do(lambda: self._add(worker, address))

    def remove(self, worker: str) -> None:
        """Listens to it no more. Its sources that are not over are `reconnecting` until another worker speaks for them.
        One that is not there is no error."""
        self._do(lambda: self._remove(worker))

    def route(self, source: str, worker: str) -> None:
        """From now on that worker speaks for the source, and no other. The worker may be added later."""
        self._do(lambda: self._route(source, worker))

    def forget(self, source: str) -> None:
        """The source is not there any more: it is not in the directory, and nothing is repeated of it."""
        self._do(lambda: self._forget(source))

    def tell(self, event: SourceEvent) -> None:
        """Sends what the fleet knows of a source, such as that there is no room for it. It is repeated every second
        while no worker speaks for the source, also once the one that does has ended it, until `route` gives it away."""
        self._do(lambda: self._tell(event))

    def describe(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Takes in the workers' `state()`s, once a second or so: the directory's figures are from there."""
        self._do(lambda: self._describe(states))

    def directory(self) -> Directory:
        """The directory as it is sent every second."""
        return self._do(self._directory)

    def figures(self) -> dict[str, int]:
        """What has passed: messages `forwarded`, `stale` (of a worker that does not speak for the source), `malformed`;
        and `workers`, `sources` and `topics` now."""
        return self._do(self._figures)

    def close(self) -> None:
        """Disconnects all."""
        self._closing.set()
        self._thread.join()
        self._context.destroy(linger=0)
        self._publisher.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _do(self, order: Callable[[], Value]) -> Value:
        """Carries something out on the thread, to which the sockets belong."""
        done: Future[Value] = Future()

        def carry_out() -> None:
            try:
                done.set_result(order())
            except Exception as error:  # for who called
                done.set_exception(error)

        if not self._thread.is_alive():
            raise RuntimeError("the proxy has ended")
        self._orders.put(carry_out)
        return done.result(_PATIENCE)

    def _run(self) -> None:
        while not self._closing.is_set():
            for socket, _ in self._poller.poll(_PAUSE) if self._workers else self._wait():
                self._take(self._of_socket[socket])
            while not self._orders.empty():
                self._orders.get()()
            now = time.monotonic()
            if now - self._looked >= _PAUSE / 1000:
                self._looked = now
                self._push_all()
            if now - self._ticked >= PERIOD:
                self._tick()

    def _wait(self) -> "Iterable[tuple[zmq.Socket[bytes], int]]":
        self._closing.wait(_PAUSE / 1000)  # a poller without sockets does not wait
        return ()

    def _take(self, worker: _Worker) -> None:
        """Passes on what a worker has sent, as far as it is its turn."""
        worker.heard, worker.silent = time.monotonic(), False
        for _ in range(_TURN):
            try:
                message, *more = worker.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            passes = not more and self._passes(message, worker.name)
            self._counts["forwarded" if passes else "malformed" if passes is None else "stale"] += 1
            if passes:
                self._publisher.send(message)

    def _passes(self, message: bytes, worker: str) -> bool | None:
        """Whether a worker may say that; None where it is no message of ours."""
        head, separator, _ = message.partition(b"\0")
        kind, name = (head[: len(TOPIC)], head[len(TOPIC) :]) if head.startswith(TOPIC) else (EVENT_TOPIC, head[7:])
        if not separator or not head.startswith(kind):
            return None
        try:
            source = name.decode()
            event = decode_event(message) if kind == EVENT_TOPIC else None
        except (UnicodeDecodeError, MalformedMessageError, UnknownVersionError):
            return None
        if not self._speaks_for(worker, source, event):
            return False
        if event is not None:
            self._note(event)
        return True

    def _note(self, event: SourceEvent) -> None:
        """Takes in what the worker of a source says of it."""
        source = event.source
        self._events[source] = event
        if source in self._outdated:
            self._told.pop(source, None)
        elif event.state in OVER and source in self._told:  # what the fleet has said holds from now on
            self._events[source] = self._told[source]
            del self._routes[source]

    def _speaks_for(self, worker: str, source: str, event: SourceEvent | None) -> bool:
        if (speaker := self._routes.get(source)) is not None:
            return speaker == worker
        # Nobody has said whose it is. What was closed is still said to have ended, and so makes no new source.
        if (event is not None and event.state in OVER) or len(self._routes) >= MOST_SOURCES:
            return False
        self._route(source, worker)
        return True

    def _push_all(self) -> None:
        if (asked := self._publisher.topics()) != self._asked:
            self._asked = asked
            for worker in self._workers.values():
                self._push(worker)

    def _push(self, worker: _Worker) -> None:
        """Asks a worker for what subscribers ask for; of its events for all, which the directory needs."""
        wanted = {EVENT_TOPIC, *_shortest(topic for topic in self._asked if _may_match(topic))}
        if len(wanted) > _MOST_PUSHED:
            wanted = {EVENT_TOPIC, TOPIC}
        for topic in wanted - worker.topics:
            worker.socket.setsockopt(zmq.SUBSCRIBE, topic)
        for topic in worker.topics - wanted:
            worker.socket.setsockopt(zmq.UNSUBSCRIBE, topic)
        worker.topics = wanted

    def _add(self, name: str, address: str) -> None:
        known = self._workers.get(name)
        if known is not None and known.address == address:
            return
        socket = self._connected(address)
        if known is not None:
            self._disconnect(known)
        worker = _Worker(name, address, socket, time.monotonic())
        self._workers[name] = self._of_socket[socket] = worker
        self._poller.register(socket, zmq.POLLIN)
        self._push(worker)

    def _connected(self, address: str) -> "zmq.Socket[bytes]":
        if not has_port(address):
            raise UsageError(f"cannot listen to a worker at {address}: a port is 1 to 65535")
        socket = self._context.socket(zmq.SUB)
        for option, value in ((zmq.LINGER, 0), (zmq.MAXMSGSIZE, LARGEST), (zmq.RCVHWM, _KEPT)):
            socket.setsockopt(option, value)
        socket.setsockopt(zmq.SNDHWM, 0)  # ZeroMQ loses topics, and that they are over, where there are many at once
        try:
            if self._curve is not None:
                introduce(socket, self._curve)
            socket.connect(address)
        except zmq.ZMQError as error:
            socket.close(linger=0)
            raise UsageError(
                f"cannot listen to a worker at {address} ({zmq.strerror(error.errno or 0)}): it is none of ZeroMQ's"
            ) from error
        return socket

    def _disconnect(self, worker: _Worker) -> None:
        self._poller.unregister(worker.socket)
        del self._of_socket[worker.socket], self._workers[worker.name]
        worker.socket.close(linger=0)

    def _remove(self, name: str) -> None:
        worker = self._workers.get(name)
        if worker is None:
            return
        self._disconnect(worker)
        for source in self._sources_of(name):
            del self._routes[source]
            event = self._events.get(source)
            if event is None or event.state not in OVER:
                reason = f"worker {name} is gone"
                self._tell(SourceEvent(source, SourceState.RECONNECTING, time.time(), reason))

    def _route(self, source: str, worker: str) -> None:
        self._routes[source] = worker
        self._outdated.add(source)

    def _forget(self, source: str) -> None:
        self._routes.pop(source, None)
        self._events.pop(source, None)
        self._told.pop(source, None)
        self._outdated.discard(source)

    def _tell(self, event: SourceEvent) -> None:
        self._events[event.source] = self._told[event.source] = event
        self._outdated.discard(event.source)
        self._publisher.send(encode_event(event))

    def _describe(self, states: Sequence[Mapping[str, Any]]) -> None:
        self._states, self._described = states, time.monotonic()

    def _sources_of(self, worker: str) -> list[str]:
        return [source for source, speaker in self._routes.items() if speaker == worker]

    def _tick(self) -> None:
        """Once a second: what the fleet itself knows of sources, who is silent, and the directory."""
        now = time.monotonic()
        on_time = now - self._ticked < 2 * PERIOD  # else it is us who did not listen
        self._ticked = now
        for source, event in self._told.items():
            if self._events.get(source) is event:
                self._publisher.send(encode_event(event))
        for worker in self._workers.values() if on_time else ():
            if now - worker.heard > SILENT:
                self._note_silence(worker)
        self._publisher.send(encode_directory(self._directory()))

    def _note_silence(self, worker: _Worker) -> None:
        """Says so once, and connects anew, which ZeroMQ does not in every case."""
        live = [name for name in self._sources_of(worker.name) if name in self._events]
        live = [name for name in live if self._events[name].state not in OVER]
        if not live:
            return
        if not worker.silent:
            worker.silent = True
            logger.warning("nothing is heard of worker %s at %s", quiet(worker.name, LONGEST), worker.address)
            for source in live:
                self._tell(SourceEvent(source, SourceState.STALLED, time.time(), f"worker {worker.name} is silent"))
                self._outdated.add(source)
        with suppress(zmq.ZMQError):
            worker.socket.disconnect(worker.address)
        worker.socket.connect(worker.address)
        worker.heard = time.monotonic()

    def _directory(self) -> Directory:
        cameras: dict[tuple[str, str], tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        fresh = time.monotonic() - self._described < FRESH
        for state in self._states:
            for name, camera in state["cameras"].items():
                cameras[name, state["worker"]] = state, camera
        listings = []
        for source in sorted({*self._routes, *self._events}):
            worker = self._routes.get(source, "")
            state, camera = cameras.get((source, worker), ({}, {}))
            listings.append(_listing(source, worker, self._events.get(source), state, camera if fresh else {}))
        return Directory(time.time(), tuple(listings), len(listings))

    def _figures(self) -> dict[str, int]:
        counts = {name: self._counts[name] for name in ("forwarded", "stale", "malformed")}
        now = {"workers": len(self._workers), "sources": len(self._routes), "topics": len(self._asked)}
        return counts | now


def _listing(
    source: str, worker: str, event: SourceEvent | None, state: Mapping[str, Any], camera: Mapping[str, Any]
) -> Listing:
    age, sequence = camera.get("age_ms") or {}, camera.get("sequence")
    return Listing(
        source, SourceState.CONNECTING if event is None else event.state, "" if event is None else event.reason,
        worker, str(state.get("node", "")),
        run_id=camera.get("run") or None,
        sequence=None if sequence is None or sequence < 0 else sequence,
        fps=float(camera["fps"]) if "fps" in camera else None,
        age=age["p50"] / 1000 if age else None,
        dropped=float(camera["dropped"]) if "dropped" in camera else None,
        people=camera.get("people"),
    )  # fmt: skip


def _may_match(topic: bytes) -> bool:
    """Whether who asks for that would get results."""
    return topic.startswith(TOPIC) or TOPIC.startswith(topic)


def _shortest(topics: Iterable[bytes]) -> list[bytes]:
    """Those that no other one of them begins."""
    kept: list[bytes] = []
    for topic in sorted(topics):
        if not kept or not topic.startswith(kept[-1]):
            kept.append(topic)
    return kept
