"""Rotated square regions of an image: how networks are shown a person, a hand or a face, and what they answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Image, Indices, Mask, Reals
from pymafx_live.engines.imaging import HostPicture, Picture, unit_rgb
from pymafx_live.engines.runtime.interface import Array


@dataclass(frozen=True, slots=True)
class Regions:
    """`N` squares: `centre` (N, 2) and `side` (N,) in pixels, `angle` (N,) in radians, clockwise on screen."""

    centre: Reals
    side: Reals
    angle: Reals

    def __len__(self) -> int:
        return len(self.side)

    def __getitem__(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> "Regions":
        return Regions(self.centre[index], self.side[index], self.angle[index])

    def shifted(self, right: float, down: float) -> "Regions":
        """Moved along their own axes by fractions of their side."""
        c, s = np.cos(self.angle), np.sin(self.angle)
        offset = np.stack([c * right - s * down, s * right + c * down], -1) * self.side[:, None]
        return Regions(self.centre + offset, self.side, self.angle)

    def affine(self, size: int) -> Reals:
        """The maps from a crop of `size` pixels to the image, (N, 2, 3)."""
        c, s = np.cos(self.angle) * self.side / size, np.sin(self.angle) * self.side / size
        maps = np.empty((len(self), 2, 3), np.float32)
        maps[:, 0, 0] = maps[:, 1, 1] = c
        maps[:, 0, 1], maps[:, 1, 0] = -s, s
        maps[:, 0, 2] = self.centre[:, 0] - (c - s) * (size / 2)
        maps[:, 1, 2] = self.centre[:, 1] - (s + c) * (size / 2)
        return maps


def concatenate(regions: list[Regions]) -> Regions:
    """All regions in one batch."""
    return Regions(
        np.concatenate([r.centre for r in regions]),
        np.concatenate([r.side for r in regions]),
        np.concatenate([r.angle for r in regions]),
    )


@dataclass(frozen=True, slots=True, eq=False)
class ImageBatch:
    """Images (H, W, 3) BGR, one per camera, and which of them each of N people or regions is in, `index` (N,)."""

    images: Sequence[Image]
    index: NDArray[np.intp]

    @classmethod
    def single(cls, image: Image, count: int) -> "ImageBatch":
        """One image, in which all `count` are."""
        return cls([image], np.zeros(count, np.intp))

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, rows: NDArray[np.intp] | Mask) -> "ImageBatch":
        return ImageBatch(self.images, self.index[rows])

    @property
    def sizes(self) -> Indices:
        """Width and height of the image of each, (N, 2)."""
        sizes = [(image.shape[1], image.shape[0]) for image in self.images]
        return np.array(sizes, np.int64).reshape(-1, 2)[self.index]

    def groups(self) -> list[NDArray[np.intp]]:
        """The rows of each image in which somebody is: who is compared with others is so within an image."""
        return [np.nonzero(self.index == k)[0] for k in np.unique(self.index)]


def crop(images: ImageBatch, regions: Regions, size: int, hidden: Mask | None = None) -> NDArray[np.float32]:
    """Cuts the N `regions` out of their images, black outside these: (N, size, size, 3) RGB in 0..1.

    What is `hidden` (N, cells, cells), in cells that divide the squares evenly, is black too.
    """
    shown = np.unique(images.index).tolist()
    squares = unit_rgb(cut({k: HostPicture(images.images[k]) for k in shown}, images.index, regions.affine(size), size))
    if hidden is None:
        return squares
    times = size // hidden.shape[1]
    return np.multiply(squares, ~hidden.repeat(times, 1).repeat(times, 2)[..., None], out=squares)


def cut(pictures: Mapping[int, Picture], index: NDArray[np.intp], maps: Reals, size: int) -> Array:
    """The squares that `maps` (N, 2, 3) show of `pictures`, where these lie, as `Picture.warp` gives them.

    `index` (N,) says which picture each is cut from.
    """
    return together({k: picture.warp(maps[index == k], size) for k, picture in pictures.items()}, index)


def together(cuts: Mapping[int, Array], index: NDArray[np.intp]) -> Array:
    """Rows that were made by the picture as one batch, in the order of `index` (N,), which says whose each is."""
    first = next(iter(cuts.values()))
    if len(cuts) == 1:
        return first
    if not isinstance(first, np.ndarray):
        return first.together(cuts, index)
    batch = np.empty((len(index), *first.shape[1:]), first.dtype)
    for k, squares in cuts.items():
        batch[np.nonzero(index == k)[0]] = squares
    return batch


def to_image(points: Reals, regions: Regions, size: int) -> Reals:
    """Points (N, K, 2) of crops of `size` pixels, in the image's pixels."""
    affine = regions.affine(size)
    return (points @ affine[:, :, :2].transpose(0, 2, 1) + affine[:, None, :, 2]).astype(np.float32)


