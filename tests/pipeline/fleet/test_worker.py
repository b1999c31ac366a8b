"""A worker of a fleet: the ordinary run, with cameras that come, move and go, over real sockets."""

import os
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pymafx_live.core.errors import AssetError, SourceError, UsageError
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.pipeline import watchdog as watching
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.fleet.engine import Place
from pymafx_live.pipeline.fleet.worker import Worker
from pymafx_live.pipeline.outputs import zmq as published
from pymafx_live.pipeline.run import Makers
from support.watching import wait_until

HERE = Place("", "127.0.0.1")


@dataclass
class Listener:
    """Hears a worker as any subscriber does, on a thread."""

    address: str
    source: str = ""
    heard: list[FrameResult | SourceEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with Subscriber(self.address, self.source, timeout=0.1, on_event=self.heard.append) as results:
            while not self._over.is_set():
                try:
                    self.heard.append(next(results))
                except NoMessageError:
                    continue

    def results(self, source: str) -> list[FrameResult]:
        return [item for item in list(self.heard) if isinstance(item, FrameResult) and item.source == source]

    def events(self, source: str) -> list[SourceEvent]:
        return [item for item in list(self.heard) if isinstance(item, SourceEvent) and item.source == source]

    def close(self) -> None:
        self._over.set()
        self._thread.join(30)


@pytest.fixture
def start(green_detector, box_engine) -> Iterator:
    """Starts workers with light parts, and listens."""
    begun: list[Worker | Listener] = []

    def worker(name: str = "w1", **settings: object) -> Worker:
        light = Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine)
        begun.append(Worker(name, settings, HERE, light))
        return begun[-1]

    def listen(worker: Worker, source: str = "") -> Listener:
        begun.append(Listener(worker.state()["address"], source))
        return begun[-1]

    worker.listen = listen
    yield worker
    for one in reversed(begun):
        one.close()


def camera(file: Path, name: str, **more: object) -> dict[str, object]:
    """A file that plays for ever, as a camera."""
    return {"uri": str(file), "name": name, "realtime": True, "loop": True, **more}


def test_a_camera_has_a_result_when_it_was_added_and_is_measured(clips, start) -> None:
    worker = start()
    added = worker.add(camera(clips.write(), "door", priority=2, max_fps=50.0, pool="gpu"))
    assert (added["state"], added["sequence"] >= 0, len(added["run"])) == ("live", True, 32)
    wait_until(lambda: worker.state()["cameras"]["door"]["sequence"] > 20)
    state = worker.state()
    door = state["cameras"].pop("door")
    assert (state["worker"], state["pid"], state["error"], state["cameras"]) == ("w1", os.getpid(), "", {})
    assert door["people"] == 1 and door["fps"] > 0 and 0 < door["age_ms"]["p50"] <= door["age_ms"]["p95"]
    assert 0 <= door["dropped"] < 1 and 0 <= state["busy"] <= 1 and door["run"] == added["run"]


def test_a_camera_moves_without_a_gap_and_nothing_is_there_twice(clips, start) -> None:
    """Subscribers of both workers hear the new run before the old one says goodbye, and no `ended`."""
    old, new, file = start("old"), start("new"), clips.write()
    before, after = start.listen(old), start.listen(new)
    other = old.add(camera(clips.write("b.mp4"), "yard"))
    run = old.add(camera(file, "door"))["run"]
    wait_until(lambda: len(before.results("door")) > 3)
    wait_until(lambda: after._thread.is_alive())
    opened = new.add(camera(file, "door"))
    assert opened["sequence"] >= 0 and opened["run"] != run
    old.remove("door", moved=True)
    wait_until(lambda: before.results("door")[-1].final and len(after.results("door")) > 3)
    last = before.results("door")[-1]
    assert {str(person.state) for person in last.people} == {"ended"} and last.run_id == run
    assert after.results("door")[0].published_at < last.published_at
    told = before.events("door")
    wait_until(lambda: len([e for e in before.events("yard") if e.at != told[-1].at]) > 3)  # three more beats
    said = [(str(event.state), event.reason) for event in before.events("door")]
    assert said[-1] == ("live", "it has moved: another run has it now")
    assert said.count(said[-1]) == 1 and "ended" not in dict(said)
    seen = Counter((r.run_id, r.sequence, r.final) for r in [*before.results("door"), *after.results("door")])
    assert set(seen.values()) == {1}
    assert "door" not in old.state()["cameras"] and old.state()["cameras"]["yard"]["run"] == other["run"]


def test_a_camera_that_was_removed_has_ended_and_may_come_back_as_another_run(clips, start) -> None:
    worker, file = start(), clips.write()
    listener = start.listen(worker)
    runs = []
    for _ in range(3):
        runs.append(worker.add(camera(file, "door"))["run"])
        wait_until(lambda: any(r.run_id == runs[-1] for r in listener.results("door")))
        worker.remove("door")
    wait_until(lambda: sum(r.final for r in listener.results("door")) == 3)
    assert [r.run_id for r in listener.results("door") if r.final] == runs and len(set(runs)) == 3
    assert worker.state()["cameras"] == {}
    with pytest.raises(UsageError, match="there is no source called 'door'"):
        worker.remove("door")


