"""The letterbox in PyTorch's memory: for pictures and networks on a GPU."""

import numpy as np
import torch
from pymafx_live.engines.detectors.letterbox import GREY, UNIT, Letterbox
from pymafx_live.engines.imaging import Picture
from pymafx_live.engines.imaging.device import DevicePicture
from torch import Tensor


class DeviceLetterbox(Letterbox):
    """See `Letterbox`."""

    def __init__(self, device: str, image: tuple[int, int], size: tuple[int, int], stride: int | None) -> None:
        self._device = device
        super().__init__(image, size, stride)

    def rows(self, count: int, dtype: type[np.floating]) -> Tensor:
        """See `Letterbox.rows`."""
        kind = getattr(torch, np.dtype(dtype).name)
        return torch.zeros((count, 3, self.fit.height, self.fit.width), dtype=kind, device=self._device)

    def fill(self, row: Tensor, picture: Picture) -> None:
        """See `Letterbox.fill`."""
        assert isinstance(picture, DevicePicture)
        self._inner.copy_(picture.scaled(self.fit.inner_height, self.fit.inner_width).permute(1, 2, 0))
        row.copy_(self._canvas.permute(2, 0, 1))

    def _grey(self, canvas: tuple[int, int, int]) -> Tensor:
        height, width, colours = canvas
        return torch.full((colours, height, width), float(GREY * UNIT), device=self._device).permute(1, 2, 0)
