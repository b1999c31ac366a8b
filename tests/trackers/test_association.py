import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymafx_live.trackers.association import expanded_iou, match


def test_a_margin_widens_both_boxes() -> None:
    track, apart = np.array([[0, 0, 10, 10]], np.float32), np.array([[12, 0, 22, 10]], np.float32)
    none, some = np.zeros((1, 2), np.float32), np.array([[4, 0]], np.float32)
    assert expanded_iou(track, none, apart)[0, 0] == 0
    assert expanded_iou(track, some, apart)[0, 0] == pytest.approx(6 * 10 / (2 * 18 * 10 - 6 * 10))


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 4)), elements=st.floats(0, 1, width=32)),
    st.sampled_from((0.0, 0.1, 0.5, 0.9)),
)
@settings(deadline=None)
def test_the_match_is_the_best_of_all(similarity: np.ndarray, least: float) -> None:
    """Against every possible assignment: none gains more above the threshold."""
    rows, columns = np.arange(similarity.shape[0]), np.arange(similarity.shape[1])
    i, j = match(similarity, least, rows, columns)
    assert len(set(i)) == len(i) and len(set(j)) == len(j)
    assert (similarity[i, j] > least).all()
    gain = np.maximum(similarity - np.float32(least), 0)
    if gain.shape[0] > gain.shape[1]:
        gain = gain.T
    best = max(
        sum(gain[r, c] for r, c in enumerate(order))
        for order in itertools.permutations(range(gain.shape[1]), gain.shape[0])
    )
    assert (similarity[i, j] - least).sum() == pytest.approx(best, abs=1e-5)


def test_only_the_rows_and_columns_asked_for() -> None:
    similarity = np.array([[0.9, 0.8], [0.7, 0.1]], np.float32)
    i, j = match(similarity, 0.2, np.array([1]), np.array([0, 1]))
    assert (i.tolist(), j.tolist()) == ([1], [0])
    i, j = match(similarity, 0.2, np.array([], int), np.array([0, 1]))
    assert len(i) == len(j) == 0
