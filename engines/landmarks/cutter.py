"""Cuts what networks look at out of the frames, where they run; what is known beforehand is cut at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Image, Reals
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions, cut
from pymafx_live.engines.runtime.interface import Array


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Regions of images that a network will be shown, as squares of `size` pixels."""

    images: ImageBatch
    regions: Regions
    size: int

    def is_at(self, other: "Look") -> bool:
        """Whether both are at the same places of the same frames."""
        if self.size != other.size or len(self.regions) != len(other.regions):
            return False
        if any(a is not b for a, b in zip(self.images.images, other.images.images, strict=True)):
            return False
        return all(np.array_equal(a, b) for a, b in zip(self._places(), other._places(), strict=True))

    def _places(self) -> tuple[NDArray[np.generic], ...]:
        return self.images.index, self.regions.centre, self.regions.side, self.regions.angle


class Cutter:
    """Gives squares of uint8 BGR (N, size, size, 3). The networks of one engine share it."""

    def __init__(self, pictures: Pictures) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        self.pictures = pictures
        self._ready: list[tuple[str, Look, Array]] = []

    def begin(self, looks: Sequence[Look], device: str) -> None:
        """Cuts, on a GPU, all that these will show; what was cut before is forgotten."""
        self._ready = []
        if not looks or self.pictures.stay_on_host(device):
            return
        index = np.concatenate([look.images.index for look in looks])
        maps = np.concatenate([look.regions.affine(look.size) for look in looks])
        squares = self._cut(looks[0].images.images, index, maps, max(look.size for look in looks), device)
        ends = np.cumsum([len(look.regions) for look in looks])
        self._ready = [
            (device, look, squares[end - len(look.regions) : end].shrunk(look.size))
            for look, end in zip(looks, ends, strict=True)
        ]

    def __call__(self, images: ImageBatch, regions: Regions, size: int, device: str) -> Array:
        """The N `regions` of the images for a network on `device`, black outside of them."""
        look = Look(images, regions, size)
        for where, ready, squares in self._ready:
            if where == device and ready.is_at(look):
                return squares
        return self._cut(images.images, images.index, regions.affine(size), size, device)

    def _cut(self, images: Sequence[Image], index: NDArray[np.intp], maps: Reals, size: int, device: str) -> Array:
        shown = np.unique(index).tolist()
        return cut({k: self.pictures.on(images[k], device) for k in shown}, index, maps, size)
