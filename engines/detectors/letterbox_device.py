"""The letterbox in PyTorch's memory: for pictures and networks on a GPU."""

import numpy as np
import torch
from pymafx_live.engines.detectors.letterbox import GREY, UNIT, Letterbox
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

    def _grey(self, canvas: tuple[int, int, int]) -> Tensor:
        return torch.full(canvas, GREY, dtype=torch.uint8, device=self._device)

    def _write(self, row: Tensor) -> None:
        row.copy_(self._canvas.flip(2).permute(2, 0, 1).float().mul_(float(UNIT)))
