"""The one address, over real sockets: workers' outputs on one side, subscribers of any run on the other."""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest
import zmq
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera, Directory, FrameResult, Listing, SourceEvent, SourceState
from pymafx_live.core.wire import DIRECTORY_TOPIC, decode_directory, encode, encode_directory, encode_event, topic
from pymafx_live.pipeline.client import NoMessageError, Subscriber, directory
from pymafx_live.pipeline.curve import SERVER, generate
from pymafx_live.pipeline.fleet import keys, proxy
from pymafx_live.pipeline.fleet.proxy import Proxy
from pymafx_live.pipeline.listen import print_directory
from pymafx_live.pipeline.outputs import heartbeat
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.publisher import Bounds

PATIENCE = 60.0
ANY = "tcp://127.0.0.1:*"


class Worker:
    """What a worker publishes: through the output of any run, a hundred results a second of each of its sources."""

    def __init__(self, name: str, *sources: str, curve: Path | None = None) -> None:
        self.name = name
        self.output = ZmqOutput(ANY, curve)
        self.sent: list[tuple[str, str, int]] = []
        self._sources = {source: f"run of {source} on {name}" for source in sources}
        for source in sources:
            self.output.tell(SourceEvent(source, SourceState.LIVE, 1.0, f"on {name}"))
        self._over, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        for sequence in itertools.count():
            if self._over.wait(0.01):
                return
            with self._lock:
                for source, run in self._sources.items():
                    result = FrameResult(source, sequence, run, 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))
                    self.sent.append((source, run, sequence))
                    self.output.write(result, None)

    def end(self, source: str) -> None:
        """Says that a source has ended, after its last result."""
        with self._lock:
            del self._sources[source]
            self.output.tell(SourceEvent(source, SourceState.ENDED, 5.0))

    def topics(self) -> set[bytes]:
        return set(self.output._publisher.topics())

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self.output.close()


class Listener:
    """Keeps what a subscriber hears, as (source, run, sequence) and as events."""

    def __init__(self, address: str, source: str = "", curve: str | Path = "") -> None:
        self.results: list[tuple[str, str, int]] = []
        self.events: list[SourceEvent] = []
        self._subscriber = Subscriber(address, source, timeout=0.05, on_event=self.events.append, curve=curve)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(NoMessageError):
                result = next(self._subscriber)
                self.results.append((result.source, result.run_id, result.sequence))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._subscriber.close()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (heartbeat, proxy):
        monkeypatch.setattr(module, "PERIOD", 0.1)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as all_that_is_closed:
        yield all_that_is_closed


@pytest.fixture
def one_address(stack: ExitStack) -> Proxy:
    return stack.enter_context(closing(Proxy(ANY)))


@pytest.fixture
def work(stack: ExitStack, one_address: Proxy) -> Callable[..., Worker]:
    def begin(name: str, *sources: str) -> Worker:
        worker = stack.enter_context(closing(Worker(name, *sources)))
        one_address.add(name, worker.output.address)
        return worker

    return begin


@pytest.fixture
def listen(stack: ExitStack, one_address: Proxy) -> Callable[..., Listener]:
    return lambda *more: stack.enter_context(closing(Listener(one_address.where(), *more)))


def test_many_workers_are_heard_as_one_process_would_be(work, listen):
    workers = [work(f"w{k}", f"cam{k}", f"door{k}") for k in range(3)]
    sources = {f"{place}{k}" for place in ("cam", "door") for k in range(3)}
    everybody, one = listen(), listen("cam1")
    wait_for(lambda: len(one.results) > 50 and {name for name, *_ in everybody.results} == sources)
    wait_for(lambda: {event.source for event in everybody.events} == sources)
    assert {name for name, *_ in one.results} == {"cam1"} == {event.source for event in one.events}
    assert set(everybody.results) <= set().union(*(worker.sent for worker in workers))
    assert len(set(everybody.results)) == len(everybody.results)
    for source in sources:
        sequences = [sequence for name, _, sequence in everybody.results if name == source]
        assert sequences == sorted(sequences)


