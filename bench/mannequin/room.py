"""Backgrounds that the mannequins stand in, drawn by rays through a room: floor, walls, pictures, furniture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.core.types import Camera, Floats

FAR = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """An axis-aligned block of one BGR colour, `low` and `high` (3,) in metres of the room."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    colour: NDArray[np.float64]


def draw_room(rng: Generator, camera: Camera, rotation: Floats, position: Floats, clutter: int) -> NDArray[np.uint8]:
    """The empty room (H, W, 3) as the camera sees it.

    The room has y up, its floor at 0 and people near the origin; `rotation` (3, 3) takes its directions to the
    camera's frame, `position` (3,) is the camera's place. `clutter` is the number of pieces of furniture.
    """
    half = np.array([rng.uniform(3.2, 5.0), 0.0, rng.uniform(2.0, 3.5)])
    walls = rng.uniform(120, 225) * rng.uniform(0.88, 1.0, 3)
    floor = rng.uniform(70, 170) * rng.uniform(0.75, 1.0, 3)
    rays = rays_of(camera, rotation)
    low = np.array([-half[0], 0.0, -half[2]])
    high = np.array([half[0], rng.uniform(2.5, 3.1), position[2] + 3.0])
    distance, face = leave(rays, position, low, high)
    points = position + rays * distance[..., None]
    image = np.empty(points.shape)
    image[:] = walls
    image[face == 1] = np.where(points[..., 1:2] < 1.0, floor, [236, 238, 240])[face == 1]
    _pave(rng, image, points, (face == 1) & (points[..., 1] < 1.0))
    _hang_pictures(rng, image, points, face, half)
    image *= np.array([0.86, 1.0, 0.97])[face][..., None]
    for box in _furniture(rng, half, clutter):
        draw_box(image, distance, rays, position, box)
    return photograph(rng, image)


def rays_of(camera: Camera, rotation: Floats) -> NDArray[np.float64]:
    """Unit view rays (H, W, 3) in the room's frame."""
    u, v = np.meshgrid(np.arange(camera.width), np.arange(camera.height))
    local = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones(u.shape)], -1)
    world = local @ rotation.astype(np.float64)
    return np.asarray(world / np.linalg.norm(world, axis=-1, keepdims=True))


def leave(
    rays: NDArray[np.float64], origin: Floats, low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Where rays from inside a box leave it: distances (H, W) and the axis of the side they meet."""
    with np.errstate(divide="ignore"):
        exits = np.maximum((low - origin) / rays, (high - origin) / rays)
    face = exits.argmin(-1)
    return np.take_along_axis(exits, face[..., None], -1)[..., 0], face


def _pave(rng: Generator, image: NDArray[np.float64], points: NDArray[np.float64], where: NDArray[np.bool_]) -> None:
    """Give the floor tiles, planks or the speckle of a carpet."""
    x, z = points[where][:, 0], points[where][:, 2]
    kind = rng.integers(3)
    if kind == 0:
        size = rng.uniform(0.3, 0.8)
        shade = 1 + 0.12 * ((np.floor(x / size) + np.floor(z / size)) % 2 - 0.5)
    elif kind == 1:
        plank = np.floor(z / 0.14)
        shade = 1 + 0.16 * np.sin(plank * 12.9898 + np.floor((x + 0.37 * plank) / 0.9) * 4.1)
    else:
        shade = 1 + rng.normal(0, 0.05, len(x))
    image[where] *= shade[:, None]


def _hang_pictures(
    rng: Generator,
    image: NDArray[np.float64],
    points: NDArray[np.float64],
    face: NDArray[np.intp],
    half: NDArray[np.float64],
) -> None:
    """Hang framed abstract pictures, and perhaps a bright window, on the back wall."""
    back = (face == 2) & (points[..., 2] < 0)
    for _ in range(rng.integers(0, 4)):
        size = rng.uniform((0.4, 0.3), (1.4, 1.1))
        middle = np.array([rng.uniform(-half[0], half[0]), rng.uniform(1.3, 1.9)])
        offset = np.abs(points[..., :2] - middle) - size / 2
        outside = offset.max(-1)
        image[back & (outside < 0.04)] = rng.uniform(20, 90)
        inside = back & (outside < 0)
        base, other = rng.uniform(60, 240, 3), rng.uniform(60, 240, 3)
        blend = (0.5 + 0.5 * np.sin(points[inside][:, :2] @ rng.uniform(-9, 9, 2)))[:, None]
        image[inside] = base * blend + other * (1 - blend)


def _furniture(rng: Generator, half: NDArray[np.float64], count: int) -> list[Box]:
    """Blocks along the back wall and at the sides, out of the people's way."""
    boxes = []
    for _ in range(count):
        size = rng.uniform((0.3, 0.35, 0.3), (1.5, 1.9, 0.7))
        x = rng.uniform(-half[0], half[0])
        z = -half[2] + size[2] / 2 + rng.uniform(0, 0.15)
        low = np.array([x - size[0] / 2, 0.0, z - size[2] / 2])
        boxes.append(Box(low, low + size, rng.uniform(40, 200) * rng.uniform(0.6, 1.0, 3)))
        if rng.random() < 0.6:  # something stands on it
            small = rng.uniform((0.1, 0.1, 0.1), (0.3, 0.4, 0.2))
            base = np.array([x, size[1], z]) - [small[0] / 2, 0, small[2] / 2]
            boxes.append(Box(base, base + small, rng.uniform(30, 230, 3)))
    return boxes


def draw_box(
    image: NDArray[np.float64],
    distance: NDArray[np.float64],
    rays: NDArray[np.float64],
    origin: Floats,
    box: Box,
) -> None:
    """Draw a block where it is nearer than what was drawn before (slab test, Kay & Kajiya 1986)."""
    with np.errstate(divide="ignore"):
        a, b = (box.low - origin) / rays, (box.high - origin) / rays
    enters, leaves = np.minimum(a, b), np.maximum(a, b).min(-1)
    face, near = enters.argmax(-1), enters.max(-1)
    hit = (near < leaves) & (near > 0) & (near < distance)
    image[hit] = box.colour * np.array([0.72, 1.08, 0.92])[face[hit]][:, None]
    distance[hit] = near[hit]


def photograph(rng: Generator, image: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Uneven light, and the softness of a background that is out of focus."""
    h, w = image.shape[:2]
    patch = rng.uniform(0.75, 1.15, (4, 6)).astype(np.float32)
    image *= cv2.resize(patch, (w, h), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(cv2.GaussianBlur(image.clip(0, 255), (0, 0), rng.uniform(0.6, 1.6))).astype(np.uint8)


def plain(rng: Generator, camera: Camera) -> NDArray[np.uint8]:
    """A studio's backdrop (H, W, 3): one colour, lighter in the middle."""
    u = (np.arange(camera.width) / camera.width - 0.5)[None, :, None]
    v = (np.arange(camera.height) / camera.height - 0.5)[:, None, None]
    colour = rng.uniform(90, 200) * rng.uniform(0.9, 1.0, 3)
    return np.asarray(colour * (1.1 - 0.5 * (u * u + v * v)), np.float64).clip(0, 255).astype(np.uint8)
