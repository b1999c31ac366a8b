"""Over a real socket: what is said once a second, and to whom."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import pytest
from pymafx_live.core.types import Camera, FrameResult, SourceEvent, SourceState
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.outputs import heartbeat
from pymafx_live.pipeline.outputs.zmq import ZmqOutput


@pytest.fixture
def output(monkeypatch: pytest.MonkeyPatch) -> Iterator[ZmqOutput]:
    monkeypatch.setattr(heartbeat, "PERIOD", 0.05)
    made = ZmqOutput("tcp://127.0.0.1:*")
    yield made
    made.close()


def hear(subscriber: Subscriber, events: list[SourceEvent], enough: int) -> None:
    """Listens until there are so many events; no result comes, which is told each time."""
    for _ in range(400):
        with suppress(NoMessageError):
            next(subscriber)
        if len(events) >= enough:
            return
    raise AssertionError(f"{len(events)} events only")


def test_who_comes_late_hears_what_is_so_and_again_and_again(output):
    live, stalled = (SourceEvent("cam", state, 1.0) for state in (SourceState.LIVE, SourceState.STALLED))
    other = SourceEvent("door", SourceState.FAILED, 2.0, "no cable")
    for event in (live, other):
        output.tell(event)
    heard: list[SourceEvent] = []
    with Subscriber(output.address, timeout=0.1, on_event=heard.append) as subscriber:
        hear(subscriber, heard, 6)
        assert set(heard) == {live, other}
        output.tell(stalled)
        heard.clear()
        hear(subscriber, heard, 20)
    after = heard[heard.index(stalled) :]
    assert set(after) == {stalled, other} and after.count(stalled) > 3


def test_a_heartbeat_does_not_put_off_that_no_result_comes(output):
    """Whoever drives something by results must learn in time that there are none."""
    output.tell(SourceEvent("cam", SourceState.LIVE, 1.0))
    heard: list[SourceEvent] = []
    with Subscriber(output.address, timeout=0.5, on_event=heard.append) as subscriber:
        with pytest.raises(NoMessageError, match=r"no message from tcp://.* for 0\.5 s"):
            next(subscriber)
        with pytest.raises(NoMessageError):
            next(subscriber)
        assert len(heard) > 2


def test_it_beats_between_results_without_harm(output):
    """Two threads use the socket: every message arrives whole."""
    output.tell(SourceEvent("cam", SourceState.LIVE, 1.0))
    done, heard, received = threading.Event(), [], []

    def publish() -> None:
        for number in count():
            output.write(FrameResult("cam", number, "r", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)), None)
            if done.wait(0.0005):
                return

    thread = threading.Thread(target=publish)
    with Subscriber(output.address, timeout=10, on_event=heard.append) as subscriber:
        thread.start()
        while len(heard) < 10 or len(received) < 500:
            received.append(next(subscriber).sequence)
        done.set()
        thread.join()
    assert received == sorted(received)


def test_the_end_of_the_output_is_the_end_of_its_thread(monkeypatch):
    monkeypatch.setattr(heartbeat, "PERIOD", 30.0)
    before = threading.active_count()
    ZmqOutput("tcp://127.0.0.1:*").close()
    assert threading.active_count() == before