def test_every_byte_is_as_its_worker_has_sent_it(work, one_address, stack):
    worker = work("w1", "cam")
    straight, proxied = (
        stack.enter_context(closing(Raw(address, b""))) for address in (worker.output.address, one_address.where())
    )
    for prefix in (b"smplx/cam", b"status/cam"):
        heard = set()

        def common(prefix=prefix, heard=heard) -> bool:
            heard.update(message for message in proxied.all() if message.startswith(prefix))
            return bool(heard & {message for message in straight.all() if message.startswith(prefix)})

        wait_for(common)


def test_what_nobody_asks_for_is_not_sent(work, listen, one_address):
    worker, other = work("w1", "cam", "cam1"), work("w2", "door")
    assert worker.topics() <= {b"status/"}
    with closing(Listener(one_address.where(), "cam")) as one:
        wait_for(lambda: worker.topics() == other.topics() == {b"status/", topic("cam")})
        wait_for(lambda: one.results)
        everybody = listen()
        wait_for(lambda: worker.topics() == {b"status/", b"smplx/"})
        wait_for(lambda: len({name for name, *_ in everybody.results}) == 3)
    everybody.close()
    wait_for(lambda: worker.topics() == {b"status/"})


def test_who_asks_for_a_thousand_sources_is_served_though_no_worker_takes_so_many_topics(work, one_address):
    worker = work("w1", "cam777")
    with zmq.Context() as context, context.socket(zmq.SUB) as many:
        many.setsockopt(zmq.LINGER, 0)
        many.setsockopt(zmq.SNDHWM, 0)
        many.connect(one_address.where())
        for number in range(2000):
            many.subscribe(topic(f"cam{number}"))
        assert many.poll(PATIENCE * 1000)
        wait_for(lambda: worker.topics() == {b"status/", b"smplx/"})


def test_while_a_camera_moves_no_result_comes_twice_and_none_of_the_old_run_late(work, listen, one_address):
    old = work("old", "cam")
    listener = listen()
    wait_for(lambda: listener.results)
    new = work("new", "cam")
    wait_for(lambda: len(new.sent) > 100 and one_address.figures()["stale"] > 50)
    one_address.route("cam", "new")
    wait_for(lambda: len(listener.results) > 100 and listener.results[-1][1] == "run of cam on new")
    old.output.tell(SourceEvent("cam", SourceState.ENDED, 5.0))
    time.sleep(0.3)
    runs = [run for _, run, _ in listener.results]
    assert [run for run, _ in itertools.groupby(runs)] == ["run of cam on old", "run of cam on new"]
    assert len(set(listener.results)) == len(listener.results)
    states = [event.state for event in listener.events]
    assert SourceState.ENDED not in states
    assert [why for why, _ in itertools.groupby(event.reason for event in listener.events)] == ["on old", "on new"]


def test_a_camera_that_comes_back_to_a_worker_is_heard_again(work, listen, one_address):
    work("w1", "cam"), work("w2", "cam")
    listener = listen()
    for name in ("w2", "w1", "w2"):
        one_address.route("cam", name)
        wait_for(lambda name=name: listener.results and listener.results[-1][1].endswith(name))


def test_sources_of_a_worker_that_is_gone_say_so_until_another_one_speaks_for_them(work, listen, one_address):
    work("w1", "cam")
    other = work("w2", "door")
    wait_for(lambda: one_address.figures()["sources"] == 2)
    other.output.tell(SourceEvent("door", SourceState.ENDED, 5.0))
    wait_for(lambda: SourceState.ENDED in {listing.state for listing in one_address.directory().sources})
    for name in ("w1", "w2", "w3"):
        one_address.remove(name)
    late = listen()
    wait_for(lambda: len(late.events) > 3)
    assert {(event.source, event.state, event.reason) for event in late.events} == {
        ("cam", SourceState.RECONNECTING, "worker w1 is gone")
    }
    work("w3", "cam")
    wait_for(lambda: late.events[-1].reason == "on w3" and late.results)
    late.events.clear()
    wait_for(lambda: len(late.events) > 3)
    assert {event.reason for event in late.events} == {"on w3"}


