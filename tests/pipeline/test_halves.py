"""An engine in two halves, of which one works ahead: real lanes, tracker and filters, on squares that a test draws."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from threading import Event, current_thread
from threading import enumerate as enumerate_threads

import cv2
import numpy as np
import pytest
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import FramesError
from pymafx_live.core.types import (
    Camera,
    Estimate,
    Frame,
    Origin,
    Part,
    Person,
    Scene,
    Seen,
    SourceEvent,
    SourceGone,
    SourceState,
    TrackState,
)
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.faults import MOST, Faults
from pymafx_live.pipeline.halves import DETECTING, LOOKING, ahead
from pymafx_live.pipeline.lane import Lane, Stride
from pymafx_live.pipeline.loop import Result, watch
from pymafx_live.pipeline.run import stride
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from support.parts import create_tracker
from support.same import assert_same, assert_same_result

FRAMES = 40
SIZE = 320, 200
LIMIT = 120.0
"""Seconds that a thread is waited for which must come."""
Key = tuple[str, int]


def frames(source: str, count: int = FRAMES) -> list[Frame]:
    """Two squares, one of them always larger, which change their sizes and are hidden now and then; one cut."""
    made = []
    for n in range(count):
        image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
        for k, hidden in enumerate((range(15, 20), range(25, 28))):
            side = 50 if (n // 12 + k) % 2 else 80
            x, y = 20 + 150 * k + n % 25 * (2 - 3 * k), 40 + n % 7
            if n not in hidden:
                image[y : y + side, x : x + side // 2] = 255
        camera = Camera(*SIZE, 300, 300, SIZE[0] / 2, SIZE[1] / 2)
        made.append(Frame(image, source, n, n / 25, 0.0, camera, cut=n == 31))
    return made


def squares(image: np.ndarray) -> np.ndarray:
    """Their boxes (N, 4)."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(image[..., 0])
    return np.array([[x, y, x + w, y + h] for x, y, w, h, _ in stats[1:]], np.float32).reshape(-1, 4)


class Detector:
    """Finds the squares."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        self.calls += len(images)
        return [(boxes := squares(image), np.full(len(boxes), 0.9, np.float32)) for image in images]

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, eq=False)
class Counted(Seen):
    """How often each track had been looked at, and what is over."""

    looks: Sequence[int]
    over: list[tuple[str, Collection[int] | None]]


class Halved:
    """Sees the corners of squares; a person's `transl` is where that is, and how often each half has had the track."""

    name = "halved"

    def __init__(self, looks_ahead: bool = True, broken: Collection[tuple[str, str, int]] = ()) -> None:
        """`broken` are halves, sources and frames on which they fail."""
        self.looks_ahead, self._broken = looks_ahead, broken
        self._looks: Counter[Key] = Counter()
        self._estimates: Counter[Key] = Counter()
        self._over: list[tuple[str, Collection[int] | None]] = []
        self.calls: list[tuple[str, int]] = []
        self.threads: dict[str, set[str]] = {"look": set(), "estimate": set()}

    def look(self, scenes: Sequence[Scene]) -> list[Counted]:
        self._note("look", scenes)
        over, self._over = self._over, []
        return [self._seen(scene, over) for scene in scenes]

    def _seen(self, scene: Scene, over: list) -> Counted:
        people, boxes = {}, squares(scene.frame.image)
        self._looks.update((scene.frame.source, track.id) for track in scene.tracks)
        for track in scene.tracks:
            near = boxes[np.abs(boxes - track.box).max(1) < 30]
            if len(near):
                x1, y1, x2, y2 = near[0]
                corners = np.float32([[x1, y1, 1], [x2, y1, 1], [x2, y2, 1], [x1, y2, 1]])
                people[track.id] = corners
        return Counted(scene, people, [self._looks[scene.frame.source, t.id] for t in scene.tracks], over)

    def estimate_seen(self, seen: Sequence[Counted]) -> Estimate:
        for one in seen:
            while one.over:
                drop(self._estimates, *one.over.pop())
        self._note("estimate", [one.scene for one in seen])
        return Estimate([self._people(one) for one in seen])

    def _people(self, seen: Counted) -> list[Person]:
        people, source = [], seen.scene.frame.source
        self._estimates.update((source, track.id) for track in seen.scene.tracks)
        for track, looks in zip(seen.scene.tracks, seen.looks, strict=True):
            points = seen.people.get(track.id)
            origin = Origin.HELD if points is None else Origin.MEASURED
            people.append(Person(
                track.id, track.state, track.box, track.score, self.name, {"transl": Part(1.0, origin)},
                transl=np.array([track.box[0], looks, self._estimates[source, track.id]], np.float32),
                extra={} if points is None else {"keypoints": points},
            ))  # fmt: skip
        return people

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        return self.estimate_seen(self.look(scenes))

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        drop(self._looks, source, ids)
        self._over.append((source, ids))

    def _note(self, half: str, scenes: Sequence[Scene]) -> None:
        self.calls += [(half, scene.frame.sequence) for scene in scenes]
        self.threads[half].add(current_thread().name)
        if any((half, scene.frame.source, scene.frame.sequence) in self._broken for scene in scenes):
            raise RuntimeError(half)


