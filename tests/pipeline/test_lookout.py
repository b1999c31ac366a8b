"""When the detector runs: the real loop and tracker on people who move as a test says; the clock is the frames'."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from pymafx_live.core.types import Estimate, Frame, FrameResult, Origin, Part, Person, Scene, Track, TrackState
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.lookout import DELAY, SharedDetector
from pymafx_live.pipeline.loop import results, watch
from pymafx_live.pipeline.overload import Reduction
from pymafx_live.pipeline.selection import Selection
from support.parts import create_tracker

Place = Callable[[float], tuple[float, float] | None]
WIDTH, HEIGHT = 80.0, 200.0
SKELETON = np.random.default_rng(1).uniform(0.05, 0.95, (33, 2)) * (WIDTH, HEIGHT)


def standing(x: float, y: float = 100.0, *, since: float = 0.0, until: float = np.inf) -> Place:
    """Somebody whose upper left corner is at x, y for a while."""
    return lambda t: (x, y) if since <= t < until else None


@dataclass
class World:
    """People by their places; a detector that finds them and an engine that sees them, both exactly."""

    people: dict[str, Place]
    hidden: Callable[[str, float], bool] = lambda who, t: False
    blind: Callable[[float], bool] = lambda t: False
    keypoints: bool = True
    slow: float = 0.0
    name: str = "world"
    looked: list[float] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def frames(self, seconds: float, fps: float, cut: float = 0.0) -> Iterator[Frame]:
        """Frames whose picture holds nothing but their time."""
        camera = Lens().camera(640, 480)
        for i in range(round(seconds * fps)):
            image = np.frombuffer(np.float64(i / fps).tobytes(), np.uint8).reshape(1, 8, 1)
            yield Frame(image, "world", i, i / fps, 0.0, camera, cut=bool(cut and i == round(cut * fps)))

    def detect(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        (image,) = images
        assert not self.inside, "the detector is one thread's at a time"
        self.inside.append(threading.current_thread().name)
        now = float(np.frombuffer(image.tobytes(), np.float64)[0])
        self.looked.append(now)
        time.sleep(self.slow)
        found = [self.box(who, now) for who in self.people if self.place(who, now) and not self.hidden(who, now)]
        self.inside.clear()
        return [(np.array(found, np.float32).reshape(-1, 4), np.full(len(found), 0.9, np.float32))]

    def place(self, who: str, now: float) -> tuple[float, float] | None:
        return self.people[who](now)

    def box(self, who: str, now: float) -> np.ndarray:
        x, y = self.people[who](now) or (np.nan, np.nan)
        return np.array([x, y, x + WIDTH, y + HEIGHT], np.float32)

    def estimate(self, scenes: list[Scene]) -> Estimate:
        return Estimate([[self.person(track, scene.frame.time) for track in scene.tracks] for scene in scenes])

    def forget(self, source: str, ids: object = None) -> None:
        pass

    def person(self, track: Track, now: float) -> Person:
        """Whoever stands nearest to the middle of the track's box, if it is in the box."""
        middle = track.box.reshape(2, 2).mean(0)
        there = [self.box(who, now) for who in self.people if self.place(who, now)]
        there.sort(key=lambda box: float(np.hypot(*(box.reshape(2, 2).mean(0) - middle))))
        near = bool(there) and np.hypot(*(there[0].reshape(2, 2).mean(0) - middle)) < WIDTH
        seen = near and not self.blind(now)
        origin = Origin.MEASURED if seen else Origin.HELD
        extra = {}
        if seen and self.keypoints:
            extra["keypoints"] = np.column_stack([SKELETON + there[0][:2], np.ones(33)]).astype(np.float32)
        parts = {"transl": Part(float(seen), origin)}
        return Person(track.id, track.state, track.box, track.score, self.name, parts, extra=extra)

    def play(self, seconds: float, fps: float = 30.0, cut: float = 0.0, **how) -> list[FrameResult]:
        options = {"stride": "auto", **how}
        looped = results(self.frames(seconds, fps, cut), self, create_tracker("bytetrack"), self, **options)
        return [result for result, _ in looped]

    def looked_from(self, first: float, last: float) -> list[float]:
        return [t for t in self.looked if first <= t < last]


def alive(result: FrameResult) -> list[Person]:
    return [person for person in result.people if person.state is not TrackState.ENDED]


@pytest.mark.parametrize("fps", [12, 15, 24, 25, 30, 60])
@pytest.mark.parametrize("arrival", [2.0, 2.03, 2.11, 2.19, 2.27, 2.34])
def test_a_newcomer_is_there_within_four_tenths_of_a_second(fps: int, arrival: float) -> None:
    world = World({"desk": standing(100), "door": standing(400, since=arrival)})
    first = next(result.time for result in world.play(4.0, fps) if len(alive(result)) == 2)
    assert arrival <= first <= arrival + 0.4 + 1 / fps


