"""The closed-form filters against the textbook's matrices, and against the motion they are to follow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.trackers import kalman
from pymafx_live.trackers.kalman import BoxFilters, to_centres

steps = st.floats(1e-3, 0.5)
boxes = st.tuples(st.floats(-100, 2000), st.floats(-100, 2000), st.floats(5, 900), st.floats(5, 900)).map(
    lambda b: np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]]], np.float32)
)


class TextbookFilter:
    """One box with the 8 x 8 matrices of Kalman (1960), for the same noise."""

    def __init__(self, box: np.ndarray) -> None:
        z = to_centres(box)[0]
        size = max(z[2], z[3])
        self.x = np.concatenate((z, np.zeros(4)))
        stds = [kalman.INITIAL_POSITION_STD] * 4 + [kalman.INITIAL_VELOCITY_STD] * 4
        self.P = np.diag((size * np.array(stds)) ** 2)
        self.H = np.eye(4, 8)

    def predict(self, dt: float) -> None:
        size2 = max(self.x[2:4].max(), 1) ** 2
        F = np.eye(8)
        F[:4, 4:] = dt * np.eye(4)
        d, q = kalman.POSITION_DIFFUSION * size2, kalman.VELOCITY_DIFFUSION * size2
        Q = np.kron([[d * dt + q * dt**3 / 3, q * dt**2 / 2], [q * dt**2 / 2, q * dt]], np.eye(4))
        self.x, self.P = F @ self.x, F @ self.P @ F.T + Q
        self.x[2:4] = np.maximum(self.x[2:4], 1)

    def update(self, box: np.ndarray) -> None:
        z = to_centres(box)[0]
        R = np.eye(4) * (kalman.MEASUREMENT_STD * max(z[2], z[3], 1)) ** 2
        K = self.P @ self.H.T @ np.linalg.inv(self.H @ self.P @ self.H.T + R)
        self.x = self.x + K @ (z - self.H @ self.x)
        self.P = (np.eye(8) - K @ self.H) @ self.P


@given(st.lists(st.tuples(steps, boxes, st.booleans()), min_size=1, max_size=8), boxes)
@settings(max_examples=50, deadline=None)
def test_it_is_the_textbook_filter(script: list[tuple[float, np.ndarray, bool]], first: np.ndarray) -> None:
    ours, theirs = BoxFilters(), TextbookFilter(first)
    ours.add(first)
    for dt, box, seen in script:
        ours.predict(dt)
        theirs.predict(dt)
        if seen:
            ours.update(np.array([0]), box)
            theirs.update(box)
    np.testing.assert_allclose(ours.position[0], theirs.x[:4], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.velocity[0], theirs.x[4:], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.covariance[0, :, 0], np.diag(theirs.P)[:4], rtol=1e-6)
    np.testing.assert_allclose(ours.covariance[0, :, 1], np.diag(theirs.P[:4, 4:]), rtol=1e-6, atol=1e-6)


@given(boxes, boxes, steps, steps)
@settings(max_examples=50, deadline=None)
def test_two_steps_are_one(first: np.ndarray, second: np.ndarray, a: float, b: float) -> None:
    """The same time passes, however many frames it is cut into."""
    one, two = BoxFilters(), BoxFilters()
    for filters in (one, two):
        filters.add(first)
        filters.predict(0.1)
        filters.update(np.array([0]), second)
        filters.velocity[:, 2:] = 0  # noise is in units of the box's size, which must not change on the way
    one.predict(a + b)
    two.predict(a)
    two.predict(b)
    np.testing.assert_allclose(one.position, two.position, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(one.covariance, two.covariance, rtol=1e-9)


@pytest.mark.parametrize("fps", [5, 10, 30, 60])
def test_velocity_is_found_at_any_frame_rate(fps: int) -> None:
    velocity = np.array([180.0, -60.0])  # pixels per second
    filters = BoxFilters()
    rng = np.random.default_rng(fps)
    for frame in range(2 * fps):
        centre = np.array([100.0, 400.0]) + velocity * frame / fps + rng.normal(0, 1, 2)
        box = np.array([[centre[0] - 30, centre[1] - 80, centre[0] + 30, centre[1] + 80]], np.float32)
        if frame == 0:
            filters.add(box)
        else:
            filters.predict(1 / fps)
            filters.update(np.array([0]), box)
    np.testing.assert_allclose(filters.velocity[0, :2], velocity, atol=25)
    np.testing.assert_allclose(filters.position[0, 2:], (60, 160), atol=2)


def test_filters_are_independent() -> None:
    """Rows in one array are what filters of their own would be, whichever are corrected or forgotten."""
    a, b = np.array([[0, 0, 50, 100]], np.float32), np.array([[300, 40, 420, 300]], np.float32)
    together, alone = BoxFilters(), BoxFilters()
    together.add(np.concatenate((a, b)))
    alone.add(b)
    for filters, row in ((together, 1), (alone, 0)):
        filters.predict(0.2)
        filters.update(np.array([row]), b + 20)
        filters.predict(0.1)
    together.keep(np.array([False, True]))
    np.testing.assert_array_equal(together.boxes, alone.boxes)
    np.testing.assert_array_equal(together.deviations, alone.deviations)