def test_what_the_fleet_itself_knows_of_a_source_is_repeated(listen, one_address):
    left_out = SourceEvent("cam", SourceState.FAILED, 5.0, "the pool gpu is full")
    one_address.tell(left_out)
    late = listen()
    wait_for(lambda: len(late.events) > 2)
    assert set(late.events) == {left_out}
    one_address.forget("cam")
    assert one_address.directory().sources == ()


def test_what_the_fleet_says_of_a_source_holds_once_its_worker_has_ended_it(work, listen, one_address):
    """A camera makes way for another: that is known before the worker has closed it."""
    worker = work("w1", "cam")
    listener = listen()
    wait_for(lambda: listener.events)
    made_way = SourceEvent("cam", SourceState.CONNECTING, 5.0, "it made way for door")
    one_address.tell(made_way)
    listener.events.clear()
    wait_for(lambda: len(listener.events) > 3 and listener.events[-1].reason == "on w1")  # it is there still
    worker.end("cam")
    wait_for(lambda: listener.events[-3:] == [made_way] * 3)
    assert SourceState.ENDED in [event.state for event in listener.events]
    listener.events.clear()
    wait_for(lambda: len(listener.events) > 3)  # the worker says again and again that it has ended
    assert set(listener.events) == {made_way}
    work("w2", "cam")
    one_address.route("cam", "w2")
    wait_for(lambda: listener.events[-1].reason == "on w2")
    listener.events.clear()
    wait_for(lambda: len(listener.events) > 3)
    assert {event.reason for event in listener.events} == {"on w2"}


def test_a_removed_camera_does_not_come_back_as_its_old_worker_says_that_it_has_ended(work, one_address):
    worker = work("w1", "cam", "door")
    wait_for(lambda: one_address.figures()["sources"] == 2)
    worker.end("cam")
    wait_for(lambda: SourceState.ENDED in {listing.state for listing in one_address.directory().sources})
    one_address.forget("cam")
    before = one_address.figures()["stale"]
    wait_for(lambda: one_address.figures()["stale"] > before + 3)
    assert [listing.source for listing in one_address.directory().sources] == ["door"]


def test_a_silent_worker_is_said_to_be_and_heard_again(one_address, listen, monkeypatch):
    monkeypatch.setattr(proxy, "SILENT", 0.5)
    monkeypatch.setattr(proxy, "PERIOD", 0.2)
    with zmq.Context() as context, context.socket(zmq.PUB) as worker:
        worker.setsockopt(zmq.LINGER, 0)
        port = worker.bind_to_random_port("tcp://127.0.0.1")
        one_address.add("w1", f"tcp://127.0.0.1:{port}")
        listener = listen()
        live = SourceEvent("cam", SourceState.LIVE, 1.0)

        def said(reason: str) -> bool:
            if not reason:
                worker.send(encode_event(live))
            return bool(listener.events) and listener.events[-1].reason == reason

        wait_for(lambda: said(""))
        wait_for(lambda: said("worker w1 is silent"))
        assert listener.events[-1].state == SourceState.STALLED
        wait_for(lambda: said(""))


def test_a_worker_with_a_new_address_is_listened_to_there(work, listen, one_address):
    work("w1", "cam")
    listener = listen()
    wait_for(lambda: listener.results)
    work("w1", "door")
    listener.results.clear()
    wait_for(lambda: "door" in {name for name, *_ in listener.results})
    listener.results.clear()
    wait_for(lambda: listener.results)
    assert {name for name, *_ in listener.results} == {"door"}
    assert one_address.figures()["workers"] == 1


def test_what_is_no_message_of_ours_goes_no_further(one_address, listen):
    result = FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))
    bad = [b"smplx/no end", b"status/cam\0no map", b"smplx/\xff\0", b"other/cam\0", b"status/cam\0\x81\xa7version\x63"]
    with zmq.Context() as context, context.socket(zmq.PUB) as worker:
        worker.setsockopt(zmq.LINGER, 0)
        port = worker.bind_to_random_port("tcp://127.0.0.1")
        one_address.add("w1", f"tcp://127.0.0.1:{port}")
        listener = listen()
        with closing(Raw(one_address.where(), b"")) as raw:

            def good_comes() -> bool:
                for message in bad:
                    worker.send(message)
                worker.send_multipart([b"smplx/cam\0", b"two parts"])
                worker.send(encode(result))
                return bool(listener.results) and one_address.figures()["malformed"] >= 10

            wait_for(good_comes)
            heard = raw.all()
    assert {message for message in heard if not message.startswith(DIRECTORY_TOPIC)} == {encode(result)}


