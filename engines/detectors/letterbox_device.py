"""The letterbox in PyTorch's memory: for pictures and networks on a GPU."""

import numpy as np
import torch
from pymafx_live.engines.detectors.letterbox import GREY, UNIT, Letterbox
from torch import Tensor


class DeviceLetterbox(Letterbox):
    """See `Letterbox`."""

    def __init__(
        self,
        device: str,
        image: tuple[int, int],
        size: tuple[int, int],
        stride: int | None,
        batch: int = 1,
        dtype: type[np.float16] | type[np.float32] = np.float32,
    ) -> None:
        self._device = device
        super().__init__(image, size, stride, batch, dtype)

    def _buffers(
        self, canvas: tuple[int, ...], tensor: tuple[int, ...], dtype: type[np.floating]
    ) -> tuple[Tensor, Tensor]:
        kind = getattr(torch, np.dtype(dtype).name)
        return (
            torch.full(canvas, GREY, dtype=torch.uint8, device=self._device),
            torch.zeros(tensor, dtype=kind, device=self._device),
        )

    def _fill(self) -> None:
        self._tensor[0].copy_(self._canvas.flip(2).permute(2, 0, 1).float().mul_(float(UNIT)))
