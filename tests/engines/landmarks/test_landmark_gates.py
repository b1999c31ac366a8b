"""The gates: whose landmarks these are."""

import numpy as np
from pymafx_live.core.boxes import iou
from pymafx_live.engines.landmarks import gates

SKELETON = np.random.default_rng(0).uniform((100, 100), (200, 400), (33, 2))
SEEN = np.ones(33)


def believed(skeletons: list[np.ndarray], boxes: list[list[float]], score: float = 0.9) -> list[bool]:
    n = len(skeletons)
    return gates.believable_bodies(
        np.full(n, score), np.stack(skeletons), np.tile(SEEN, (n, 1)), np.array(boxes, np.float64)
    ).tolist()


def test_a_skeleton_in_its_box_is_believed() -> None:
    assert believed([SKELETON], [[95, 95, 205, 405]]) == [True]


def test_a_low_score_is_not() -> None:
    assert believed([SKELETON], [[95, 95, 205, 405]], 0.4) == [False]


def test_a_skeleton_outside_its_box_is_not() -> None:
    assert believed([SKELETON + [150, 0]], [[95, 95, 205, 405]]) == [False]


def test_of_two_on_one_person_the_better_fitting_stays() -> None:
    """A half-hidden neighbour's region slips onto the person in front."""
    own, neighbour = [95, 95, 205, 405], [40, 90, 240, 420]
    assert believed([SKELETON, SKELETON + 3], [neighbour, own]) == [False, True]
    assert believed([SKELETON + 3, SKELETON], [own, neighbour]) == [True, False]


def test_two_people_side_by_side_both_stay() -> None:
    assert believed([SKELETON, SKELETON + [60, 0]], [[95, 95, 205, 405], [155, 95, 265, 405]]) == [True, True]


def hands(
    wrists: list[list[float]], found: list[list[float]], person: list[int], score: float = 0.9, side: float = 0.6
) -> list[bool]:
    """Hands of 40 pixels at `found`, sought at `wrists` whose elbows are 60 pixels to the left."""
    shape = np.stack([np.linspace(0, 40, 21), np.zeros(21)], -1)
    xy = np.array(found, np.float64)[:, None] + shape
    wrist = np.array(wrists, np.float64)
    n = len(found)
    good = gates.believable_hands(
        np.full(n, score), np.full(n, side), xy, wrist - [60, 0], wrist, np.ones(n), np.array(person)
    )
    return good.tolist()


def test_a_hand_hangs_on_its_wrist() -> None:
    assert hands([[100, 100]], [[105, 102]], [0]) == [True]
    assert hands([[100, 100]], [[150, 100]], [0]) == [False]
    assert hands([[100, 100]], [[105, 102]], [0], score=0.3) == [False]


def test_a_hand_of_the_right_side_may_be_farther_from_a_wrist_that_went_astray() -> None:
    assert hands([[100, 100]], [[140, 100]], [0]) == [False]
    assert hands([[100, 100]], [[140, 100]], [0], side=0.95) == [True]
    assert hands([[100, 100]], [[160, 100]], [0], side=0.95) == [False]


def test_a_hand_belongs_to_one_person() -> None:
    assert hands([[100, 100], [112, 100]], [[110, 100], [111, 100]], [0, 1]) == [False, True]


def test_the_hands_of_one_person_may_touch_but_are_not_one() -> None:
    assert hands([[100, 100], [108, 100]], [[104, 100], [106, 100]], [0, 0]) == [True, True]
    assert hands([[100, 100], [128, 100]], [[124, 100], [126, 100]], [0, 0]) == [False, True]


def test_the_probability_of_the_own_side() -> None:
    own = gates.own_side(np.array([0.01, 0.9, 0.99]), np.array([True, True, False]))
    np.testing.assert_allclose(own, [0.01, 0.9, 0.01], atol=1e-9)


def test_box_of_nothing_overlaps_nothing() -> None:
    empty = gates.box_of(SKELETON[None], np.zeros((1, 33)))
    assert iou(empty, np.array([[0.0, 0, 500, 500]])).tolist() == [0.0]


def test_a_skeleton_half_on_somebody_else_is_not_believed() -> None:
    """Who steps out from behind a neighbour is at first seen as that neighbour, within the margin of both boxes."""
    neighbour, own = [95, 95, 205, 405], [140, 90, 240, 400]
    assert believed([SKELETON, SKELETON + [14, 4]], [neighbour, own]) == [True, False]
