"""Overlaps of boxes against counted pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.core.boxes import centre, iou

box = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)


def pixels(b: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((80, 80), bool)
    mask[b[1] : b[3], b[0] : b[2]] = True
    return mask


@given(box, box)
def test_iou_is_what_counting_pixels_gives(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    overlap = iou(np.array([a], np.float32)[:, None], np.array([b, b], np.float32))
    union = (pixels(a) | pixels(b)).sum()
    assert overlap == pytest.approx(np.full((1, 2), (pixels(a) & pixels(b)).sum() / union), rel=1e-5)


def test_what_is_no_box_overlaps_nothing() -> None:
    boxes = np.array([[0, 0, 10, 10], [np.nan] * 4, [5, 5, 5, 5], [9, 9, 1, 1]])
    np.testing.assert_array_equal(iou(boxes, boxes), [1, 0, 0, 0])
    np.testing.assert_array_equal(iou(boxes[0], boxes), [1, 0, 0, 0])


def test_centre() -> None:
    np.testing.assert_array_equal(centre(np.array([[0, 2, 10, 4], [1, 1, 2, 3]])), [[5, 3], [1.5, 2]])
