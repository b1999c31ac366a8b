"""Video frames as decoders leave them on a device, in NV12, as the planes that samplers read."""

from typing import Any

import torch
from pymafx_live.engines.imaging.device import HALF
from torch import Tensor
from torch.nn import functional

BT601 = 0.299, 0.114
WEIGHTS = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593)}
"""Kr and Kb of ITU-R BT.709 and BT.2020 by FFmpeg's number (AVColorSpace); what is unknown is taken for BT.601."""
FULL_RANGE = 2
"""FFmpeg's number (AVColorRange) of grey levels from 0 to 255, instead of 16 to 235."""


def planes_of(frame: Any) -> Tensor:
    """A PyAV frame in NV12, on the processor or left on a GPU by `HWAccel("cuda", is_hw_owned=True)`, where it lies.

    See `as_planes`. The decoder must be done with the frame: what it has queued is waited for by nobody. Raises
    `ValueError` for another format, and what PyAV raises where it shares no planes.
    """
    kind = (getattr(frame, "sw_format", None) or frame.format).name  # PyAV 18 has the former
    if kind != "nv12":
        raise ValueError(f"frames are {kind}, not nv12")
    # as capsules: `from_dlpack` of the plane itself names a stream on a GPU, which PyAV refuses
    luma, chroma = (torch.from_dlpack(plane.__dlpack__()) for plane in frame.planes)
    return as_planes(luma, chroma, *WEIGHTS.get(frame.colorspace, BT601), full=frame.color_range == FULL_RANGE)


def as_planes(luma: Tensor, chroma: Tensor, red: float, blue: float, *, full: bool) -> Tensor:
    """Luma (H, W) and chroma (H/2, W/2, 2), uint8, as planes (1, 3, H, W) as `device.as_planes` makes them of pixels.

    `red` and `blue` are the weights Kr and Kb of luma, as in ITU-R BT.601. A chroma sample is that of four pixels, as
    FFmpeg has it where it does not scale; its integers are up to 3 grey levels off.
    """
    y = luma.to(torch.float32)
    u, v = functional.interpolate(chroma.permute(2, 0, 1)[None].to(torch.float32) - 128, y.shape, mode="nearest")[0]
    if not full:
        y, u, v = (y - 16) * (255 / 219), u * (255 / 224), v * (255 / 224)
    r, b = y + 2 * (1 - red) * v, y + 2 * (1 - blue) * u
    g = (y - red * r - blue * b) / (1 - red - blue)
    return torch.stack([b, g, r])[None].round_().clamp_(0, 255).add_(HALF)
