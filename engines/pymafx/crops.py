"""What the network looks at: square crops of body, hands and face, cut around keypoints, and the way back.

A box is a centre in pixels and a side. The network is sensitive to framing, so each part keeps the convention that it
was trained with: the tight box of the visible keypoints, its longer side widened by a factor of the part's own.
Boxes count from the image's top left corner, as the reference does with the keypoints that it is given.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.pipeline.types import Camera, Floats

SIZE = 224
BODY_MARGIN, HAND_MARGIN, FACE_MARGIN = 1.2, 1.2 * 1.2, 1.2 * 1.4
"""How much longer a crop's side is than the longer side of its keypoints' box."""
SMALLEST = 2.0
"""Pixels of side under which a part counts as not seen."""
UNSEEN_SIDE = 100.0
"""The side of the crop that stands for a part that is not seen: a corner of the image, mostly black."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""ImageNet's, RGB."""


@dataclass(frozen=True, slots=True, eq=False)
class CropBoxes:
    """N square boxes: `centres` (N, 2) and `sides` (N,) in pixels of the image; `seen` (N,) says which are real."""

    centres: Floats
    sides: Floats
    seen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sides)


def boxes_around(keypoints: Floats, visible: NDArray[np.bool_], margin: float) -> CropBoxes:
    """The boxes of N parts with K keypoints (N, K, 2) in pixels, of which `visible` (N, K) count."""
    hidden = ~visible[..., None]
    low = np.where(hidden, np.inf, keypoints).min(1, initial=np.inf)
    high = np.where(hidden, -np.inf, keypoints).max(1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        centres, sides = (low + high) / 2, margin * (high - low).max(1, initial=-np.inf)
    seen = sides >= SMALLEST
    return CropBoxes(
        np.where(seen[:, None], centres, 0).astype(np.float32),
        np.where(seen, sides, UNSEEN_SIDE).astype(np.float32),
        seen,
    )


class CropCutter:
    """Cuts the crops of one image. A large box is read from a smaller copy of the image, so that nothing aliases."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        """`image` is (H, W, 3) BGR."""
        self._pyramid = [image]

    def cut(self, boxes: CropBoxes) -> Floats:
        """The network's input (N, 3, 224, 224): RGB, ImageNet-normalised, black outside the image."""
        pixels = self.cut_pixels(boxes)
        out = np.empty((len(boxes), 3, SIZE, SIZE), np.float32)
        for channel in range(3):
            np.multiply(pixels[..., 2 - channel], 1 / (255 * DEVIATION[channel]), out=out[:, channel])
            out[:, channel] -= MEAN[channel] / DEVIATION[channel]
        return out

    def cut_pixels(self, boxes: CropBoxes) -> NDArray[np.uint8]:
        """The crops (N, 224, 224, 3) as BGR pixels: one affine warp each."""
        out = np.empty((len(boxes), SIZE, SIZE, 3), np.uint8)
        for k, (centre, side) in enumerate(zip(boxes.centres, boxes.sides, strict=True)):
            level = int(np.clip(np.log2(max(side / SIZE, 1)), 0, 6))
            warp = crop_to_image(centre, side, level)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            cv2.warpAffine(self._level(level), warp, (SIZE, SIZE), dst=out[k], flags=flags)
        return out

    def _level(self, level: int) -> NDArray[np.uint8]:
        """The image, halved `level` times."""
        while len(self._pyramid) <= level:
            finest = self._pyramid[-1]
            half = (max(finest.shape[1] // 2, 1), max(finest.shape[0] // 2, 1))
            smaller = cv2.resize(finest, half, interpolation=cv2.INTER_AREA)
            self._pyramid.append(np.asarray(smaller, np.uint8))
        return self._pyramid[level]


def crop_to_image(centre: Floats, side: float, level: int = 0) -> NDArray[np.float64]:
    """The affine map (2, 3) from pixels of a crop to those of the image, halved `level` times.

    The crop's edges are the box's, so the centres of its pixels lie half a pixel of their own size further in. The
    reference rounds the box to whole pixels first, which makes a small hand's crop jump by several of its own.
    """
    shrink = 2.0**-level
    step = side / SIZE * shrink
    offset = (np.asarray(centre, np.float64) - side / 2) * shrink + step / 2 - 0.5
    return np.array([[step, 0, offset[0]], [0, step, offset[1]]])


def translations(cameras: Floats, boxes: CropBoxes, camera: Camera) -> Floats:
    """Where the bodies stand, (N, 3) in metres, by the crops' weak-perspective cameras (N, 3: s, tx, ty).

    The depth is the one at which the focal length of `camera` gives the body the size that it has in its crop.
    """
    s, shift = cameras[:, 0], cameras[:, 1:]
    focal = np.array([camera.fx, camera.fy])
    pixels_per_metre = np.maximum(boxes.sides * s, 1e-6) / 2
    depth = camera.fx / pixels_per_metre
    off_axis = (boxes.centres - (camera.cx, camera.cy)) / pixels_per_metre[:, None]
    return np.column_stack([(shift + off_axis) * (camera.fx / focal), depth]).astype(np.float32)
