"""A replay that is steered while it runs: what the outputs get, and that it stands, jumps and ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from socket import AF_INET, SOCK_DGRAM, socket
from threading import Thread

import pytest
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import FrameResult, SourceEvent, TrackState
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.foot_lock import FootLock
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.playback import FASTEST, SLOWEST, Playback
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.recordings.tapes import MarkedTape
from pymafx_live.pipeline.replay import play
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
from support.recordings import recorded
from support.watching import wait_until

COUNT = 100


class Kept(Output):
    name = "kept"
    policy = Policy.DIRECT

    def __init__(self) -> None:
        self.items: list[FrameResult | SourceEvent] = []

    def write(self, result, frame):
        self.items.append(result)

    def tell(self, event):
        self.items.append(event)

    @property
    def results(self) -> list[FrameResult]:
        return [item for item in tuple(self.items) if isinstance(item, FrameResult)]

    @property
    def states(self) -> list[str]:
        return [str(item.state) for item in tuple(self.items) if isinstance(item, SourceEvent)]


@pytest.fixture(scope="module")
def tape(tmp_path_factory) -> MarkedTape:
    file = tmp_path_factory.mktemp("playback") / "run.mcap"
    Mcap().write(recorded(COUNT), file, lambda file: file)
    return Mcap().tape(file)


@contextmanager
def playing(tape: MarkedTape) -> Iterator[tuple[Playback, Kept, Stop]]:
    """A replay on a thread of its own, which has ended when the block is left."""
    playback, kept, stop = Playback(tape.seconds), Kept(), Stop()
    playback.hurry(FASTEST)
    delivery = Delivery([kept], stop, live=True)
    thread = Thread(target=play, args=(tape.read, playback, delivery, lambda _: stop.requested, stop), daemon=True)
    thread.start()
    try:
        yield playback, kept, stop
    finally:
        stop.request()
        thread.join(60)
        assert not thread.is_alive()
        delivery.close()


def test_a_replay_that_nobody_steers_is_the_recording_and_then_waits(tape):
    with playing(tape) as (playback, kept, _):
        wait_until(lambda: playback.over)
        results = [item[0] for item in recorded(COUNT) if not isinstance(item, SourceEvent)]
        assert [(r.sequence, r.run_id, r.final) for r in kept.results] == [
            (r.sequence, "run", r.final) for r in results
        ]
        assert kept.states == ["live", "ended"]
        assert (playback.at, playback.playing) == (tape.seconds, False)


def test_a_jump_says_goodbye_and_begins_a_run_of_its_own(tape):
    with playing(tape) as (playback, kept, _):
        wait_until(lambda: playback.over)
        before = len(kept.results)
        playback.hurry(SLOWEST)
        playback.seek(1.0)
        wait_until(lambda: len(kept.results) > before)
        playback.play(True)
        wait_until(lambda: len(kept.results) > before + 2)
        playback.seek(3.0)
        wait_until(lambda: kept.results[-1].run_id == "run+2")
    jumped = kept.results[before:]
    first = [result for result in jumped if result.run_id == "run+1"]
    assert [result.sequence for result in first if not result.final] == list(range(25, 24 + len(first)))
    assert first[-1].final and {person.state for person in first[-1].people} == {TrackState.ENDED}
    assert [person.id for person in first[-1].people] == [1, 2]
    assert first[-1].age == pytest.approx(first[-2].age)
    second = [result for result in jumped if result.run_id == "run+2"]
    assert second[0].sequence == 75 and second[-1].final, "the run ends, and everybody with it"


def test_it_stands_still_and_is_stalled_for_who_hears_it(tape):
    with playing(tape) as (playback, kept, _):
        wait_until(lambda: bool(kept.results))
        playback.play(False)
        wait_until(lambda: kept.states[-1] == "stalled")
        seen, at = len(kept.results), playback.at
        time.sleep(0.3)
        assert (len(kept.results), playback.at) == (seen, at)
        playback.seek(2.0)
        wait_until(lambda: len(kept.results) == seen + 2)  # a goodbye, and what is to be seen there
        wait_until(lambda: kept.states[-1] == "stalled")
        assert kept.results[-1].sequence == 50 and playback.at == pytest.approx(2.0)
        time.sleep(0.3)
        assert len(kept.results) == seen + 2
        playback.play(True)
        wait_until(lambda: playback.over)
        assert [r.sequence for r in kept.results[seen + 1 :]] == [*range(50, COUNT), COUNT - 1]
        assert kept.states == ["live", "stalled", "live", "stalled", "live", "ended"]


def test_it_plays_again_from_its_end(tape):
    with playing(tape) as (playback, kept, _):
        wait_until(lambda: playback.over)
        playback.play(True)
        wait_until(lambda: kept.results[-1].run_id == "run+1" and playback.over)
        assert [r.sequence for r in kept.results if r.run_id == "run+1"] == [*range(COUNT), COUNT - 1]


def test_it_keeps_the_speed_that_is_asked_for(tape):
    """Nothing comes before it is due; how much later is the machine's business."""
    for speed in (FASTEST, 2.0):
        playback, stop = Playback(tape.seconds), Stop()
        playback.hurry(speed)
        began = time.monotonic()
        for at in (0.0, 0.4, 0.8):
            assert playback.due(at, stop, lambda _: None)
            assert time.monotonic() - began >= at / speed
        assert playback.at >= 0.8