def turn(world: Reals, regions: Regions) -> Reals:
    """World points (N, K, 3) as a rotated crop shows them, turned upright as the image shows them."""
    c, s = np.cos(regions.angle)[:, None], np.sin(regions.angle)[:, None]
    x, y, z = world[..., 0], world[..., 1], world[..., 2]
    return np.stack([x * c - y * s, x * s + y * c, z], -1).astype(np.float32)


def from_box(boxes: Reals, margin: float) -> Regions:
    """The upright squares about boxes (N, 4), larger than their long sides by the factor `margin`."""
    size = boxes[:, 2:] - boxes[:, :2]
    return Regions((boxes[:, :2] + boxes[:, 2:]) / 2, margin * size.max(1), np.zeros(len(boxes), np.float32))


def body_from_landmarks(xy: Reals) -> Regions:
    """The next frame's person regions from the auxiliary points 33 (centre) and 34 (top) of (N, 39, 2)."""
    up = xy[:, 34] - xy[:, 33]
    return Regions(xy[:, 33], 2.5 * np.hypot(up[:, 0], up[:, 1]), np.arctan2(up[:, 1], up[:, 0]) + np.pi / 2)


def height(xy: Reals) -> Reals:
    """About how tall bodies (N, 39, 2) are, in pixels (N,)."""
    return np.asarray(2.5 * np.linalg.norm(xy[:, 34] - xy[:, 33], axis=1))


def hand_from_forearm(xy: Reals, arms: NDArray[np.intp]) -> Regions:
    """Hand regions beyond the wrist along the forearm, for bodies (N, 39, 2) and the arms' landmarks (N, 5).

    As large as the forearm, or as a part of the person where the forearm is foreshortened. On rendered hands
    the hand network finds them better from here than from the knuckles (10 % against 72 % misplaced).
    """
    each = np.arange(len(xy))
    elbow, wrist = xy[each, arms[:, 1]], xy[each, arms[:, 2]]
    forearm = wrist - elbow
    side = np.maximum(np.hypot(forearm[:, 0], forearm[:, 1]), 0.12 * height(xy))
    return Regions(wrist + 0.3 * forearm, side, np.arctan2(forearm[:, 1], forearm[:, 0]) + np.pi / 2)


def hand_from_knuckles(xy: Reals, arms: NDArray[np.intp]) -> Regions:
    """Rough hand regions from the body's wrist and knuckles, as MediaPipe Holistic guesses them; see above."""
    each = np.arange(len(xy))
    wrist, index, pinky = (xy[each, arms[:, k]] for k in (2, 3, 4))
    knuckles = (2 * index + pinky) / 3
    up = knuckles - wrist
    side = np.maximum(5.4 * np.hypot(up[:, 0], up[:, 1]), 8)
    return Regions(knuckles, side, np.arctan2(up[:, 1], up[:, 0]) + np.pi / 2)


_PALM = np.array([0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18])


def hand_from_landmarks(xy: Reals) -> Regions:
    """The next frame's hand regions from the landmarks (N, 21, 2): about the palm, upright along it."""
    target = (xy[:, 6] + xy[:, 14]) / 4 + xy[:, 10] / 2
    up = target - xy[:, 0]
    angle = np.arctan2(up[:, 1], up[:, 0]) + np.pi / 2
    centre, size = _rotated_box(xy[:, _PALM], angle)
    return Regions(centre, 2.0 * size.max(1), angle).shifted(0, -0.1)


def face_from_body(xy: Reals) -> Regions:
    """Face regions from the body's eyes, ears and mouth (N, 39, 2)."""
    eyes, mouth = (xy[:, 2] + xy[:, 5]) / 2, (xy[:, 9] + xy[:, 10]) / 2
    across = xy[:, 2] - xy[:, 5]
    width = np.linalg.norm(xy[:, 7] - xy[:, 8], axis=1)
    height = 2.2 * np.linalg.norm(eyes - mouth, axis=1)
    return Regions((eyes + mouth) / 2, 1.4 * np.maximum(width, height), np.arctan2(across[:, 1], across[:, 0]))


def face_from_landmarks(xy: Reals) -> Regions:
    """The next frame's face regions from the mesh (N, 478, 2), upright along its outer eye corners."""
    across = xy[:, 263] - xy[:, 33]
    angle = np.arctan2(across[:, 1], across[:, 0])
    centre, size = _rotated_box(xy, angle)
    return Regions(centre, 1.5 * size.max(1), angle)


def _rotated_box(xy: Reals, angle: Reals) -> tuple[Reals, Reals]:
    """Centres (N, 2) and sizes (N, 2) of the tight boxes about points (N, K, 2) in axes turned by `angle`."""
    c, s = np.cos(angle), np.sin(angle)
    axes = np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)
    local = xy @ axes
    low, high = local.min(1), local.max(1)
    return (axes @ ((low + high) / 2)[..., None])[..., 0].astype(np.float32), (high - low).astype(np.float32)
