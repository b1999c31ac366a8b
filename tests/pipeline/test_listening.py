"""What `pymafx-live listen` prints of what is published beside it."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
from pymafx_live.core.types import Camera, FrameResult, SourceEvent, SourceState
from pymafx_live.core.wire import from_map
from pymafx_live.pipeline import listen as listening
from pymafx_live.pipeline.listen import listen
from pymafx_live.pipeline.outputs import heartbeat
from pymafx_live.pipeline.outputs.zmq import ZmqOutput


def result(number: int, source: str = "cam") -> FrameResult:
    return FrameResult(source, number, "r", 0.0, 1.0, 1.25, Camera(4, 3, 1, 1, 1, 1))


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where two sources publish hundreds of results a second."""
    monkeypatch.setattr(listening, "_SILENCE", 0.3)
    monkeypatch.setattr(heartbeat, "PERIOD", 0.1)
    output, done = ZmqOutput("tcp://127.0.0.1:*"), threading.Event()
    for source in ("cam", "door"):
        output.tell(SourceEvent(source, SourceState.LIVE, 1.0))

    def publish() -> None:
        number = 0
        while not done.wait(0.002):
            for source in ("cam", "door"):
                output.write(result(number, source), None)
            number += 1

    thread = threading.Thread(target=publish)
    thread.start()
    yield output.address
    done.set()
    thread.join()
    output.close()


def test_so_many_messages_are_shown_as_are_asked_for(address, capsys):
    listen(address, "door", as_json=False, max_frames=5)
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert len(lines) == 5 and all(line.startswith("door #") for line in lines)
    assert " fps  250 ms old  nobody" in lines[-1] and " fps" not in lines[0]
    assert "lines a second" not in err
    listen(address, "", as_json=True, max_frames=4)
    out, _ = capsys.readouterr()
    assert len(out.splitlines()) == 4
    assert from_map(json.loads(out.splitlines()[0])).age == 0.25


def test_a_state_is_printed_when_it_changes_only(address, capsys):
    listen(address, "cam", as_json=False, max_frames=150)
    assert capsys.readouterr().err.count("cam is live") == 1


def test_a_name_that_nobody_has_is_answered_with_those_there_are(address, capsys):
    ended = threading.Thread(target=listen, args=(address, "camm"), kwargs={"as_json": False, "max_frames": 1})
    ended.daemon = True  # it waits for ever
    ended.start()
    said = ""
    for _ in range(200):
        said += capsys.readouterr().err
        if said.endswith("\n"):
            break
        time.sleep(0.05)
    assert said == f"no message from {address} for 0.3 s: there is no source camm, but cam, door\n"


def test_a_reader_gets_four_lines_a_second_and_the_rate(monkeypatch, capsys):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    pace = listening._Pace(thin=True)
    shown = []
    for number in range(100):
        if pace.due(result(number)):
            shown.append((number, pace.rate(result(number))))
        now += 0.02
    assert [number for number, _ in shown] == [0, *range(13, 100, 13)]
    assert [rate for _, rate in shown] == [None, *[pytest.approx(50, abs=4)] * 7]
    assert capsys.readouterr().err == "4 lines a second are shown; --json shows every message\n"
