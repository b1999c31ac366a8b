"""A picture in PyTorch's memory, a GPU's as a rule: what `host` does with OpenCV, for all squares in one call.

The results differ from the host's by the rounding of its fixed-point arithmetic, a grey level or two.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pymafx_live.core.arrays import Indices, Mask, Reals
from pymafx_live.engines.imaging.picture import at_level, halved, levels
from pymafx_live.engines.runtime.interface import Deferred
from torch import Tensor
from torch.nn import functional

HALF = 0.5
"""What grey levels in planes have too much, so that those between them are rounded where they are cut off."""


class Squares(Deferred):
    """N squares of uint8 BGR (N, `size`, `size`, 3), which are still as samplers left them."""

    dtype = "uint8"

    def __init__(self, blocks: list[Tensor], place: Indices, size: int, device: torch.device) -> None:
        """`place` (N, 2) says which block each is in, and where; blocks are planes (3, M, S, S) as `as_planes` makes
        them, of which the first `size` rows and columns count."""
        self._blocks, self._place, self._size, self.device = blocks, place, size, device

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """See `Deferred.shape`."""
        return len(self._place), self._size, self._size, 3

    def __len__(self) -> int:
        return len(self._place)

    def __getitem__(self, rows: slice | Mask | NDArray[np.intp]) -> "Squares":
        return Squares(self._blocks, self._place[rows], self._size, self.device)

    def write(self, target: Tensor) -> None:
        """See `Deferred.write`: at once what lies side by side, which is all for one picture and level."""
        ends = np.nonzero((np.diff(self._place, axis=0) != (0, 1)).any(1))[0] + 1
        for rows in np.split(np.arange(len(self)), ends) if len(self) else ():
            block, first = self._place[rows[0]]
            planes = self._blocks[block][:, first : first + len(rows), : self._size, : self._size]
            target[rows[0] : rows[-1] + 1].copy_(planes.permute(1, 2, 3, 0))

    def shrunk(self, size: int) -> "Squares":
        """Their upper left corners, of `size` pixels."""
        return Squares(self._blocks, self._place, size, self.device)

    @staticmethod
    def together(cuts: "Mapping[int, Squares]", index: NDArray[np.intp]) -> "Squares":
        """Those of several pictures as one batch, in the order of `index` (N,), which says whose each is."""
        place, blocks = np.empty((len(index), 2), np.intp), list[Tensor]()
        for k, cut in cuts.items():
            place[index == k] = cut._place + (len(blocks), 0)
            blocks += cut._blocks
        return Squares(blocks, place, cut._size, cut.device)


class Replaced(Deferred):
    """Known values of the host, some of whose rows are replaced by what lies on a GPU."""

    def __init__(self, known: NDArray[Any], where: Tensor, found: Tensor) -> None:
        """`found` (M, ...) stands for the rows `where` (M,) of `known`, where its axes before those are one."""
        self._known, self._where, self._found = known, where, found
        self.dtype, self.device = known.dtype.name, found.device

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Deferred.shape`."""
        return self._known.shape

    def __getitem__(self, rows: slice) -> "Replaced | Tensor":
        return self if rows.indices(len(self._known)) == (0, len(self._known), 1) else self.made()[rows]

    def write(self, target: Tensor) -> None:
        """See `Deferred.write`."""
        source = torch.from_numpy(self._known)
        target.copy_(pinned(source) if target.is_cuda else source, non_blocking=True)
        target.view(-1, *self._found.shape[1:]).index_copy_(0, self._where, self._found)


