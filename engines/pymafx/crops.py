"""What the network looks at: square crops of body, hands and face, cut around keypoints, and the way back.

A box is a centre in pixels and a side. The network is sensitive to framing, so each part keeps the convention that it
was trained with: the tight box of the visible keypoints, its longer side widened by a factor of the part's own, its
corners cut off to whole pixels. Boxes count from the image's top left corner, so the centre of its first pixel is at
(0.5, 0.5).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask, Reals
from pymafx_live.core.types import Camera, Floats
from pymafx_live.engines.pymafx.spec import SIZE

BODY_MARGIN, HAND_MARGIN, FACE_MARGIN = 1.2, 1.2 * 1.2, 1.2 * 1.4
"""How much longer a crop's side is than the longer side of its keypoints' box."""
SMALLEST = 2.0
"""Pixels of side under which a part counts as not seen."""
UNSEEN_SIDE = 100.0
"""The side of the crop that stands for a part that is not seen: a corner of the image, mostly black."""


@dataclass(frozen=True, slots=True, eq=False)
class CropBoxes:
    """N square boxes: `centres` (N, 2) and `sides` (N,) in pixels of the image; `seen` (N,) says which are real."""

    centres: Floats
    sides: Floats
    seen: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.sides)

    def __getitem__(self, index: Mask | NDArray[np.intp] | slice) -> "CropBoxes":
        return CropBoxes(self.centres[index], self.sides[index], self.seen[index])

    def corners(self) -> NDArray[np.float64]:
        """x1, y1, x2, y2 (N, 4) in whole pixels, cut off towards zero as the reference does."""
        half = self.sides[:, None].astype(np.float64) / 2
        return np.asarray(np.trunc(np.concatenate([self.centres - half, self.centres + half], 1)), np.float64)


def concatenate(boxes: Sequence[CropBoxes]) -> CropBoxes:
    """All boxes in one batch."""
    fields = ("centres", "sides", "seen")
    return CropBoxes(*(np.concatenate([getattr(b, name) for b in boxes]) for name in fields))


def boxes_around(keypoints: Reals, visible: Mask, margin: float) -> CropBoxes:
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


def crop_to_image(corners: Reals) -> NDArray[np.float64]:
    """The affine maps (..., 2, 3) from pixels of crops to those of the image, for `Picture.warp`.

    A crop's edges are the box's `corners` (..., 4), so the centres of its pixels lie half a pixel of their own size
    further in. A box that lost a pixel on one side only is stretched, as the reference stretches it.
    """
    low, high = corners[..., :2], corners[..., 2:]
    step = np.maximum(high - low, 1) / SIZE
    maps = np.zeros((*step.shape, 3))
    maps[..., 0, 0], maps[..., 1, 1] = step[..., 0], step[..., 1]
    maps[..., 2] = low + step / 2 - 0.5
    return maps


def translations(cameras: Floats, boxes: CropBoxes, camera: Camera) -> Floats:
    """Where the bodies stand, (N, 3) in metres, by the crops' weak-perspective cameras (N, 3: s, tx, ty).

    The depth is the one at which the focal length of `camera` gives the body the size that it has in its crop. The
    reference's own numbers are those of a camera with fx = fy = 5000 and its principal point in the middle.
    """
    s, shift = cameras[:, 0], cameras[:, 1:]
    focal = np.array([camera.fx, camera.fy])
    pixels_per_metre = np.maximum(boxes.sides * s, 1e-6) / 2
    depth = camera.fx / pixels_per_metre
    off_axis = (boxes.centres - 0.5 - (camera.cx, camera.cy)) / pixels_per_metre[:, None]
    return np.column_stack([(shift + off_axis) * (camera.fx / focal), depth]).astype(np.float32)