def test_what_nobody_asks_for_is_not_encoded(clips, start, monkeypatch) -> None:
    encoded: Counter[str] = Counter()
    encode = published.encode

    def counted(result: FrameResult, joints: int) -> bytes:
        encoded.update([result.source])
        return encode(result, joints)

    monkeypatch.setattr(published, "encode", counted)
    worker = start()
    for name in ("door", "yard"):
        worker.add(camera(clips.write(f"{name}.mp4"), name))
    assert encoded == {}
    listener = start.listen(worker, "door")
    wait_until(lambda: len(listener.results("door")) > 10)
    wait_until(lambda: worker.state()["cameras"]["yard"]["sequence"] > 10)
    assert encoded["door"] > 10 and encoded["yard"] == 0
    listener.close()
    at = encoded["door"]

    def still() -> bool:
        nonlocal at
        at, before = encoded["door"], at
        sequence = worker.state()["cameras"]["door"]["sequence"]
        wait_until(lambda: worker.state()["cameras"]["door"]["sequence"] > sequence + 5)
        return at == before

    wait_until(still)


def test_the_metrics_have_what_is_there(clips, start) -> None:
    worker = start()
    for name in ("door", "yard"):
        worker.add(camera(clips.write(f"{name}.mp4"), name))

    def got(page: str) -> str:
        with urllib.request.urlopen(f"http://{worker.state()['metrics']}/{page}", timeout=30) as answer:
            return answer.read().decode()

    wait_until(lambda: 'pymafx_live_frames_total{source="yard"}' in got("metrics"))
    worker.remove("yard")
    wait_until(lambda: "yard" not in got("metrics"))
    assert 'pymafx_live_frames_total{source="door"}' in got("metrics")
    assert '"door": "live"' in got("readyz") and "yard" not in got("readyz")


def test_bad_cameras_hurt_nobody(clips, start) -> None:
    worker = start()
    first = worker.add(camera(clips.write(), "door"))
    away = worker.add({"uri": "rtsp://127.0.0.1:9/nothing", "name": "away"}, timeout=0.2)
    assert (away["state"], away["sequence"], away["run"], away["fps"], away["age_ms"]) == ("connecting", -1, "", 0, {})
    for wrong, error, said in (
        ({"uri": "absent.mp4", "name": "yard"}, SourceError, "there is no file absent.mp4"),
        ({"uri": "demo", "name": "door"}, UsageError, "a source called 'door' is there already"),
        ({"uri": "demo", "name": "yard", "colour": 1}, UsageError, "unknown key `sources.0.colour`"),
        ({"name": "yard"}, UsageError, "sources.0.uri"),
        ({"uri": "demo", "name": "yard", "calibration": "absent.yaml"}, AssetError, "absent.yaml"),
    ):
        with pytest.raises(error, match=said):
            worker.add(wrong)
    wait_until(lambda: worker.state()["cameras"]["door"]["sequence"] > first["sequence"] + 10)
    assert sorted(worker.state()["cameras"]) == ["away", "door"]
    assert worker.state()["cameras"]["door"]["run"] == first["run"]


def test_the_end_of_a_worker_leaves_nothing(clips, start) -> None:
    before = set(threading.enumerate())
    worker = start()
    listener = start.listen(worker)
    address = worker.state()["address"]
    worker.add(camera(clips.write(), "door"))
    worker.add({"uri": "rtsp://127.0.0.1:9/nothing", "name": "away"}, timeout=0.1)
    wait_until(lambda: len(listener.results("door")) > 2)
    worker.close()
    wait_until(lambda: listener.results("door")[-1].final and str(listener.events("door")[-1].state) == "ended")
    assert worker.state()["error"] == "the run of worker w1 is over (it was ended)"
    with pytest.raises(UsageError, match="the run is over"):
        worker.add(camera(clips.folder / "clip.mp4", "door"))
    listener.close()
    published.ZmqOutput(address).close()  # which nobody has any more
    wait_until(lambda: not set(threading.enumerate()) - before)


def test_a_worker_that_cannot_start_says_why(start) -> None:
    with pytest.raises(UsageError, match=r"worker w1: unknown key `run.runtim`, did you mean `runtime`"):
        start(run={"runtim": "auto"})
    with pytest.raises(AssetError, match=r"the detector absent\.onnx is missing"):
        Worker("w1", {"detector": {"weights": "absent.onnx"}}, HERE)


def test_an_error_that_ends_the_run_is_told(clips, start, box_engine) -> None:
    def broken(*_: object) -> None:
        raise MemoryError("no memory")

    box_engine.forget = broken  # what no frame is to blame for
    worker = start()
    worker.add(camera(clips.write(), "door"))
    worker.remove("door")
    wait_until(lambda: worker.state()["error"] != "")
    assert worker.state()["error"] == "the run of worker w1 is over (MemoryError: no memory)"


def test_where_the_loop_is_stuck_is_told(clips, start, box_engine, monkeypatch) -> None:
    monkeypatch.setattr(watching, "LIMIT", 0.2)
    estimate, go = box_engine.estimate, threading.Event()

    def hanging(scenes):
        if scenes[0].frame.sequence:
            assert go.wait(60)
        return estimate(scenes)

    box_engine.estimate = hanging
    worker = start()
    worker.add(camera(clips.write(), "door"))
    wait_until(lambda: "no result for" in worker.state()["stuck"])
    assert worker.state()["error"] == ""
    go.set()
    wait_until(lambda: worker.state()["stuck"] == "")