def drop(memory: Counter[Key], source: str, ids: Collection[int] | None) -> None:
    for key in [key for key in memory if key[0] == source and (ids is None or key[1] in ids)]:
        del memory[key]


def play(
    engine: Halved, sources: Sequence[Iterable[Frame | SourceEvent]], overlap: bool, stride: Stride = 1, most: int = 2
) -> tuple[list[Result | SourceEvent], dict[str, int]]:
    """All that comes of it, and the faults."""
    lanes = [Lane(create_tracker(), stride, select=Selection(most), smooth=Smoother()) for _ in sources]
    faults, detector = Faults(), Detector()
    made = list(watch(Cameras(sources, lanes), detector, engine, overlap=overlap, faults=faults))
    return made, {**faults.frames, "detections": detector.calls}


def people(made: Sequence[Result | SourceEvent]) -> list[Person]:
    return [person for item in made if not isinstance(item, SourceEvent) for person in item[0].people]


class Meeting(Halved):
    """On each frame of the source `a` its second half waits until the first half is done with the next one."""

    def __init__(self, broken: Collection[tuple[str, str, int]] = (), count: int = FRAMES) -> None:
        super().__init__(True, broken)
        self._looked = [Event() for _ in range(count)]
        self.met: list[bool] = []

    def look(self, scenes: Sequence[Scene]) -> list[Counted]:
        try:
            return super().look(scenes)
        finally:
            for scene in scenes:
                self._looked[scene.frame.sequence].set()

    def estimate_seen(self, seen: Sequence[Counted]) -> Estimate:
        numbers = [one.scene.frame.sequence for one in seen if one.scene.frame.source == "a"]
        for later in self._looked[max(numbers, default=FRAMES) + 1 :][:1]:
            self.met.append(later.wait(LIMIT))
        return super().estimate_seen(seen)


@pytest.mark.parametrize("stride", [1, "auto"])
def test_the_first_half_works_on_the_next_frame_while_the_second_is_at_this_one(stride: Stride) -> None:
    engine = Meeting(count=8)
    made, _ = play(engine, [frames("a", 8)], True, stride)
    assert engine.met == [True] * 7
    assert [item[0].sequence for item in made if isinstance(item, tuple) and item[1] is not None] == [*range(8)]
    (looking,), (estimating,) = engine.threads.values()
    assert looking.startswith("detect") and estimating == current_thread().name


@pytest.mark.parametrize("looks_ahead", [True, False])
def test_without_overlap_and_for_an_engine_that_cannot_look_ahead_one_half_follows_the_other(looks_ahead) -> None:
    engine = Halved(looks_ahead)
    play(engine, [frames("a", 4)], not looks_ahead)
    assert engine.calls == [(half, n) for n in range(4) for half in ("look", "estimate")]
    assert engine.threads["look"] == engine.threads["estimate"] == {current_thread().name}
    assert ahead(engine, False) == () and ahead(engine, True) == (LOOKING if looks_ahead else DETECTING)


def eventful(source: str) -> list[Frame | SourceEvent]:
    """Frames of a camera that is lost, comes back, and is gone for so long that all are said goodbye to."""
    shown = frames(source)
    lost, live = (SourceEvent(source, state, 1.0) for state in (SourceState.RECONNECTING, SourceState.LIVE))
    gone = SourceGone(source, SourceState.RECONNECTING, 1.0)
    return [*shown[:9], lost, live, *shown[9:21], gone, live, *shown[21:]]


