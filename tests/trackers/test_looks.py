"""Who is who by colours: what people look like, and what trackers make of it."""

import numpy as np
import pytest
from pymafx_live.core.types import Track
from pymafx_live.trackers.looks import SIZE, looks
from support.parts import create_tracker

RED, BLUE = (40, 40, 200), (200, 60, 40)


def picture(*people: tuple[tuple[int, int, int], int]) -> tuple[np.ndarray, np.ndarray]:
    """A grey picture with people as upright rectangles, by colour and left edge, and their boxes."""
    image = np.full((240, 640, 3), 128, np.uint8)
    boxes = np.array([[x, 40, x + 60, 220] for _, x in people], np.float32).reshape(-1, 4)
    for colour, x in people:
        image[40:220, x : x + 60] = colour
    return image, boxes


def test_a_look_is_that_of_what_is_in_the_box_and_of_unit_length():
    image, boxes = picture((RED, 50), (BLUE, 300), (RED, 500))
    found = looks(image, boxes)
    assert found.shape == (3, SIZE) and found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(found @ found.T, [[1, 0, 1], [0, 1, 0], [1, 0, 1]], atol=0.02)


@pytest.mark.parametrize("box", [(-80, 0, -10, 200), (10, 10, 11, 200), (30, 300, 90, 400), (50, 220, 20, 40)])
def test_what_cannot_be_seen_resembles_nobody(box):
    image, _ = picture((RED, 50))
    assert not looks(image, np.array([box], np.float32)).any()
    assert looks(image, np.empty((0, 4), np.float32)).shape == (0, SIZE)


def test_the_light_may_change_a_little():
    """Brighter or darker, and noisy: still the same person rather than the other."""
    rng = np.random.default_rng(0)
    image, boxes = picture((RED, 50), (BLUE, 300))
    before = looks(image, boxes)
    for factor in (0.85, 1.15):
        noisy = np.clip(image * factor + rng.normal(0, 8, image.shape), 0, 255).astype(np.uint8)
        alike = looks(noisy, boxes) @ before.T
        assert (np.diag(alike) > alike[::-1].diagonal() + 0.2).all(), alike


def ids(tracks: list[Track]) -> dict[int, int]:
    """Left edge to id of those who are seen."""
    return {round(float(track.box[0])): track.id for track in tracks if track.seen}


@pytest.mark.parametrize("turns_back", [False, True])
def test_two_who_meet_keep_their_ids_whether_they_pass_or_turn_back(turns_back):
    """For some frames one hides the other, and where they go from there boxes alone cannot foretell."""
    tracker = create_tracker()
    known: dict[tuple[int, int, int], int] = {}
    for step in range(60):
        time, way = step / 25, 8 * step
        red, blue = 40 + way, 520 - way
        if turns_back and step > 30:
            red, blue = 40 + 8 * (60 - step), 520 - 8 * (60 - step)
        people = [(RED, red), (BLUE, blue)]
        if abs(red - blue) < 50:  # the detector finds whoever is in front
            people = people[:1]
        image, boxes = picture(*people)
        tracks = tracker.update(boxes, np.full(len(boxes), 0.9, np.float32), time, looks(image, boxes))
        if step == 5:
            seen = ids(tracks)
            known = {RED: seen[min(seen)], BLUE: seen[max(seen)]}
    alive = sorted((track for track in tracks if track.seen), key=lambda track: track.box[0])
    order = [RED, BLUE] if turns_back else [BLUE, RED]
    assert [track.id for track in alive] == [known[colour] for colour in order]


@pytest.mark.parametrize(("colour", "same"), [(RED, True), (BLUE, False)])
def test_who_comes_out_again_elsewhere_is_known_by_the_looks(colour, same):
    tracker = create_tracker()
    for step in range(10):
        image, boxes = picture((RED, 100))
        tracks = tracker.update(boxes, np.array([0.9], np.float32), step / 25, looks(image, boxes))
    first = tracks[0].id
    nobody = np.empty((0, 4), np.float32)
    for step in range(10, 28):
        tracker.update(nobody, np.empty(0, np.float32), step / 25, looks(image, nobody))
    image, boxes = picture((colour, 260))
    tracks = tracker.update(boxes, np.array([0.9], np.float32), 28 / 25, looks(image, boxes))
    assert [track.id == first for track in tracks if track.seen] == [same]