class Raw:
    """A subscriber that keeps bytes."""

    def __init__(self, address: str, prefix: bytes) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.SUB)
        self.socket.setsockopt(zmq.SUBSCRIBE, prefix)
        self.socket.connect(address)

    def next(self) -> bytes:
        assert self.socket.poll(PATIENCE * 1000)
        return self.socket.recv()

    def all(self) -> list[bytes]:
        got = [self.next()]
        while self.socket.poll(0):
            got.append(self.socket.recv())
        return got

    def close(self) -> None:
        self._context.destroy(linger=0)


def test_the_directory_says_what_there_is_and_how_it_is(work, one_address):
    work("w1", "cam", "door")
    one_address.tell(SourceEvent("hall", SourceState.FAILED, 5.0, "no room"))
    wait_for(lambda: one_address.figures()["sources"] == 2)
    camera = {"state": "live", "fps": 24.5, "age_ms": {"p50": 80.0, "p95": 99.0}, "dropped": 0.25, "people": 3}
    elsewhere = {"cam": camera | {"run": "other", "sequence": 7, "fps": 1.0}}
    new = {"state": "live", "fps": 0.0, "age_ms": {}, "dropped": 0.0, "people": 0, "run": "", "sequence": -1}
    one_address.describe([
        {"worker": "w0", "node": "n0", "cameras": elsewhere},
        {"worker": "w1", "node": "n1", "cameras": {"cam": camera | {"run": "r1", "sequence": 70}, "door": new}},
    ])  # fmt: skip

    def told() -> Directory:
        return decode_directory(raw.next())

    with closing(Raw(one_address.where(), DIRECTORY_TOPIC)) as raw:
        cam, door, hall = next(d for d in iter(told, None) if d.sources[0].fps is not None).sources
    assert (cam.source, cam.state, cam.worker, cam.node) == ("cam", SourceState.LIVE, "w1", "n1")
    assert (cam.run_id, cam.sequence, cam.fps, cam.age, cam.dropped, cam.people) == ("r1", 70, 24.5, 0.08, 0.25, 3)
    assert (door.fps, door.run_id, door.sequence, door.age) == (0.0, None, None, None)
    assert (hall.state, hall.reason, hall.worker, hall.fps) == (SourceState.FAILED, "no room", "", None)


def test_figures_that_are_old_are_not_told(work, one_address, monkeypatch):
    work("w1", "cam")
    wait_for(lambda: one_address.figures()["sources"])
    camera = {"fps": 24.5, "age_ms": {}, "dropped": 0.0, "people": 0, "run": "r", "sequence": 1}
    monkeypatch.setattr(proxy, "FRESH", -1.0)
    one_address.describe([{"worker": "w1", "node": "n1", "cameras": {"cam": camera}}])
    (cam,) = one_address.directory().sources
    assert (cam.fps, cam.node) == (None, "n1")


def test_keys_on_both_sides(tmp_path, stack):
    generate(tmp_path / "keys", "client")
    own = keys.make()
    (tmp_path / "worker").mkdir()
    secret = keys.lay_out(own.worker, tmp_path / "worker")
    assert secret.stat().st_mode & 0o077 == 0
    worker = stack.enter_context(closing(Worker("w1", "cam", curve=secret)))
    one = stack.enter_context(closing(Proxy(ANY, str(tmp_path / "keys" / SERVER), keys=own.proxy)))
    one.add("w1", worker.output.address)
    client = tmp_path / "keys" / "client.key_secret"
    known = stack.enter_context(closing(Listener(one.where(), curve=client)))
    strangers = [
        stack.enter_context(closing(Listener(one.where()))),
        stack.enter_context(closing(Listener(worker.output.address))),
        stack.enter_context(closing(Listener(worker.output.address, curve=client))),
    ]
    wait_for(lambda: len(known.results) > 20 and known.events)
    assert not any(stranger.results or stranger.events for stranger in strangers)