def test_wishes_out_of_bounds_stay_within_them(tape):
    playback = Playback(4.0)
    playback.play(False)
    playback.seek(-5)
    assert playback.at == 0
    playback.seek(1e9)
    assert playback.at == 4
    playback.hurry(1e9)
    assert playback.speed == FASTEST
    playback.hurry(-1)
    assert playback.speed == SLOWEST


def test_what_changes_is_told(tape):
    playback, said = Playback(4.0), []
    playback.changed = lambda: said.append((playback.playing, playback.speed, playback.at))
    playback.play(False)
    playback.seek(3)
    playback.hurry(2)
    assert said[0][:2] == (False, 1.0) and said[1:] == [(False, 1.0, 3.0), (False, 2.0, 3.0)]


def test_outputs_that_remember_people_take_pauses_and_jumps(tape, tmp_path):
    """Avatars, robots, trackers, metrics and feet that are kept in place, all at once; none fails."""
    with socket(AF_INET, SOCK_DGRAM) as app:
        app.bind(("127.0.0.1", 0))
        app.settimeout(60)
        port = app.getsockname()[1]
        wanted = {
            "vmc": f"127.0.0.1:{port}",
            "osc_trackers": "127.0.0.1:9",
            "metrics": "127.0.0.1:0",
            "robot": "sonic,gmr",
        }
        settings = output_settings()(bind="", robot_bind=f"ipc://{tmp_path}/a,ipc://{tmp_path}/b", **wanted)
        playback, stop = Playback(tape.seconds), Stop()
        delivery = Delivery(open_outputs(settings, Run(stop, replayed=True)), stop, live=True, lock=FootLock())
        kept = Kept()
        delivery._posts += Delivery([kept], stop, live=True)._posts
        thread = Thread(target=play, args=(tape.read, playback, delivery, lambda _: stop.requested, stop), daemon=True)
        thread.start()
        for at in (3.0, 1.0, 3.5, 0.0):
            seen = len(kept.results)
            playback.play(at != 3.5)
            playback.seek(at)
            wait_until(lambda seen=seen: len([r for r in kept.results[seen:] if not r.final]) > 0)
        drained(app)
        playback.play(True)
        assert app.recv(65536).startswith(b"#bundle"), "who was led goes on"
        stop.request()
        thread.join(60)
        delivery.close()
    delivery.raise_error()
    assert {figures.failed for figures in delivery.figures()} == {0}
    assert all(figures.written for figures in delivery.figures())


def drained(app: socket) -> None:
    app.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            app.recv(65536)
    app.settimeout(60)
