"""Outputs that are slow, stuck or broken, beside a good one: nobody but they themselves may notice."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event, current_thread

import numpy as np
import pytest
from pymafx_live.configs.schema import OutputSettings, Settings, SourceSettings
from pymafx_live.core.errors import OutputError, UsageError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Camera, Frame, FrameResult, SourceEvent, SourceState
from pymafx_live.pipeline import delivery as delivering
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.faults import MOST
from pymafx_live.pipeline.mailbox import ROOM
from pymafx_live.pipeline.outputs import OUTPUTS
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stop import Stop

MANY = 10 * ROOM
CAMERA = Camera(4, 3, 1, 1, 1, 1)
FRAME = Frame(np.zeros((3, 4, 3), np.uint8), "cam", 0, 0.0, 0.0, CAMERA)


def result_of(sequence: int, source: str = "cam") -> FrameResult:
    return FrameResult(source, sequence, "run", sequence / 25, 1.0, 2.0, CAMERA)


class Keep(Output):
    """Keeps what it is given."""

    def __init__(self, policy: Policy = Policy.BLOCK) -> None:
        self.policy = policy
        self.heard: list[int | SourceState] = []
        self.threads: set[str] = set()
        self.closed = 0

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        self.threads.add(current_thread().name)
        self.heard.append(result.sequence)

    def tell(self, event: SourceEvent) -> None:
        self.heard.append(event.state)

    def close(self) -> None:
        self.threads.add(current_thread().name)
        self.closed += 1


class Gated(Keep):
    """Waits at each result until its gate is open."""

    name = "gated"

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy)
        self.entered, self.gate = Event(), Event()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        self.entered.set()
        self.gate.wait()
        super().write(result, frame)


class Sleepy(Keep):
    def write(self, result: FrameResult, frame: Frame | None) -> None:
        time.sleep(1)
        super().write(result, frame)


class Broken(Keep):
    """Raises from the third result on, so many times."""

    name = "broken"
    error: BaseException = ValueError("no such bone")
    times = MANY

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        if len(self.heard) == 2 and self.times:
            self.times -= 1
            raise self.error
        super().write(result, frame)


@pytest.fixture
def gated() -> Iterator[Callable[[Policy], Gated]]:
    made: list[Gated] = []

    def make(policy: Policy) -> Gated:
        made.append(Gated(policy))
        return made[-1]

    yield make
    for output in made:
        output.gate.set()


def deliver(outputs: list[Output], count: int = MANY, *, live: bool = False, stop: Stop | None = None) -> Delivery:
    delivery = Delivery(outputs, stop or Stop(), live=live)
    for number in range(count):
        delivery.write(result_of(number), FRAME)
    return delivery


def test_every_output_gets_everything_in_order_on_one_thread_of_its_own():
    outputs = [Keep(), Keep()]
    delivery = Delivery(outputs, Stop(), live=False)
    delivery.tell(SourceEvent("cam", SourceState.LIVE, 1.0))
    for number in range(MANY):
        delivery.write(result_of(number), FRAME)
    delivery.tell(SourceEvent("cam", SourceState.ENDED, 2.0))
    delivery.close()
    delivery.raise_error()
    for output in outputs:
        assert output.heard == [SourceState.LIVE, *range(MANY), SourceState.ENDED]
        assert output.closed == 1
        assert len(output.threads) == 1 and current_thread().name not in output.threads
    assert [(f.written, f.dropped, f.error) for f in delivery.figures()] == [(MANY, 0, "")] * 2


def test_a_stuck_output_holds_up_nobody_and_then_has_the_newest(gated):
    stuck, good = gated(Policy.NEWEST), Keep()
    delivery = deliver([stuck, good])
    stuck.gate.set()
    delivery.close()
    assert good.heard == list(range(MANY))
    assert len(stuck.heard) <= 2 and stuck.heard[-1] == MANY - 1
    newest, all_ = delivery.figures()
    assert (newest.written, newest.dropped) == (len(stuck.heard), MANY - len(stuck.heard))
    assert (all_.written, all_.dropped) == (MANY, 0)


def test_the_end_takes_no_place_from_the_newest(gated):
    """The last picture is still to be shown when somebody is said goodbye to."""
    stuck = gated(Policy.NEWEST)
    delivery = Delivery([stuck], Stop(), live=True)
    delivery.write(result_of(0), FRAME)
    stuck.entered.wait()
    for number in range(1, 5):
        delivery.write(result_of(number), FRAME)
    delivery.write(replace(result_of(4), final=True), None)
    stuck.gate.set()
    delivery.close()
    assert stuck.heard == [0, 4, 4]
    (figures,) = delivery.figures()
    assert (figures.written, figures.dropped) == (2, 3)


def test_of_several_sources_the_newest_of_each_waits_and_no_event_is_lost(gated):
    stuck = gated(Policy.NEWEST)
    delivery = Delivery([stuck], Stop(), live=True)
    delivery.write(result_of(1000), FRAME)
    stuck.entered.wait()
    for number in range(MANY):
        delivery.write(result_of(number, f"cam{number % 2}"), FRAME)
        if number in (0, 10):
            delivery.tell(SourceEvent("cam0", SourceState.STALLED, 1.0))
    stuck.gate.set()
    delivery.close()
    assert stuck.heard == [1000, SourceState.STALLED, SourceState.STALLED, MANY - 2, MANY - 1]


@pytest.mark.parametrize(("policy", "live"), [(Policy.ALL, False), (Policy.BLOCK, True)])
def test_a_limited_number_of_results_waits_and_what_is_dropped_is_told_once(gated, caplog, policy, live):
    stuck, good = gated(policy), Keep(Policy.ALL)
    delivery = Delivery([stuck], Stop(), live=live)
    delivery.write(result_of(0), FRAME)
    stuck.entered.wait()
    delivery.tell(SourceEvent("cam", SourceState.LIVE, 1.0))
    with caplog.at_level(logging.WARNING, "pymafx_live"):
        for number in range(1, MANY):
            delivery.write(result_of(number), FRAME)
    stuck.gate.set()
    delivery.close()
    assert stuck.heard == [0, SourceState.LIVE, *range(MANY - ROOM + 1, MANY)]
    (figures,) = delivery.figures()
    assert (figures.policy, figures.written, figures.dropped) == ("all", ROOM, MANY - ROOM)
    assert caplog.messages == ["gated is too slow: results are dropped for it"]
    assert good.heard == []


def test_events_alone_are_limited_too(gated):
    stuck = gated(Policy.NEWEST)
    delivery = deliver([stuck], 1)
    stuck.entered.wait()
    for number in range(MANY):
        delivery.tell(SourceEvent("cam", str(number), 1.0))
    stuck.gate.set()
    delivery.close()
    assert stuck.heard == [0, *(str(number) for number in range(MANY - ROOM, MANY))]


def test_an_output_that_takes_a_second_a_result_has_the_newest_and_costs_nothing():
    slow, good = Sleepy(Policy.NEWEST), Keep()
    deliver([slow, good]).close()
    assert good.heard == list(range(MANY))
    assert 1 <= len(slow.heard) <= 3 and slow.heard[-1] == MANY - 1


def test_an_output_that_never_returns_is_left_behind(gated, monkeypatch):
    monkeypatch.setattr(delivering, "PATIENCE", 1.0)
    stuck, good = gated(Policy.ALL), Keep()
    delivery = deliver([stuck, good])
    delivery.close()
    delivery.close()  # and nobody waits for it again
    assert good.heard == list(range(MANY)) and good.closed == 1
    assert delivery.figures()[0].error.startswith("gated has not come to an end")
    with pytest.raises(OutputError, match="gated has not come to an end: what is not written yet is lost"):
        delivery.raise_error()


def test_a_run_that_is_to_end_does_not_wait_for_an_output_that_never_returns(gated, monkeypatch):
    monkeypatch.setattr(delivering, "PATIENCE", 1.0)
    stop = Stop()
    stop.request()
    good = Keep()
    deliver([gated(Policy.BLOCK), good], ROOM + 3, stop=stop).close()
    assert good.heard == list(range(ROOM + 3))


@pytest.mark.parametrize("policy", [Policy.NEWEST, Policy.ALL, Policy.BLOCK])
@pytest.mark.parametrize(
    ("error", "sentence", "kind"),
    [
        (UsageError("it holds one picture"), "it holds one picture", UsageError),
        (SystemExit(3), "broken failed (SystemExit: 3): -v shows where", OutputError),
    ],
)
def test_an_output_that_raises_ends_alone(caplog, policy, error, sentence, kind):
    broken, good = Broken(policy), Keep()
    broken.error = error
    delivery = Delivery([broken, good], Stop(), live=False)
    for number in range(MANY):
        delivery.write(result_of(number), FRAME)
        while number < 3 and len(broken.heard) <= number and not broken.closed:
            time.sleep(0.001)  # so that NEWEST has three to take
    assert delivery.alive
    delivery.close()
    assert (len(broken.heard), broken.closed) == (2, 1)
    assert good.heard == list(range(MANY))
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [sentence]
    assert delivery.figures()[0].error == sentence
    with pytest.raises(kind) as raised:
        delivery.raise_error()
    assert str(raised.value) == sentence


GOES_ON = "broken failed on a result (ValueError: no such bone): it goes on, and counts further errors; -v shows where"
FAILED = "broken failed (ValueError: no such bone): -v shows where"


@pytest.mark.parametrize("policy", [Policy.DIRECT, Policy.BLOCK])
def test_an_error_of_one_result_costs_that_result_and_is_told_once(caplog, policy):
    broken = Broken(policy)
    broken.times = MOST - 1
    delivery = deliver([broken])
    delivery.close()
    assert delivery.alive
    assert broken.heard == [0, 1, *range(MOST + 1, MANY)]
    (figures,) = delivery.figures()
    assert (figures.written, figures.failed, figures.dropped, figures.error) == (MANY - MOST + 1, MOST - 1, 0, "")
    assert caplog.messages == [GOES_ON]
    with pytest.raises(OutputError, match=r"broken failed \(ValueError: .* it went on after 29 such errors"):
        delivery.raise_error()


def test_what_never_blocks_is_called_at_once_and_what_it_raises_every_time_ends_it_alone(caplog):
    good, broken = Keep(Policy.DIRECT), Broken(Policy.DIRECT)
    delivery = Delivery([good, broken], Stop(), live=True)
    for number in range(MANY):
        delivery.write(result_of(number), FRAME)
        assert good.heard[-1] == number
    assert (broken.heard, broken.closed, good.closed) == ([0, 1], 1, 0)
    delivery.close()
    delivery.close()
    assert (broken.closed, good.closed) == (1, 1)
    assert good.threads == {current_thread().name}
    assert caplog.messages == [GOES_ON, FAILED]
    assert broken.times == MANY - MOST
    with pytest.raises(OutputError, match="no such bone"):
        delivery.raise_error()
    assert [(f.policy, f.written, f.dropped) for f in delivery.figures()] == [("direct", MANY, 0), ("direct", 2, 0)]


def test_when_all_have_failed_nobody_is_left():
    delivery = deliver([Broken()])
    delivery.close()
    assert not delivery.alive
    assert Delivery([], Stop(), live=False).alive  # nobody was wanted


def test_an_output_that_cannot_be_opened_closes_those_before():
    good = Keep()

    def opening() -> Iterator[Output]:
        yield good
        raise UsageError("the address is taken")

    with pytest.raises(UsageError, match="the address is taken"):
        Delivery(opening(), Stop(), live=False)
    assert good.closed == 1


class Kept(Keep):
    """An output of every run that the registry names it for."""

    Settings = OutputSettings
    last: "Kept"

    @classmethod
    def open(cls, settings: OutputSettings, run: object) -> "Kept":
        cls.last = cls()
        return cls.last


class StuckOutput(Gated):
    Settings = OutputSettings

    @classmethod
    def open(cls, settings: OutputSettings, run: object) -> "StuckOutput":
        return cls(Policy.ALL)


class BrokenOutput(Broken):
    Settings = OutputSettings
    error = OutputError("broken failed (for good): mend it")

    @classmethod
    def open(cls, settings: OutputSettings, run: object) -> "BrokenOutput":
        return cls(Policy.NEWEST)


def test_a_whole_run_does_not_notice_outputs_that_hang_or_break(clips, green_detector, box_engine, monkeypatch):
    monkeypatch.setattr(delivering, "PATIENCE", 1.0)
    for kind in (Kept, StuckOutput, BrokenOutput):
        monkeypatch.setitem(OUTPUTS, kind.__name__, f"{__name__}:{kind.__name__}")
    count = 3 * ROOM
    settings = Settings(source=SourceSettings(uri=str(clips.write(count=count)), name="cam"))
    statistics = Statistics()
    with pytest.raises(OutputError, match="has not come to an end"):
        run(settings, statistics, makers=Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine))
    last = [count - 1, SourceState.ENDED]  # the last result comes again, to end who is there
    assert Kept.last.heard == [SourceState.CONNECTING, SourceState.LIVE, *range(count), *last]
    assert statistics.frames == count
    good, stuck, broken = statistics.summary()["outputs"]
    assert (good["written"], good["dropped"], good["error"]) == (count, 0, "")
    assert stuck["dropped"] >= count - ROOM - 1
    assert broken["error"].startswith("broken failed (for good)")