def test_who_is_first_is_there_at_once() -> None:
    world = World({"desk": standing(100, since=1.0)})
    made = world.play(2.0)
    assert [bool(alive(result)) for result in made] == [result.time >= 1.0 for result in made]


@pytest.mark.parametrize("fps", [10, 25, 30, 60])
def test_somebody_who_stays_costs_about_three_detections_a_second(fps: int) -> None:
    world = World({"desk": standing(100)})
    made = world.play(11.0, fps)
    assert {person.id for result in made for person in alive(result)} == {1}
    assert all(person.state is not TrackState.LOST for result in made for person in alive(result))
    assert 27 <= len(world.looked_from(1.0, 11.0)) <= 36


def test_a_lost_track_is_sought_on_every_frame_until_it_is_found_or_ended() -> None:
    world = World({"desk": standing(100)}, hidden=lambda who, t: 2.0 <= t < 2.9)
    made = world.play(4.0)
    lost = [result.time for result in made if any(p.state is TrackState.LOST for p in alive(result))]
    assert lost and lost[0] < 2.0 + 0.4
    assert np.diff(lost) == pytest.approx(1 / 30)
    assert lost[-1] == pytest.approx(2.9 - 1 / 30)
    assert world.looked_from(lost[0] + 0.01, 2.9) == pytest.approx([t + 1 / 30 for t in lost[:-1]])
    assert {person.id for result in made for person in alive(result)} == {1}


def test_the_detector_runs_on_the_very_frame_after_one_in_which_the_engine_saw_nobody() -> None:
    world = World({"desk": standing(100)}, blind=lambda t: t == 2.0)
    world.play(3.0, fps=25)
    assert pytest.approx(2.04) in world.looked


def test_an_engine_that_says_not_where_people_are_gets_a_detection_on_every_frame() -> None:
    world = World({"desk": standing(100)}, keypoints=False)
    world.play(2.0)
    assert len(world.looked) == 60


def test_two_who_meet_and_part_are_detected_on_every_frame() -> None:
    world = World({"left": standing(100), "walks": lambda t: (560 - 60 * t, 100.0)})
    world.play(14.0)
    touching = [t for t in np.arange(420) / 30 if abs(560 - 60 * t - 100) < WIDTH * 0.75]
    assert set(np.round(touching, 3)) <= set(np.round(world.looked, 3))
    assert len(world.looked_from(1, 5)) < 20 and len(world.looked_from(11, 14)) < 12


def test_two_who_sit_side_by_side_need_no_more_than_one() -> None:
    """Their boxes overlap, by a third of their width, all the time."""
    world = World({"left": standing(100), "right": standing(100 + WIDTH * 2 / 3)})
    made = world.play(6.0)
    assert len(world.looked_from(1, 6)) < 20
    assert {len(alive(result)) for result in made} == {2}


def test_who_is_not_estimated_is_no_reason_to_detect() -> None:
    world = World({"near": standing(100), "far": standing(400)}, keypoints=True)
    world.play(6.0, select=Selection(1))
    assert len(world.looked_from(1, 6)) < 20


def test_between_detections_a_box_goes_where_the_keypoints_go() -> None:
    """Somebody sways to and fro within a second and is detected three times: a constant velocity misses him."""

    def errors(keypoints: bool) -> list[float]:
        world = World({"sways": lambda t: (300 + 60 * np.sin(2 * np.pi * t), 100.0)}, keypoints=keypoints)
        made = world.play(6.0, stride=10)
        return [float(np.abs(alive(r)[0].box - world.box("sways", r.time)).max()) for r in made if r.time > 1]

    assert max(errors(keypoints=True)) < 0.3 * WIDTH < 0.7 * WIDTH < max(errors(keypoints=False))


@pytest.mark.parametrize("keypoints", [True, False])
def test_a_late_detection_is_moved_along_with_its_track(keypoints: bool) -> None:
    """At 10 frames in the delay somebody who runs would be left behind by his own width."""
    runs: Place = lambda t: (600.0 * t, 100.0)  # noqa: E731
    world = World({"runs": runs})
    made = world.play(4.0, fps=100)
    errors = [np.abs(alive(r)[0].box - world.box("runs", r.time)).max() for r in made if r.time > 0.5]
    assert len(world.looked_from(1, 4)) < 12
    assert max(errors) < 0.15 * WIDTH


def test_the_results_do_not_depend_on_how_long_detections_take() -> None:
    def boxes(slow: float) -> list[np.ndarray]:
        places = {"desk": standing(100), "door": lambda t: (600 - 60 * t, 100.0) if t > 0.5 else None}
        made = World(places, slow=slow).play(1.5)
        return [np.array([[p.id, *p.box] for p in alive(result)]) for result in made]

    for quick, slow in zip(boxes(0.0), boxes(0.05), strict=True):
        np.testing.assert_array_equal(quick, slow)


