"""A bank of Kalman filters over boxes, one row per track, whose step is the real time between frames."""

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Floats

Array = NDArray[np.float64]

# In units of a box's longer side and of seconds. ByteTrack's noise is per frame of 30 per second: 1/20 of the
# height for positions and 1/160 for velocities. A variance per frame, times 30, is one per second.
MEASUREMENT_STD = 1 / 20
POSITION_DIFFUSION = 30 * (1 / 20) ** 2
VELOCITY_DIFFUSION = 30 * (30 / 160) ** 2
INITIAL_POSITION_STD = 2 / 20
INITIAL_VELOCITY_STD = 10 * 30 / 160


class BoxFilters:
    """Constant-velocity filters over (cx, cy, w, h) in pixels, with velocities in pixels per second.

    Every noise is diagonal and no coordinate acts on another, so that the usual 8 x 8 filter falls apart into
    four of 2 x 2, position and velocity, which are computed in closed form: `position` and `velocity` are
    (N, 4), `covariance` is (N, 4, 3) with the variance of the position, the covariance, and the variance of
    the velocity. Process noise is white noise on position and velocity in continuous time, so a step of a + b
    seconds does what steps of a and b do (Bar-Shalom, Li, Kirubarajan, Estimation with Applications to
    Tracking and Navigation, 2001, section 6.2.2).
    """

    def __init__(self) -> None:
        self.position: Array = np.empty((0, 4))
        self.velocity: Array = np.empty((0, 4))
        self.covariance: Array = np.empty((0, 4, 3))

    def __len__(self) -> int:
        return len(self.position)

    @property
    def boxes(self) -> Floats:
        """The boxes as x1, y1, x2, y2, shape (N, 4)."""
        centre, half = self.position[:, :2], self.position[:, 2:] / 2
        corners: Floats = np.concatenate((centre - half, centre + half), axis=1).astype(np.float32)
        return corners

    @property
    def deviations(self) -> Floats:
        """One standard deviation of each box's centre in x and y, in pixels, shape (N, 2)."""
        deviations: Floats = np.sqrt(self.covariance[:, :2, 0]).astype(np.float32)
        return deviations

    def add(self, boxes: Floats) -> None:
        """Append a filter at rest for each of `boxes`, (M, 4) x1, y1, x2, y2."""
        measured = to_centres(boxes)
        variance = _squared_size(measured)
        covariance = np.zeros((len(boxes), 4, 3))
        covariance[:, :, 0] = variance * INITIAL_POSITION_STD**2
        covariance[:, :, 2] = variance * INITIAL_VELOCITY_STD**2
        self.position = np.concatenate((self.position, measured))
        self.velocity = np.concatenate((self.velocity, np.zeros_like(measured)))
        self.covariance = np.concatenate((self.covariance, covariance))

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget the filters outside the mask `rows`, (N,)."""
        self.position, self.velocity = self.position[rows], self.velocity[rows]
        self.covariance = self.covariance[rows]

    def predict(self, dt: float) -> None:
        """Move every filter on by `dt` seconds, 0 or more."""
        variance = _squared_size(self.position)
        position, both, velocity = np.moveaxis(self.covariance, 2, 0)
        diffusion = variance * VELOCITY_DIFFUSION
        position += dt * (2 * both + dt * velocity + variance * POSITION_DIFFUSION + diffusion * dt**2 / 3)
        both += dt * (velocity + diffusion * dt / 2)
        velocity += dt * diffusion
        self.position += dt * self.velocity
        np.maximum(self.position[:, 2:], 1, out=self.position[:, 2:])

    def update(self, rows: NDArray[np.intp], boxes: Floats) -> None:
        """Correct the filters `rows`, (M,), with measured `boxes`, (M, 4) x1, y1, x2, y2."""
        measured = to_centres(boxes)
        position, both, velocity = np.moveaxis(self.covariance[rows], 2, 0)
        total = position + _squared_size(measured) * MEASUREMENT_STD**2
        gain_position, gain_velocity = position / total, both / total
        error = measured - self.position[rows]
        self.position[rows] += gain_position * error
        self.velocity[rows] += gain_velocity * error
        self.covariance[rows] = np.stack(
            ((1 - gain_position) * position, (1 - gain_position) * both, velocity - gain_velocity * both),
            axis=2,
        )

    def level(self, rows: NDArray[np.intp]) -> None:
        """Let the boxes `rows` neither grow nor shrink, nor rise nor fall, as nobody sees them.

        People walk on a floor: such a speed comes of feet or heads that just went behind something.
        """
        self.velocity[rows, 1:] = 0


def to_centres(boxes: Floats) -> Array:
    """(N, 4) x1, y1, x2, y2 as cx, cy, w, h."""
    low, high = boxes[:, :2].astype(np.float64), boxes[:, 2:].astype(np.float64)
    return np.concatenate(((low + high) / 2, high - low), axis=1)


def _squared_size(centres: Array) -> Array:
    """The square of each box's longer side, at least 1 pixel, shape (N, 1)."""
    size: Array = np.maximum(centres[:, 2:].max(axis=1, keepdims=True), 1) ** 2
    return size
