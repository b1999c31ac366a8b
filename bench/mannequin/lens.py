"""The light that a clip is taken in, and what a webcam makes of it: exposure, blur, grain, compression."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from pymafx_live.core.types import Floats

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """The lamp's direction in the room (3,) and its BGR colour, and how bright people and their background are."""

    direction: Floats
    colour: Floats
    people: float
    scenery: float

    @property
    def lamp(self) -> tuple[Floats, Floats]:
        """The lamp's direction and colour."""
        return self.direction, self.colour


@dataclass(frozen=True, slots=True, eq=False)
class Webcam:
    """A camera's faults: `tone` (256, 3) per channel, `blur` in pixels, `grain` in levels, JPEG `quality` (0: none)."""

    tone: Image
    blur: float
    grain: float
    quality: int


def light(rng: Generator) -> Light:
    """From the front, dim, from one side, or from behind before a bright room."""
    kind = rng.choice(["front", "dim", "side", "behind"], p=[0.5, 0.15, 0.2, 0.15])
    direction = np.array([rng.uniform(-0.8, 0.8), rng.uniform(0.4, 1.2), rng.uniform(0.3, 1.0)])
    people, scenery = rng.uniform(0.85, 1.1), rng.uniform(0.8, 1.15)
    if kind == "dim":
        people, scenery = rng.uniform(0.45, 0.75), rng.uniform(0.25, 0.7)
    elif kind == "side":
        direction = np.array(
            [rng.choice([-1, 1]) * rng.uniform(0.8, 1.5), rng.uniform(0.1, 0.6), rng.uniform(0.0, 0.4)]
        )
    elif kind == "behind":
        direction[2] = -rng.uniform(0.4, 1.2)
        people, scenery = rng.uniform(0.75, 1.05), rng.uniform(1.1, 1.4)
    colour = np.array([rng.uniform(0.75, 1.05), 1.0, rng.uniform(0.95, 1.15)]) * rng.uniform(0.9, 1.15)
    direction /= np.linalg.norm(direction)
    return Light(direction.astype(np.float32), colour.astype(np.float32), people, scenery)


def webcam(rng: Generator, width: int) -> Webcam:
    """A good camera or a poor one."""
    levels = np.arange(256) / 255
    contrast, gamma = rng.uniform(0.8, 1.15), rng.uniform(0.8, 1.25)
    cast = rng.uniform(0.92, 1.08, 3)
    curve = np.clip(0.5 + contrast * (levels**gamma - 0.5), 0, 1)[:, None] * cast
    poor = rng.random() < 0.5
    blur = rng.uniform(0.4, 1.1) * width / 640 if poor else 0.0
    grain = rng.uniform(2.5, 6.0) if poor else rng.uniform(0.8, 2.5)
    quality = int(rng.integers(35, 85)) if rng.random() < 0.4 else 0
    return Webcam((curve * 255).clip(0, 255).astype(np.uint8), blur, grain, quality)


def expose(rng: Generator, image: Image, webcam: Webcam) -> Image:
    """One picture (H, W, 3) as the camera delivers it."""
    if webcam.blur > 0:
        image = cv2.GaussianBlur(image, (0, 0), webcam.blur).astype(np.uint8, copy=False)
    image = cv2.LUT(image, webcam.tone[None]).astype(np.uint8, copy=False)
    image = noise(rng, image, webcam.grain)
    if webcam.quality:
        _, packed = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, webcam.quality])
        image = np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)
    return image


def noise(rng: Generator, image: Image, deviation: float = 1.6) -> Image:
    """The grain of a camera in a room."""
    most = round(5.6 * deviation)
    table = np.clip(rng.normal(0, deviation, 1 << 16).round(), -most, most).astype(np.int16)
    grain = np.resize(np.roll(table, rng.integers(len(table))), image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8)