class DevicePicture:
    """See `Picture`. It holds nothing that changes, so that threads and streams may share it."""

    def __init__(self, planes: Tensor) -> None:
        """`planes` is what `as_planes` makes of the pixels."""
        self.planes = planes

    @property
    def shape(self) -> tuple[int, int]:
        """See `Picture.shape`."""
        height, width = self.planes.shape[2:]
        return height, width

    def warp(self, maps: Reals, size: int, antialias: bool = False) -> Squares:
        """See `Picture.warp`: one sampling for all squares that are read at the same level."""
        device = self.planes.device
        depths = levels(maps) if antialias else np.zeros(len(maps), np.intp)
        place, pictures, unit = np.empty((len(maps), 2), np.intp), list[tuple[Tensor, int]](), list[Reals]()
        planes = self.planes
        for level in range(int(depths.max(initial=-1)) + 1):
            planes = _halve(planes) if level else planes
            (rows,) = np.nonzero(depths == level)
            if len(rows):
                place[rows, 0], place[rows, 1] = len(pictures), np.arange(len(rows))
                pictures.append((planes, len(rows)))
                unit.append(_unit(at_level(maps[rows], level), planes))
        if not pictures:
            return Squares([], place, size, device)
        points = torch.matmul(_pixels(size, device), sent(np.concatenate(unit), device).transpose(1, 2))
        grids = points.split([count for _, count in pictures])
        blocks = [_sample(planes, grid, size) for (planes, _), grid in zip(pictures, grids, strict=True)]
        return Squares(blocks, place, size, device)

    def at(self, points: Tensor) -> Tensor:
        """The picture at `points` (h, w, 2), which count as in `_unit`: float32 BGR (3, h, w) in 0..255 and `HALF`, and
        0 where there is no picture."""
        return functional.grid_sample(self.planes, points[None], align_corners=False)[0]


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy on the device, for work on the current stream; the processor does not wait for it."""
    source = torch.from_numpy(array)
    return source if device.type == "cpu" else pinned(source).to(device, non_blocking=True)


def pinned(source: Tensor) -> Tensor:
    """A copy on the host that can be sent to a GPU without waiting, and then be let go of."""
    # PyTorch keeps pinned memory and gives it out again, once it is free and the copies out of it are done
    return torch.empty(source.shape, dtype=source.dtype, pin_memory=True).copy_(source)


def as_planes(pixels: Tensor) -> Tensor:
    """Pixels (H, W, 3) of uint8 BGR as float32 planes (1, 3, H, W) for samplers, in 0..255 and `HALF`."""
    planes = torch.empty((1, 3, *pixels.shape[:2]), dtype=torch.float32, device=pixels.device)
    return torch.add(pixels.permute(2, 0, 1)[None], HALF, out=planes)


def _unit(maps: Reals, planes: Tensor) -> NDArray[np.float32]:
    """The same maps (N, 2, 3), to where `grid_sample` wants them: from -1 to 1 between the planes' outer edges."""
    height, width = planes.shape[2:]
    scale = np.array([[2 / width], [2 / height]])
    unit: NDArray[Any] = maps * scale
    unit[..., 2] += scale[:, 0] / 2 - 1
    return unit.astype(np.float32)


def _sample(planes: Tensor, points: Tensor, size: int) -> Tensor:
    """What planes (1, 3, H, W) show at `points` (N, `size` * `size`, 2), (3, N, `size`, `size`)."""
    # as one tall picture, whose source need not be repeated for every square
    tall = functional.grid_sample(planes, points.view(1, -1, size, 2), align_corners=False)
    return tall.view(3, len(points), size, size)


@cache
def _pixels(size: int, device: torch.device) -> Tensor:
    """All pixels of a square as x, y, 1 (`size` * `size`, 3), row by row."""
    y, x = np.mgrid[:size, :size].reshape(2, -1).astype(np.float32)
    return torch.from_numpy(np.stack([x, y, np.ones_like(x)], 1)).to(device)  # waits: all streams may use it


def _halve(planes: Tensor) -> Tensor:
    """Planes (1, 3, H, W) of half the height and width; a pixel is the mean of all that it covers, in part too."""
    if planes.shape[2] % 2 == planes.shape[3] % 2 == 0:
        return functional.avg_pool2d(planes, 2)
    return _flatter(_flatter(planes).transpose(2, 3)).transpose(2, 3)


def _flatter(planes: Tensor) -> Tensor:
    """Planes (1, 3, H, W) of half the height."""
    height = planes.shape[2]
    half = halved(height)
    if height == 2 * half:
        return functional.avg_pool2d(planes, (2, 1))
    edges = torch.arange(half + 1, dtype=torch.float32, device=planes.device)[:, None] * (height / half)
    below = torch.arange(height, dtype=torch.float32, device=planes.device)
    covered = torch.minimum(edges[1:], below + 1) - torch.maximum(edges[:-1], below)
    return (covered.clamp_min(0) * (half / height)) @ planes
