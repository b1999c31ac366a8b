"""Rooms that a webcam looks into, drawn by rays: a wall near behind, with shelves, a window, a door or pictures."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.room import Box, draw_box, leave, photograph, rays_of
from pymafx_live.core.types import Camera, Floats

Picture = NDArray[np.float64]


def draw_study(rng: Generator, camera: Camera, rotation: Floats, position: Floats, behind: float) -> NDArray[np.uint8]:
    """The room (H, W, 3) as the camera sees it, its back wall `behind` metres behind the origin.

    The frame of reference is that of `room.draw_room`.
    """
    aside = rng.uniform(1.4, 4.0), rng.uniform(1.4, 4.0)
    low = np.array([-aside[0], 0.0, -behind])
    high = np.array([aside[1], rng.uniform(2.4, 3.0), position[2] + 2.0])
    low[0], high[0] = min(low[0], position[0] - 0.8), max(high[0], position[0] + 0.8)
    rays = rays_of(camera, rotation)
    distance, face = leave(rays, position, low, high)
    points = position + rays * distance[..., None]
    wall = rng.uniform(70, 240) * rng.uniform(0.82, 1.0, 3)
    image = np.empty(points.shape)
    image[:] = wall
    image *= np.array([rng.uniform(0.7, 0.95), 1.0, 1.0])[face][..., None]
    floor, ceiling = (face == 1) & (points[..., 1] < 1), (face == 1) & (points[..., 1] > 1)
    image[ceiling] = rng.uniform(200, 245)
    image[floor] = rng.uniform(50, 170) * rng.uniform(0.7, 1.0, 3)
    image[floor] *= 1 + 0.1 * np.sin(40 * points[floor][:, :1]) * np.sin(5 * points[floor][:, 2:])
    back = (face == 2) & (points[..., 2] < 0)
    for _ in range(rng.integers(1, 4)):
        thing: Callable[[Generator, Picture], Picture] = (shelf, window, door, poster, curtain)[rng.integers(5)]
        size = SIZES[thing.__name__]
        extent = rng.uniform(size[0], size[1])
        middle = np.array([rng.uniform(low[0], high[0]), 0.0])
        middle[1] = (
            extent[1] / 2 if thing is door else rng.uniform(1.2, 1.7) if thing is not shelf else rng.uniform(0.9, 1.6)
        )
        place = (points[..., :2] - middle) / extent + 0.5
        inside = back & (place > 0).all(-1) & (place < 1).all(-1)
        image[inside] = thing(rng, place[inside])
    for _ in range(rng.integers(0, 4)):
        extent = rng.uniform((0.3, 0.3, 0.3), (1.3, 1.4, 0.6))
        corner = np.array([rng.uniform(low[0], high[0] - extent[0]), 0.0, -behind])
        colour = rng.uniform(30, 210) * rng.uniform(0.6, 1.0, 3)
        draw_box(image, distance, rays, position, Box(corner, corner + extent, colour))
    return _finish(rng, image)


SIZES = {
    "shelf": ((0.8, 0.9), (2.0, 1.9)), "window": ((0.8, 0.9), (2.0, 1.6)), "door": ((0.8, 2.0), (0.95, 2.1)),
    "poster": ((0.3, 0.3), (1.2, 1.0)), "curtain": ((0.8, 1.8), (2.5, 2.6)),
}  # fmt: skip
"""The least and the greatest width and height of each thing on the wall, in metres."""


def shelf(rng: Generator, place: Picture) -> Picture:
    """Rows of books and boxes: colours (N, 3) at places (N, 2) in 0..1."""
    wood = rng.uniform(30, 200) * np.array([0.6, 0.8, 1.0])
    rows, columns = int(rng.integers(3, 6)), int(rng.integers(18, 46))
    row, up = np.divmod(place[:, 1] * rows, 1.0)
    column = (place[:, 0] * columns).astype(int).clip(0, columns - 1)
    spines = rng.uniform(20, 230, (rows, columns, 3)) * rng.uniform(0.5, 1.0, (rows, columns, 1))
    tall = np.where(rng.random((rows, columns)) < 0.12, 0.0, rng.uniform(0.55, 0.88, (rows, columns)))
    index = row.astype(int).clip(0, rows - 1), column
    colours = np.where((up < tall[index])[:, None], spines[index], 0.45 * wood)
    return np.where((up > 0.93)[:, None] | (np.abs(place[:, :1] - 0.5) > 0.485), wood, colours)


def window(rng: Generator, place: Picture) -> Picture:
    """A bright sky over something darker, behind bars."""
    sky, ground = rng.uniform(215, 255, 3), rng.uniform(90, 200) * np.array([0.8, 1.0, 0.9])
    skyline = 0.3 + 0.1 * np.sin(9 * place[:, :1] + rng.uniform(0, 6)) + 0.06 * np.sin(31 * place[:, :1])
    view = np.where(place[:, 1:] > skyline, sky, ground)
    bars = int(rng.integers(1, 4))
    frame = (np.abs((place[:, 0] * bars) % 1.0 - 0.5) > 0.47) | (np.abs(place[:, 1] - 0.5) > 0.47)
    return np.where(frame[:, None], rng.uniform(120, 250), view)


def door(rng: Generator, place: Picture) -> Picture:
    """Two panels and a frame."""
    colour = rng.uniform(60, 235) * rng.uniform(0.8, 1.0, 3)
    edge = np.abs(np.abs(place[:, :1] - 0.5) - 0.33) < 0.012
    bar = np.abs(np.abs(place[:, 1:] - 0.5) - 0.03) < 0.006
    return np.where((np.abs(place[:, :1] - 0.5) > 0.46) | edge | bar, 0.7 * colour, colour)


def poster(rng: Generator, place: Picture) -> Picture:
    """A picture in a frame."""
    base, other = rng.uniform(40, 240, 3), rng.uniform(40, 240, 3)
    blend = (0.5 + 0.5 * np.sin(place @ rng.uniform(-9, 9, 2) + 2 * np.sin(place @ rng.uniform(-7, 7, 2))))[:, None]
    frame = np.abs(place - 0.5).max(1, keepdims=True) > 0.47
    return np.where(frame, rng.uniform(15, 120), base * blend + other * (1 - blend))


def curtain(rng: Generator, place: Picture) -> Picture:
    """Hanging folds."""
    colour = rng.uniform(60, 235) * rng.uniform(0.7, 1.0, 3)
    folds = np.sin(place[:, :1] * rng.uniform(60, 120) + 2 * np.sin(place[:, :1] * 17))
    return np.asarray(colour * (0.88 + 0.12 * folds))


def _finish(rng: Generator, image: Picture) -> NDArray[np.uint8]:
    """A camera with everything in focus, or one that blurs the background, as calls do."""
    soft = photograph(rng, image)
    if rng.random() < 0.2:
        soft = cv2.GaussianBlur(soft, (0, 0), rng.uniform(4, 12)).astype(np.uint8, copy=False)
    return soft
