"""Networks that look ahead: their answers are those of the network, and what was begun is not computed twice."""

from collections.abc import Callable, Iterator
from threading import Event, current_thread

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.engines.landmarks.ahead import LookingAhead, Workers
from pymafx_live.engines.landmarks.networks import HandLandmarks, HandNetwork
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions, concatenate


class Watched:
    """The real hand network, which notes how many regions it was shown on which thread; it waits for `free`."""

    def __init__(self) -> None:
        self._network = HandNetwork(threads=1)
        self.looks: list[tuple[int, str]] = []
        self.waited = 0
        self.began, self.free = Event(), Event()
        self.free.set()

    def __call__(self, images: ImageBatch, regions: Regions) -> HandLandmarks:
        self.looks.append((len(regions), current_thread().name.partition("_")[0]))
        self.began.set()
        assert self.free.wait(30)
        return self._network(images, regions)

    def begin(self, images: ImageBatch, regions: Regions) -> Callable[[], HandLandmarks]:
        found = self(images, regions)

        def wait() -> HandLandmarks:
            self.waited += 1
            return found

        return wait


@pytest.fixture
def watched() -> Watched:
    return Watched()


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    """One worker, as on 2 cores, whatever machine this is."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    made = Workers(0, "cpu")
    yield made
    made.close()


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.asarray(np.random.default_rng(3).integers(0, 256, (240, 320, 3)), np.uint8)


def squares(*sides: float) -> Regions:
    side = np.array(sides, np.float32)
    return Regions(np.stack([side, side], 1), side, side / 100)


def shown(image: np.ndarray, regions: Regions | None) -> ImageBatch:
    return ImageBatch.single(image, len(regions or ()))


def alone(image: np.ndarray, regions: Regions) -> HandLandmarks:
    return HandNetwork(threads=1)(shown(image, regions), regions)


def assert_same(a: HandLandmarks, b: HandLandmarks) -> None:
    for name in a.__slots__:
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-4, atol=1e-3)


def test_only_what_was_not_begun_is_looked_at_when_it_is_asked_for(
    watched: Watched, workers: Workers, image: np.ndarray
) -> None:
    network = LookingAhead(watched, workers)
    network.begin(shown(image, squares(90, 60)), squares(90, 60))
    assert watched.began.wait(30)
    wanted = squares(60, 75, 90)
    assert_same(network(shown(image, wanted), wanted), alone(image, wanted))
    assert watched.looks == [(2, "ahead"), (1, "MainThread")]
    network(shown(image, wanted), wanted)  # nothing was begun for this call
    assert watched.looks[2:] == [(3, "MainThread")]


def test_what_has_not_had_its_turn_yet_is_done_at_once(watched: Watched, workers: Workers, image: np.ndarray) -> None:
    watched.free.clear()
    busy, waiting = LookingAhead(watched, workers), LookingAhead(HandNetwork(threads=1), workers)
    busy.begin(shown(image, squares(90)), squares(90))
    assert watched.began.wait(30)
    waiting.begin(shown(image, squares(60)), squares(60))
    assert_same(waiting(shown(image, squares(60)), squares(60)), alone(image, squares(60)))  # the worker is not free
    watched.free.set()
    busy(shown(image, squares(90)), squares(90))
    assert watched.looks == [(1, "ahead")]


def test_another_frame_is_looked_at_anew(watched: Watched, workers: Workers, image: np.ndarray) -> None:
    network = LookingAhead(watched, workers)
    network.begin(shown(image, squares(90)), squares(90))
    assert watched.began.wait(30)
    later = image[::-1].copy()
    assert_same(network(shown(later, squares(90)), squares(90)), alone(later, squares(90)))


def test_an_error_of_the_network_reaches_who_asks(workers: Workers, image: np.ndarray) -> None:
    def broken(images: ImageBatch, regions: Regions) -> HandLandmarks:
        raise RuntimeError("no network")

    network = LookingAhead(broken, workers)
    network.begin(shown(image, squares(90)), squares(90))
    with pytest.raises(RuntimeError, match="no network"):
        network(shown(image, squares(90)), squares(90))
    network.begin(shown(image, None), None)  # whatever was left of it


def test_on_one_core_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, watched: Watched, image: np.ndarray) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    workers = Workers(0, "cpu")
    network = LookingAhead(watched, workers)
    network.begin(shown(image, squares(90)), squares(90))
    assert not watched.looks
    network(shown(image, squares(90)), squares(90))
    assert watched.looks == [(1, "MainThread")]
    workers.close()


def test_on_a_gpu_it_is_queued_at_once_and_waited_for_when_it_is_asked_for(watched: Watched, image: np.ndarray) -> None:
    network = LookingAhead(watched, Workers(0, "cuda:0"))
    network.begin(shown(image, squares(90)), squares(90))
    assert watched.looks == [(1, "MainThread")] and watched.waited == 0
    found = network(shown(image, squares(90)), squares(90))
    assert watched.looks == [(1, "MainThread")] and watched.waited == 1
    np.testing.assert_array_equal(found.xy, alone(image, squares(90)).xy)
    network.begin(shown(image, squares(60)), squares(60))
    network.begin(shown(image, None), None)  # nobody asks for it
    assert watched.waited == 1


def test_perception_sees_the_same_with_and_without(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    for cores in (1, 2):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=cores: set(range(n)))
        perception = Perception(threads=cores)
        gaze, sights = Gaze(), []
        for image, truth in render_clip("hands", 0, 4):
            sights += perception.look(ImageBatch.single(image, 1), truth.people[0].box[None], [gaze])[0]
        seen.append(sights)
        perception.close()
    for alone, beside in zip(*seen, strict=True):
        assert alone is not None and beside is not None
        np.testing.assert_allclose(alone.xy, beside.xy, atol=0.05)
        assert alone.hands.keys() == beside.hands.keys() == {"left", "right"}
        for side, hand in alone.hands.items():
            np.testing.assert_allclose(hand.xy, beside.hands[side].xy, atol=0.05)
        assert alone.face is not None and beside.face is not None
        np.testing.assert_allclose(alone.face.xyz, beside.face.xyz, atol=0.05)


def test_regions_are_told_apart_by_all_that_they_are(watched: Watched, workers: Workers, image: np.ndarray) -> None:
    network = LookingAhead(watched, workers)
    network.begin(shown(image, squares(90)), squares(90))
    assert watched.began.wait(30)
    turned = Regions(squares(90).centre, squares(90).side, squares(90).angle + np.float32(0.2))
    network(shown(image, concatenate([turned, squares(90)])), concatenate([turned, squares(90)]))
    assert watched.looks == [(1, "ahead"), (1, "MainThread")]
