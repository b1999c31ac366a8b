"""CLEAR MOT counts on stories told by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.bench.matching import Matcher


def box(x: float, y: float = 0.0) -> NDArray[np.float32]:
    return np.array([x, y, x + 10, y + 20], np.float32)


ALL = {0: 1.0, 1: 1.0}


def test_found_missed_and_false_people_are_counted() -> None:
    matcher = Matcher()
    assert matcher.match({0: box(0), 1: box(50)}, ALL, {7: box(1)}) == {0: 7}
    assert matcher.match({0: box(0)}, {0: 1.0}, {7: box(1), 8: box(200)}) == {0: 7}
    assert matcher.match({}, {}, {9: box(0)}) == {}
    assert (matcher.required, matcher.missed, matcher.false, matcher.switches) == (3, 1, 2, 0)


def test_an_identity_that_is_swapped_counts_for_each_person_once() -> None:
    matcher = Matcher()
    for _ in range(3):
        matcher.match({0: box(0), 1: box(50)}, ALL, {7: box(0), 8: box(50)})
    for _ in range(3):
        matcher.match({0: box(0), 1: box(50)}, ALL, {8: box(0), 7: box(50)})
    assert (matcher.switches, matcher.missed, matcher.false) == (2, 0, 0)


def test_a_new_id_after_a_gap_is_a_switch_and_the_old_id_is_none() -> None:
    for returning, switches in ((7, 0), (9, 1)):
        matcher = Matcher()
        matcher.match({0: box(0)}, {0: 1.0}, {7: box(0)})
        matcher.match({0: box(0)}, {0: 1.0}, {})
        matcher.match({0: box(0)}, {0: 1.0}, {returning: box(0)})
        assert (matcher.switches, matcher.missed) == (switches, 1)


def test_a_pair_is_kept_while_it_holds_even_if_another_overlaps_more() -> None:
    matcher = Matcher()
    matcher.match({0: box(0)}, {0: 1.0}, {7: box(2)})
    assert matcher.match({0: box(0)}, {0: 1.0}, {7: box(2), 8: box(0)}) == {0: 7}
    assert matcher.switches == 0 and matcher.false == 1


def test_hidden_people_need_not_be_found_but_may_be() -> None:
    matcher = Matcher()
    assert matcher.match({0: box(0)}, {0: 0.1}, {}) == {}
    assert matcher.match({0: box(0)}, {0: 0.1}, {7: box(0)}) == {0: 7}
    assert (matcher.required, matcher.missed, matcher.false) == (0, 0, 0)


@pytest.mark.parametrize("shift", [6.0, 9.9])
def test_boxes_that_overlap_too_little_are_strangers(shift: float) -> None:
    matcher = Matcher()
    assert matcher.match({0: box(0)}, {0: 1.0}, {7: box(shift)}) == {}
    assert (matcher.missed, matcher.false) == (1, 1)
