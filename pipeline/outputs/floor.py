"""Draws the floor that people stand on as a grid."""

import cv2
import numpy as np
from pymafx_live.core.arrays import Image
from pymafx_live.core.types import FrameResult
from pymafx_live.core.world import FloorOrigin, WorldOrigin
from pymafx_live.engines.body.render import project

STEP, LINES = 0.5, 7
"""Metres from one line to the next, and how many there are on each side of the people."""
NEAREST = 0.1
"""Metres before the lens that are not drawn."""
_KNOWN, _ASSUMED = (235, 235, 235), (70, 160, 240)


def draw_floor(result: FrameResult, image: Image) -> Image:
    """A new (H, W, 3) BGR image: `image` with the floor around its people, orange where its tilt or height is assumed.

    The lines are half a metre apart.
    """
    picture = image.copy()
    height, width = image.shape[:2]
    world = result.world
    places = [world.points(person.pelvis)[[0, 2]] for person in result.people if person.pelvis[2] > 0]
    middle = np.round((np.mean(places, 0) if places else world.points(np.array([0, 0, 3.0]))[[0, 2]]) / STEP) * STEP
    reach = STEP * LINES
    along = np.linspace(-reach, reach, 8 * LINES + 1)
    lines = [
        np.stack([np.full(len(along), at), along][::order], 1) + middle
        for at in np.arange(-LINES, LINES + 1) * STEP for order in (1, -1)
    ]  # fmt: skip
    flat = np.concatenate(lines)
    points = world.seen(np.stack([flat[:, 0], np.zeros(len(flat)), flat[:, 1]], 1))
    screen = project(points.astype(np.float32)[None], result.camera.resized(width, height))[0]
    shown = (points[:, 2] > NEAREST) & (np.abs(screen[:, :2]) < 4 * max(width, height)).all(1)
    assumed = world.origin == WorldOrigin.LEVEL or world.floor == FloorOrigin.ASSUMED
    for line, seen in zip(screen[:, :2].reshape(len(lines), -1, 2), shown.reshape(len(lines), -1), strict=True):
        for part in np.split(np.arange(len(line)), np.flatnonzero(~seen)):
            pixels = np.round(16 * line[part[seen[part]]]).astype(np.int32)
            colour = _ASSUMED if assumed else _KNOWN
            cv2.polylines(picture, [pixels], False, colour, max(1, height // 720), cv2.LINE_AA, shift=4)
    return picture