BROKEN = [("look", "a", 5), ("look", "a", 6), ("estimate", "a", 10), ("estimate", "b", 10), ("look", "b", 11)]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("most", [1, 2])
@pytest.mark.parametrize("stride", [1, 3, "auto"])
def test_results_are_the_same_with_overlap(stride: Stride, most: int, broken: bool) -> None:
    """Two cameras with events, a cut, people who take each other's place, and errors in both halves.

    With overlap the first half is as far ahead as it can be.
    """
    found = []
    for overlap in (False, True):
        engine = (Meeting if overlap else Halved)(broken=BROKEN if broken else ())
        found.append(play(engine, [eventful("a"), frames("b", 23)], overlap, stride, most))
    (apart, told), (together, also) = found
    assert_same(apart, together)
    calls, others = told.pop("detections"), also.pop("detections")
    assert calls == others or stride == "auto"  # which begins some beside the loop, and may not need the last
    assert told == also == ({"engine halved": 5} if broken else {})
    ended = [person.id for person in people(apart) if person.state is TrackState.ENDED]
    assert len(set(ended)) > 4
    both = [person.transl[1] == person.transl[2] for person in people(apart)]
    assert broken or all(both), "the halves remember a track equally long"


def test_the_tracker_follows_what_is_seen_and_not_what_is_estimated() -> None:
    """Also where the second half fails on all frames but a few."""
    shown = [replace(frame, cut=False) for frame in frames("a", 12)]
    wrong = [("estimate", "a", n) for n in range(3, 11)]
    sound, broken = (play(Halved(broken=which), [shown], True, 6)[0] for which in ((), wrong))
    assert_same_result(
        *(replace(made[11][0], people=[replace(p, transl=np.zeros(3)) for p in made[11][0].people])
          for made in (sound, broken))
    )  # fmt: skip


@pytest.mark.parametrize("half", ["look", "estimate"])
@pytest.mark.parametrize("overlap", [False, True])
def test_who_fails_on_too_many_frames_in_a_row_ends_the_run_after_as_many_results(half: str, overlap: bool) -> None:
    engine, made = Halved(broken=[(half, "a", n) for n in range(3, FRAMES)]), []
    with pytest.raises(
        FramesError, match=f"has failed on {MOST} frames of a in a row, at last with RuntimeError: {half}"
    ):
        lanes = [Lane(create_tracker())]
        made.extend(watch(Cameras([frames("a")], lanes), Detector(), engine, overlap=overlap, faults=Faults()))
    assert len(made) == 3 + MOST - 1


def test_whoever_measures_gets_the_error_of_each_half_and_no_thread_goes_on() -> None:
    for half in ("look", "estimate"):
        made = watch(
            Cameras([frames("a")], [Lane(create_tracker())]), Detector(), Halved(broken=[(half, "a", 3)]), overlap=True
        )
        assert [next(made)[0].sequence for _ in range(3)] == [0, 1, 2]
        with pytest.raises(RuntimeError, match=half):
            next(made)
    engine = Halved()
    made = watch(Cameras([frames("a")], [Lane(create_tracker())]), Detector(), engine, overlap=True)
    next(made)
    made.close()
    assert not [thread for thread in enumerate_threads() if thread.name in engine.threads["look"]]


def test_auto_and_overlap_go_together_where_the_engine_looks_ahead() -> None:
    def settings(overlap: bool = True, **sections: object) -> Settings:
        return Settings.model_validate({"run": {"overlap": overlap}, **sections})

    parts = [{"name": "pymafx", "assets": ".", "parts": parts} for parts in ("landmarks", "rtmlib", "mesh")]
    assert [stride(settings(engine=engine), True) for engine in (*parts, {})] == ["auto", "auto", 1, 1]
    assert stride(settings(False), True) == "auto" and stride(settings(engine=parts[0]), False) == 1
    settings(engine=parts[0], detector={"stride": "auto"})
    with pytest.raises(ValueError, match=r"run\.overlap detects before"):
        settings(engine=parts[2], detector={"stride": "auto"})
