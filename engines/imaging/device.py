"""A picture in PyTorch's memory, a GPU's as a rule: what `host` does with OpenCV, for all squares in one call.

The results differ from the host's by the rounding of its fixed-point arithmetic, a grey level or two.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pymafx_live.core.arrays import Reals
from pymafx_live.engines.imaging.picture import at_level, halved, levels
from torch import Tensor
from torch.nn import functional

UNIT = float(np.float32(1 / 255))


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

    def warp(self, maps: Reals, size: int, antialias: bool = False) -> Tensor:
        """See `Picture.warp`: one sampling for all squares that are read at the same level."""
        depths = levels(maps) if antialias else np.zeros(len(maps), np.intp)
        out = torch.empty((len(maps), 3, size, size), dtype=torch.float32, device=self.planes.device)
        for level, planes in enumerate(self._pyramid(int(depths.max(initial=0)))):
            (rows,) = np.nonzero(depths == level)
            if len(rows) == len(maps) > 0:
                out = _sample(planes, maps if not level else at_level(maps, level), size)
            elif len(rows):
                out.index_copy_(0, sent(rows, planes.device), _sample(planes, at_level(maps[rows], level), size))
        bytes_ = torch.empty((len(maps), size, size, 3), dtype=torch.uint8, device=self.planes.device)
        return bytes_.copy_(out.round_().flip(1).permute(0, 2, 3, 1))

    def unit_rgb(self, maps: Reals, size: int) -> Tensor:
        """See `Picture.unit_rgb`."""
        # to grey levels, as the host's bytes are: without, a hand's landmarks move by up to two pixels
        return _sample(self.planes, maps, size).round_().mul_(UNIT).permute(0, 2, 3, 1)

    def scaled(self, height: int, width: int) -> Tensor:
        """All of it, bilinearly scaled, as float32 RGB planes (3, `height`, `width`) in 0..1."""
        whole = functional.interpolate(self.planes, (height, width), mode="bilinear", align_corners=False)
        return whole[0].round_().mul_(UNIT)

    def _pyramid(self, deepest: int) -> Iterator[Tensor]:
        """The planes, then those of the picture halved once, twice, up to `deepest` times."""
        planes = self.planes
        yield planes
        for _ in range(deepest):
            planes = _halve(_halve(planes).transpose(2, 3)).transpose(2, 3)
            yield planes


def sent(array: NDArray[Any], device: torch.device) -> Tensor:
    """A copy on the device, for work on the current stream; the processor does not wait for it."""
    source = torch.from_numpy(array)
    if device.type == "cpu":
        return source
    # PyTorch keeps pinned memory and gives it out again, once it is free and the copies out of it are done
    pinned = torch.empty(source.shape, dtype=source.dtype, pin_memory=True)
    return pinned.copy_(source).to(device, non_blocking=True)


def moved(points: Tensor, maps: Reals) -> Tensor:
    """Points (N, K, 2) where `maps` (N, 2, 3) take them."""
    affine = sent(np.asarray(maps, np.float32), points.device)
    return torch.baddbmm(affine[:, None, :, 2], points, affine[:, :, :2].transpose(1, 2))


def as_planes(pixels: Tensor) -> Tensor:
    """Pixels (H, W, 3) of uint8 BGR as float32 RGB planes (1, 3, H, W) in 0..255, which is what samplers read."""
    return pixels.flip(2).permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format)


def _sample(planes: Tensor, maps: Reals, size: int) -> Tensor:
    """The squares (N, 3, `size`, `size`), not yet whole numbers, that `maps` (N, 2, 3) show of planes (1, 3, H, W)."""
    height, width = planes.shape[2:]
    # grid_sample counts from -1 to 1 between the outer edges of the picture's pixels
    scale = np.array([[2 / width], [2 / height]])
    unit = maps * scale
    unit[..., 2] += scale[:, 0] / 2 - 1
    grid = torch.matmul(_pixels(size, planes.device), sent(unit.astype(np.float32), planes.device).transpose(1, 2))
    # as one tall picture, whose source need not be repeated for every square
    tall = functional.grid_sample(planes, grid.view(1, -1, size, 2), align_corners=False)
    return tall.view(3, len(maps), size, size).transpose(0, 1)


@cache
def _pixels(size: int, device: torch.device) -> Tensor:
    """All pixels of a square as x, y, 1 (`size` * `size`, 3), row by row."""
    y, x = np.mgrid[:size, :size].reshape(2, -1).astype(np.float32)
    return torch.from_numpy(np.stack([x, y, np.ones_like(x)], 1)).to(device)  # waits: all streams may use it


def _halve(planes: Tensor) -> Tensor:
    """Planes (1, 3, H, W) at half their height; a row of the result is the mean of all that it covers, in part too."""
    height = planes.shape[2]
    half = halved(height)
    if height == 2 * half:
        return functional.avg_pool2d(planes, (2, 1))
    edges = torch.arange(half + 1, dtype=torch.float32, device=planes.device)[:, None] * (height / half)
    below = torch.arange(height, dtype=torch.float32, device=planes.device)
    covered = torch.minimum(edges[1:], below + 1) - torch.maximum(edges[:-1], below)
    return (covered.clamp_min(0) * (half / height)) @ planes
