"""Decoding on a device made for it, as far as PyAV is built for one and this machine has it."""

import logging
from functools import cache
from typing import TYPE_CHECKING

from pymafx_live.core.errors import UsageError, first_line

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel
    from av.video.codeccontext import VideoCodecContext

KINDS = ("cuda", "videotoolbox", "d3d11va", "vaapi")
"""What can be asked for, in the order in which `auto` tries it."""
NotDecodedError = RuntimeError
"""What `av.open` raises where the device that is asked for cannot decode what is there."""
NOT_DECODED = "holds a video that the device of --hwaccel cannot decode: take `auto` or `none`"
_CODEC = "h264"
"""What every such device decodes: with it is tried whether there is one."""

logger = logging.getLogger(__name__)


def accelerator(wanted: str) -> "HWAccel | None":
    """What `av.open` is given as `hwaccel` for the setting `source.hwaccel`; None: the processor decodes.

    With `auto` that is the first device that there is, and what it cannot decode the processor does.

    Raises:
        UsageError: a device is wanted by name that is not there.
    """
    if wanted == "none":
        return None
    from av.codec.hwaccel import HWAccel

    if wanted == "auto":
        kind = next((kind for kind in KINDS if not _missing(kind)), None)
        if kind is None:
            _say_none()
            return None
        return HWAccel(kind, allow_software_fallback=True)
    if why := _missing(wanted):
        raise UsageError(
            f"--hwaccel {wanted} cannot be had here ({why}): take `auto`, which uses what there is, or `none`"
        )
    return HWAccel(wanted, allow_software_fallback=False)


def tell_decoder(hwaccel: "HWAccel | None", coding: "VideoCodecContext", name: str) -> None:
    """Says once where a device was asked for, and the processor decodes the source `name`."""
    if hwaccel is not None and not coding.is_hwaccel:
        _say_not(name, coding.name)


@cache
def _say_not(name: str, coding: str) -> None:
    logger.warning("--hwaccel auto: the device does not decode the %s of %s, the processor does it", coding, name)


@cache
def _missing(kind: str) -> str:
    """Why there is no such device, empty where there is one."""
    from av.codec import Codec
    from av.codec.hwaccel import HWAccel, hwdevices_available

    if kind not in hwdevices_available():
        return f"PyAV's FFmpeg is built without it, and has {', '.join(hwdevices_available()) or 'none'}"
    try:
        HWAccel(kind, allow_software_fallback=False).create(Codec(_CODEC, "r"))
    except Exception as error:  # FFmpeg's errors, and PyAV's own
        return f"its device cannot be opened: {first_line(error)}"
    return ""


@cache
def _say_none() -> None:
    reasons = "; ".join(f"{kind}: {_missing(kind)}" for kind in KINDS)
    logger.warning("--hwaccel auto: there is no device to decode on, the processor does it")
    logger.info("what was tried: %s", reasons)