def test_at_few_frames_a_second_the_detector_looks_at_the_frame_itself() -> None:
    world = World({"desk": standing(100), "door": standing(400, since=2.0)})
    made = world.play(4.0, fps=4)
    assert next(result.time for result in made if len(alive(result)) == 2) <= 2.25
    assert all("detect" in result.stages for result in made)


def test_what_takes_long_runs_beside_the_loop_and_only_there_once_all_is_certain() -> None:
    world = World({"desk": standing(100)})
    threads: list[tuple[float, str]] = []
    detect = world.detect

    def noting(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = detect(image)
        threads.append((world.looked[-1], threading.current_thread().name.partition("_")[0]))
        return found

    world.detect = noting  # type: ignore[method-assign]
    made = world.play(3.0)
    assert {name for t, name in threads if t < 0.2} == {"MainThread"}
    assert {name for t, name in threads if t > 0.5} == {"detect"}
    used = [result.time for result in made if "detect" in result.stages and result.time > 0.5]
    begun = [t for t, name in threads if t > 0.5 - DELAY]
    assert [b - a for a, b in zip(begun, used, strict=False)] == pytest.approx([0.1] * len(used))


def test_a_cut_forgets_what_was_under_way() -> None:
    world = World({"desk": lambda t: (100.0, 100.0) if t < 2 else (400.0, 100.0)}, slow=0.02)
    begun = [t for t in np.arange(60) / 30 if t > 1.5]
    made = world.play(4.0, cut=2.0)
    assert begun
    before = {p.id for r in made if r.time < 2 for p in alive(r)}
    after = {p.id for r in made if r.time >= 2 for p in alive(r)}
    assert before == {1} and len(after) == 1 and not before & after
    assert all(np.abs(alive(r)[0].box - world.box("desk", r.time)).max() < 1 for r in made if r.time >= 2)


def test_the_end_waits_for_what_is_under_way() -> None:
    world = World({"desk": standing(100)}, slow=0.1)
    looped = results(world.frames(9.0, 30), world, create_tracker("bytetrack"), world, stride="auto")
    for result, _ in looped:
        if result.time > 0.6 and world.inside:
            break
    assert world.inside
    looped.close()
    assert not world.inside
    assert not [t for t in threading.enumerate() if t.name.startswith("detect")]


def test_an_error_of_a_late_detection_reaches_the_caller() -> None:
    world = World({"desk": standing(100)})
    detect = world.detect

    def breaking(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if len(world.looked) > 12:
            raise RuntimeError("no network")
        return detect(image)

    world.detect = breaking  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="no network"):
        world.play(5.0)


def test_a_box_that_is_no_number_never_reaches_the_tracker(caplog: pytest.LogCaptureFixture) -> None:
    class Odd:
        def detect(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
            boxes = np.float32([[1, 2, 3, 4], [np.nan, 2, 3, 4], [1, 2, np.inf, 4], [5, 6, 7, 8]])
            return [(boxes, np.float32([0.9, 0.9, 0.9, np.nan]))] * len(images)

    image = np.zeros((4, 4, 3), np.uint8)
    with closing(SharedDetector(Odd())) as detector:
        found = [*detector.detect([image, image]), detector.later(image).result()]
    for boxes, scores in found:
        np.testing.assert_array_equal(boxes, [[1, 2, 3, 4]])
        np.testing.assert_array_equal(scores, np.float32([0.9]))
    assert [record.message.count("no numbers") for record in caplog.records] == [1]


@pytest.mark.parametrize("stride", ["auto", 1, 2])
@pytest.mark.parametrize("most", [2, 4])
def test_under_overload_the_detector_looks_at_every_nth_frame_at_most_and_at_every_cut(
    stride: int | str, most: int
) -> None:
    """Two who pass each other all the time: without a limit that is a reason to look at every frame."""
    world = World({"left": standing(100), "near": lambda t: (110 + 40 * np.sin(9 * t), 100.0)})
    lane = Lane(create_tracker("bytetrack"), stride)  # type: ignore[arg-type]
    lane.reduce(Reduction(detect_every=most))
    looped = watch(Cameras([world.frames(4.0, 20, cut=2.05)], [lane]), world, world)
    made = [item[0] for item in looped if isinstance(item, tuple) and not item[0].final]
    assert len(made) == 80
    looked = np.round(np.array(world.looked) * 20).astype(int)
    cut = 41
    assert {0, cut} <= set(looked)
    assert min(b - a for a, b in pairwise(looked) if b != cut) >= most
    assert len(looked) >= 78 // max(most, stride if isinstance(stride, int) else 1)
    for result in made[5:cut]:
        assert len(alive(result)) == 2
    lane.reduce(Reduction())
    before = len(world.looked)
    list(watch(Cameras([world.frames(1.0, 20)], [lane]), world, world))
    assert len(world.looked) - before == (10 if stride == 2 else 20)
