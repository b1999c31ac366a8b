"""Sources that come and go while a run goes on: each gives what it gives alone, whatever happens to the others."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings
from pymafx_live.core.errors import FramesError, SourceError, UsageError
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import SHAPES, Frame, FrameResult, Person, SourceEvent, SourceRemoved
from pymafx_live.pipeline import run as running
from pymafx_live.pipeline.roster import Roster
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stop import Stop
from support.clips import write
from support.watching import wait_until

PATIENCE = 60.0
NUMBERS = ("box", *SHAPES)


class Heard(Output):
    """All that a run tells: `results` by run id, `events` by source."""

    policy = Policy.DIRECT
    raw = True

    def __init__(self) -> None:
        self.results: dict[str, list[FrameResult]] = defaultdict(list)
        self.events: dict[str, list[SourceEvent]] = defaultdict(list)
        self.all: list[FrameResult | SourceEvent] = []

    def forget(self) -> None:
        self.results.clear()
        self.events.clear()
        self.all.clear()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        self.results[result.run_id].append(result)
        self.all.append(result)

    def tell(self, event: SourceEvent) -> None:
        self.events[event.source].append(event)
        self.all.append(event)

    def states(self, source: str) -> list[str]:
        return [str(event.state) for event in self.events[source]]


class Going:
    """A run on a thread of its own, its roster, and what it tells."""

    def __init__(self, heard: Heard, makers: Makers, wanted: Settings) -> None:
        self.roster, self.stop, self.heard, self.statistics = Roster(), Stop(), heard, Statistics()
        self.error: BaseException | None = None
        self._wanted, self._makers = wanted, makers
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            run(self._wanted, self.statistics, makers=self._makers, stop=self.stop, roster=self.roster)
        except BaseException as error:
            self.error = error

    def add(self, uri: object, **more: object) -> str:
        return self.roster.add(SourceSettings(**{"uri": str(uri), **more}), CameraSettings())

    def count(self, source: str) -> int:
        return sum(r.source == source for r in self.heard.all if isinstance(r, FrameResult))

    def until(self, condition: Callable[[], bool]) -> None:
        wait_until(lambda: condition() or not self.thread.is_alive(), PATIENCE)
        if self.error is not None:
            raise self.error

    def is_over(self, source: str) -> bool:
        return self.heard.states(source)[-1:] in (["ended"], ["failed"])

    def end(self) -> None:
        self.roster.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        if self.error is not None:
            raise self.error


@pytest.fixture
def going(monkeypatch, green_detector, box_engine):
    """Starts runs with light parts; what still goes at the end is stopped."""
    begun: list[Going] = []

    def start(engine=box_engine, **sections: object) -> Going:
        heard = Heard()
        monkeypatch.setattr(running, "open_outputs", lambda *_: iter([heard]))
        wanted = run_settings().model_validate({"output": {"bind": ""}, **sections})
        light = Makers(detector=lambda *_: green_detector, engine=lambda *_: engine)
        begun.append(Going(heard, light if engine else Makers(), wanted))
        return begun[-1]

    yield start
    for one in begun:
        one.stop.request()
        one.thread.join(PATIENCE)


def said(person: Person) -> object:
    return person.id, str(person.state), [getattr(person, name).tobytes() for name in NUMBERS]


def shown(results: list[FrameResult]) -> list[object]:
    """What is said of the people of results, to the last bit."""
    return [
        (
            r.sequence,
            r.time,
            r.final,
            [(p.id, str(p.state), *(getattr(p, n).tobytes() for n in NUMBERS)) for p in r.people],
        )
        for r in results
    ]


def whole(results: list[FrameResult]) -> list[object]:
    return shown([result for result in results if not result.final])


def alone(one: Going, file: Path, name: str) -> list[FrameResult]:
    """What a run gives of a source while there is no other."""
    before = len(one.heard.all)
    one.add(file, name=name)
    one.until(lambda: "ended" in [str(e.state) for e in one.heard.all[before:] if isinstance(e, SourceEvent)])
    one.roster.remove(name)
    one.until(lambda: isinstance(one.heard.all[-1], SourceRemoved))
    return [item for item in one.heard.all[before:] if isinstance(item, FrameResult)]


COUNTS = {"long.mp4": 40, "short.mp4": 3, "middle.mp4": 15}
ACTIONS = st.lists(
    st.tuples(st.sampled_from(sorted(COUNTS)), st.booleans(), st.integers(0, 12)), min_size=1, max_size=7
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS, st.booleans())
def test_whoever_comes_and_goes_each_gives_what_it_gives_alone(clips, going, actions, overlap) -> None:
    """Files are added and removed after so many results of others, at any moment of theirs."""
    files = {name: clips.folder / name for name in COUNTS}
    for first, (name, file) in enumerate(files.items()):
        if not file.exists():
            clips.write(name, COUNTS[name], first=20 * first)
    one = going(run={"overlap": overlap})
    expected = {name: alone(one, file, name) for name, file in files.items()}
    one.heard.forget()
    removed: dict[str, list[bool]] = defaultdict(list)  # of each time that a source was there
    for name, goes, pause in actions:
        if name in one.roster.names:
            one.roster.remove(name)
            removed[name][-1] = True
        if not goes:
            assert one.add(files[name], name=name) == name
            removed[name].append(False)
        until = len(one.heard.all) + pause
        one.until(lambda until=until: len(one.heard.all) >= until or all(map(one.is_over, one.roster.names)))
    one.until(lambda: all(map(one.is_over, one.roster.names)))
    one.end()
    runs: dict[str, list[list[FrameResult]]] = defaultdict(list)
    for results in one.heard.results.values():
        runs[results[0].source].append(results)
    for name, times in removed.items():
        events = [e for e in one.heard.events[name] if not isinstance(e, SourceRemoved)]
        assert [str(e.state) for e in events].count("connecting") == len(times)
        assert sum(isinstance(e, SourceRemoved) for e in one.heard.events[name]) == sum(times)
        assert len(runs[name]) <= len(times) and len(runs[name]) >= times.count(False)
        for results in runs[name]:
            made = whole(results)
            assert made == whole(expected[name])[: len(made)]
            assert results[-1].final and {str(p.state) for p in results[-1].people} == {"ended"}
        if not times[-1]:
            assert shown(runs[name][-1]) == shown(expected[name])
    every = [*expected.values(), *one.heard.results.values()]
    assert one.statistics.frames == sum(len(whole(results)) for results in every)
    assert one.statistics.now == 0


@pytest.mark.slow
@pytest.mark.parametrize("stride", [1, "auto"])
def test_the_real_parts_give_each_source_what_it_has_alone(tmp_path, going, stride) -> None:
    """To the last bit, also of one that comes while others are at work, and of one that goes."""
    clips = {
        "hall": write(tmp_path / "hall.mp4", 0, 30, (960, 540)),
        "door": write(tmp_path / "door.mp4", 20, 10, (640, 480)),
        "yard": write(tmp_path / "yard.mp4", 10, 25, (480, 360)),
    }
    sections = {"run": {"runtime": "onnxruntime"}, "detector": {"stride": stride}}
    one = going(engine=None, **sections)
    expected = {name: alone(one, file, name) for name, file in clips.items()}
    assert all(any(result.people for result in results) for results in expected.values())
    one.heard.forget()
    for name, file in clips.items():
        one.add(file, name=name)
        one.until(lambda name=name: one.count(name) >= 3)
    one.roster.remove("yard")
    one.until(lambda: one.is_over("hall") and one.is_over("door"))
    one.end()
    for results in one.heard.results.values():
        name, made = results[0].source, whole(results)
        assert made == whole(expected[name])[: len(made)]
        assert name == "yard" or shown(results) == shown(expected[name])
    assert len(one.heard.results) == 3


def test_without_a_source_a_run_waits_and_what_comes_then_is_served(clips, going) -> None:
    one = going()
    file, name = clips.write(count=5), "clip.mp4"
    for count in (1, 3):
        assert one.add(file) == name
        one.until(lambda count=count: one.heard.states(name).count("ended") == count)
        one.roster.remove(name)
        assert one.roster.names == []
        time.sleep(0.3)  # longer than it looks whether it is to end
        assert one.thread.is_alive()
    one.end()
    assert [len(results) for results in one.heard.results.values()] == [6, 6]
    assert one.heard.states(name) == ["connecting", "live", "ended", "ended"] * 2


def test_a_stop_ends_a_run_that_has_no_source(going) -> None:
    one = going()
    one.until(lambda: one.roster._cameras is not None)
    one.stop.request()
    one.thread.join(PATIENCE)
    assert not one.thread.is_alive() and one.error is None
    with pytest.raises(UsageError, match="the run is over"):
        one.add("demo")


def test_what_was_moved_is_said_to_be_live_and_its_people_end(clips, going) -> None:
    one = going()
    name = one.add(clips.write(count=2000), realtime=True)
    one.until(lambda: one.count(name) > 2)
    one.roster.remove(name, moved=True)
    one.end()
    last, event = one.heard.all[-2:]
    assert last.final and [str(p.state) for p in last.people] == ["ended"]
    assert (event.state, event.reason) == ("live", "it has moved: another run has it now")
    assert one.heard.states(name) == ["connecting", "live", "live"]


def test_a_camera_that_was_lost_when_it_was_removed_is_not_tried_any_more(going) -> None:
    one = going()
    name = one.add("rtsp://127.0.0.1:9/nothing", timeout=1.0)
    one.until(lambda: len(one.heard.events[name]) > 1)
    one.roster.remove(name)
    one.until(lambda: one.heard.states(name)[-1] == "ended")
    wait_until(lambda: not [t for t in threading.enumerate() if t.name.startswith(("camera", "read rtsp"))], PATIENCE)
    assert one.thread.is_alive()
    one.end()


def test_bad_sources_end_nothing(clips, going) -> None:
    one = going()
    name = one.add(clips.write(count=2000), realtime=True)
    with pytest.raises(SourceError, match=r"there is no file absent\.mp4"):
        one.add("absent.mp4")
    with pytest.raises(UsageError, match=r"a source called 'clip.mp4' is there already"):
        one.add("demo", name=name)
    with pytest.raises(UsageError, match="there is no source called 'door'"):
        one.roster.remove("door")
    assert one.add(clips.folder / "clip.mp4") == "clip.mp4-2"
    one.until(lambda: one.count("clip.mp4-2") > 1)
    for each in one.roster.names:
        one.roster.remove(each)
    one.end()
    assert one.heard.states("absent.mp4") == []


def test_many_are_added_at_once(clips, going) -> None:
    one = going()
    file = clips.write(count=3)
    with ThreadPoolExecutor(8) as pool:
        names = list(pool.map(lambda _: one.add(file), range(8)))
    assert sorted(names) == sorted(["clip.mp4", *(f"clip.mp4-{k}" for k in range(2, 9))])
    one.until(lambda: all(map(one.is_over, names)))
    one.end()
    assert [one.count(name) for name in names] == [4] * 8


def test_one_on_which_a_part_fails_again_and_again_fails_alone(clips, going, box_engine) -> None:
    estimate = box_engine.estimate

    def choosy(scenes):
        if any(scene.frame.source == "bad" for scene in scenes):
            raise ValueError("not this one")
        return estimate(scenes)

    box_engine.estimate = choosy
    one = going(box_engine)
    good, bad = one.add(clips.write(count=50), name="good"), one.add(clips.write("b.mp4", count=2000), name="bad")
    one.until(lambda: one.is_over(good) and one.is_over(bad))
    assert one.heard.states(bad)[-1] == "failed" and one.count(bad) >= 30
    assert "has failed on 30 frames of bad in a row" in one.heard.events[bad][-1].reason
    assert one.count(good) == 51
    one.roster.remove(bad)
    assert one.add(clips.folder / "clip.mp4", name="next") == "next"
    one.until(lambda: one.is_over("next"))
    with pytest.raises(FramesError, match="the engine box failed on 30 frames"):
        one.end()
    assert one.heard.states(bad)[-1] == "ended"


def test_a_run_does_not_read_what_it_writes(clips, going, tmp_path) -> None:
    from pymafx_live.pipeline.outputs.targets import Targets

    targets = Targets()
    written = targets.file(tmp_path / "out.mp4", "--save")
    with pytest.raises(UsageError, match=r"out\.mp4 cannot be a source: this run writes it"):
        targets.read([written])


def test_the_video_of_a_source_that_was_removed_is_whole_while_the_run_goes_on(
    clips, green_detector, box_engine, tmp_path
) -> None:
    roster, file, videos = Roster(), clips.write(count=12), tmp_path / "videos" / "out.mp4"
    wanted = run_settings().model_validate({"output": {"bind": "", "save": str(videos)}})
    light = Makers(detector=lambda *_: green_detector, engine=lambda *_: box_engine)
    thread = threading.Thread(
        target=run, args=(wanted, Statistics()), kwargs={"makers": light, "roster": roster}, daemon=True
    )
    thread.start()
    for name in ("door", "yard"):
        roster.add(SourceSettings(uri=str(file), name=name, realtime=True, loop=True))
    wait_until(lambda: videos.exists() and len(list(videos.parent.iterdir())) == 2, PATIENCE)
    roster.remove("door")
    roster.remove("yard")
    wait_until(lambda: all(_frames(each) > 0 for each in videos.parent.iterdir()), PATIENCE)
    assert thread.is_alive() and len(list(videos.parent.iterdir())) == 2
    roster.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def _frames(video: Path) -> int:
    try:
        with av.open(str(video)) as container:
            return sum(1 for _ in container.decode(video=0))
    except av.FFmpegError:  # it is not whole yet
        return 0
