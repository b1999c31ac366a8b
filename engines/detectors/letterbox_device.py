"""The letterbox in PyTorch's memory: for pictures and networks on a GPU."""

import numpy as np
import torch
from numpy.typing import NDArray
from pymafx_live.engines.detectors.letterbox import GREY, UNIT, Letterbox
from pymafx_live.engines.imaging import Picture
from pymafx_live.engines.imaging.device import HALF, DevicePicture
from pymafx_live.engines.runtime.interface import Deferred
from torch import Tensor

OUTSIDE = -3
"""Where no picture is, in `grid_sample`'s units."""


class Canvases(Deferred):
    """A network's input (N, 3, h, w) of what letterboxes show; rows that none was filled with are left as they are."""

    def __init__(self, shape: tuple[int, ...], dtype: type[np.floating], device: str) -> None:
        self._shape, self.dtype, self.device = shape, np.dtype(dtype).name, torch.device(device)
        self._rows: dict[int, tuple[Tensor, Tensor]] = {}

    @property
    def shape(self) -> tuple[int, ...]:
        """See `Deferred.shape`."""
        return self._shape

    def __getitem__(self, rows: slice) -> Tensor:
        return self.made()[rows]

    def fill(self, k: int, canvas: Tensor, levels: Tensor) -> None:
        """Row `k` will be grey `levels` (3, h, w) of 0..255, brought to 0..1, and added to `canvas` (h, w)."""
        self._rows[k] = canvas, levels

    def write(self, target: Tensor) -> None:
        """See `Deferred.write`."""
        for k, (canvas, levels) in self._rows.items():
            torch.add(canvas, levels, alpha=float(UNIT), out=target[k])


class DeviceLetterbox(Letterbox):
    """See `Letterbox`. Pixels need not be grey levels here."""

    def __init__(self, device: str, image: tuple[int, int], size: tuple[int, int], stride: int | None) -> None:
        self._device = device
        super().__init__(image, size, stride)
        f = self.fit
        y = _positions(image[0], f.height, f.top, f.inner_height)
        x = _positions(image[1], f.width, f.left, f.inner_width)
        points = torch.from_numpy(np.stack(np.meshgrid(x, y), -1).astype(np.float32))
        self._points = points.to(device)  # (h, w, 2)
        self._inner.fill_(-HALF * UNIT)

    def rows(self, count: int, dtype: type[np.floating]) -> Canvases:
        """See `Letterbox.rows`."""
        return Canvases((count, 3, self.fit.height, self.fit.width), dtype, self._device)

    def fill(self, rows: Canvases, k: int, picture: Picture) -> None:
        """See `Letterbox.fill`."""
        assert isinstance(picture, DevicePicture)
        rows.fill(k, self._canvas, picture.at(self._points).flip(0))

    def _grey(self, canvas: tuple[int, int, int]) -> Tensor:
        return torch.full(canvas[:2], float(GREY * UNIT), device=self._device)


def _positions(length: int, canvas: int, start: int, inner: int) -> NDArray[np.float64]:
    """Where each of `canvas` pixels is in a side of `length` that is scaled to `inner` from `start` on."""
    place = np.arange(canvas) - start
    pixel = np.clip((place + 0.5) * (length / inner) - 0.5, 0, length - 1)
    return np.where((place >= 0) & (place < inner), (2 * pixel + 1) / length - 1, OUTSIDE)