def test_an_address_that_others_reach_needs_keys_and_one_that_is_taken_is_refused(one_address):
    with pytest.raises(UsageError, match=r"0\.0\.0\.0:\* can be reached by other machines"):
        Proxy("tcp://0.0.0.0:*")
    with pytest.raises(UsageError, match="another program uses it"):
        Proxy(one_address.where())
    for wrong in ("tcp://127.0.0.1:0", "nonsense"):
        with pytest.raises(UsageError, match="cannot listen to a worker"):
            one_address.add("w1", wrong)
    closing(Proxy("tcp://0.0.0.0:*", insecure=True)).thing.close()


SLOW = """
import sys, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.setsockopt(zmq.RCVHWM, 1)
socket.setsockopt(zmq.RCVBUF, 4096)
socket.setsockopt(zmq.SUBSCRIBE, b"")
socket.connect(sys.argv[1])
socket.recv()
print("connected", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="TCP_USER_TIMEOUT")
def test_who_takes_nothing_is_cut_off_and_nobody_waits(stack, monkeypatch):
    monkeypatch.setattr(proxy, "BOUNDS", Bounds(kept=64, topics=100, patience=1.0))
    one = stack.enter_context(closing(Proxy(ANY)))
    worker = stack.enter_context(closing(Worker("w1", "cam")))
    one.add("w1", worker.output.address)
    port = int(one.where().rpartition(":")[2])

    def connections() -> int:
        here = psutil.Process().net_connections("tcp")
        return sum(c.status == "ESTABLISHED" and c.laddr.port == port for c in here)

    fast = stack.enter_context(closing(Listener(one.where())))
    wait_for(lambda: fast.results)
    before = connections()
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, one.where()], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as slow:
        try:
            assert slow.stdout.readline()
            os.kill(slow.pid, signal.SIGSTOP)
            assert connections() == before + 1
            flood = b"only who asks for everything" + bytes(200_000)

            def cut_off() -> bool:
                one._publisher.send(flood)
                return connections() == before

            wait_for(cut_off)
            seen = len(fast.results)
            wait_for(lambda: len(fast.results) > seen + 20)
        finally:
            slow.kill()


def test_a_method_of_a_closed_proxy_says_so():
    one = Proxy(ANY)
    one.close()
    with pytest.raises(RuntimeError, match="the proxy has ended"):
        one.figures()


def test_listen_prints_the_directory(one_address, capsys):
    one_address.route("cam", "w1")
    one_address.tell(SourceEvent("hall", SourceState.FAILED, 5.0, "no \x1b[2J room"))
    camera = {"fps": 24.54, "age_ms": {"p50": 80.0}, "dropped": 0.25, "people": 3, "run": "r", "sequence": 7}
    one_address.describe([{"worker": "w1", "node": "n1", "cameras": {"cam": camera}}])
    print_directory(one_address.where(), as_json=False)
    out, _ = capsys.readouterr()
    assert out.splitlines() == [
        "cam is connecting on w1 (n1)  24.5 fps  80 ms old  3 people  25% dropped", "hall is failed: no \\x1b[2J room"
    ]  # fmt: skip
    print_directory(one_address.where(), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert [listing["source"] for listing in told["sources"]] == ["cam", "hall"] and told["version"] == 1


def test_one_process_has_no_directory(capsys):
    with closing(ZmqOutput(ANY)) as output, pytest.raises(NoMessageError, match="no fleet publishes there"):
        directory(output.address, timeout=0.3)


def test_a_directory_of_very_many_sources_is_cut_to_a_message():
    listings = tuple(Listing(f"camera {k:05} " + "n" * 300, SourceState.LIVE) for k in range(9000))
    told = decode_directory(encode_directory(Directory(1.0, listings, len(listings))))
    assert told.total == 9000 and 1000 < len(told.sources) < 4096
    assert told.sources == listings[: len(told.sources)]
