"""Webcams and other video devices, through OpenCV."""

import logging
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin
from pymafx_live.pipeline.sources import devices
from pymafx_live.pipeline.sources.reader import RefusedError, Shot, plausible_fps, plausible_size

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a camera is asked for: its size in pixels, frames per second, and milliseconds of exposure."""

    size: tuple[int, int] | None = None
    fps: float | None = None
    exposure: float | None = None


class WebcamReader:
    """Reads a device, given by its number or path, in the mode that was wished, or else its driver's.

    One that was there before is found again by its name, whatever its number is then.
    """

    live = True
    paced = False
    endless = True
    count = 0
    nominal_fps = 0.0
    size: tuple[int, int] | None = None
    files: Sequence[Path] = ()
    root = devices.ROOT
    make: ClassVar[Any] = cv2.VideoCapture
    _known: ClassVar[dict[str, tuple[str, str]]] = {}
    """Of each device that was opened, its link by-id and its name."""

    def __init__(self, device: str, name: str = "", *, timeout: float, wish: Wish = Wish()) -> None:
        self.name = name or (f"camera{device}" if device.isdecimal() else Path(device).name)
        self.timeout = timeout
        self._device, self._wish = device, wish
        self._capture: Any = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """See `Reader.of`."""
        width, _, height = (settings.webcam_size or "").partition("x")
        size = (int(width), int(height)) if width else None
        wish = Wish(size, settings.webcam_fps, settings.webcam_exposure)
        return cls(settings.uri.removeprefix("webcam:"), settings.name, timeout=settings.timeout, wish=wish)

    def open(self) -> None:
        """Raises `SourceError` for a device that is not there, is taken, or may not be opened."""
        device = self._found()
        devices.silence_opencv()
        self._capture = type(self).make(device)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {self._device} cannot be opened: close other programs that use it, or give another --source"
            )
        self._ask(self._capture)
        self.nominal_fps = plausible_fps(self._capture.get(cv2.CAP_PROP_FPS))
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        self.size = plausible_size(*(self._capture.get(side) for side in sides))

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` once the device stops delivering."""
        first = True
        while True:
            good, image = self._capture.read()
            if not good:
                raise SourceError(f"camera {self._device} has stopped delivering: check its cable")
            now = time.monotonic()
            if first:
                self._compare(image)
                first = False
            yield Shot(np.asarray(image, np.uint8), now, now, origin=CaptureOrigin.ARRIVAL)

    def close(self) -> None:
        """Gives the device back."""
        if self._capture is not None:
            self._capture.release()

    def _ask(self, capture: Any) -> None:
        """Sets what was wished. Large pictures are as fast as that over USB only as JPEGs, so these are asked for."""
        wish = self._wish
        if wish.size or wish.fps:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if wish.size:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, wish.size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wish.size[1])
        if wish.fps:
            capture.set(cv2.CAP_PROP_FPS, wish.fps)
        if wish.exposure is not None and not _expose(capture, wish.exposure):
            logger.warning("camera %s does not let its exposure be set: it stays as the driver has it", self._device)

    def _compare(self, image: Any) -> None:
        """Says where a camera gives something else than was wished: drivers take the nearest without a word."""
        height, width = image.shape[:2]
        rate, wish = self._capture.get(cv2.CAP_PROP_FPS), self._wish
        other = []
        if wish.size and wish.size != (width, height):
            other.append(f"{width}x{height} instead of {wish.size[0]}x{wish.size[1]}")
        if wish.fps and rate > 0 and abs(rate - wish.fps) > 0.5:
            other.append(f"{rate:g} instead of {wish.fps:g} frames per second")
        if other:
            logger.warning(
                "camera %s gives %s: `pymafx-live cameras` lists what it can do", self._device, " and ".join(other)
            )

    def _found(self) -> int | str:
        """What OpenCV opens; raises `SourceError` where the device is not there, or may not be opened."""
        if sys.platform != "linux":
            return int(self._device) if self._device.isdecimal() else self._device
        node = self.root / f"dev/video{self._device}" if self._device.isdecimal() else Path(self._device)
        node = self._moved(node)
        if not node.exists():
            there = ", ".join(sorted(path.name.removeprefix("video") for path in (self.root / "dev").glob("video*")))
            raise SourceError(
                f"camera {self._device} is not there (no {node}; cameras here: {there or 'none'}): "
                "plug it in, or give another --source"
            )
        if not os.access(node, os.R_OK | os.W_OK):
            raise RefusedError(f"camera {self._device} may not be opened: join the group of {node}")
        self._known[self._device] = devices.named(node, self.root)
        node = node.resolve()  # a name by-id is a link
        number = re.fullmatch(r"video(\d+)", node.name)
        return int(number[1]) if number else str(node)

    def _moved(self, node: Path) -> Path:
        """Where a device is that was there before: at its node, or at the one that it has since it was plugged in."""
        known = self._known.get(self._device, ("", ""))
        if not any(known) or (node.exists() and devices.named(node, self.root) == known):
            return node
        nodes = sorted((self.root / "dev").glob("video*"))
        alike = [entry for entry in nodes if devices.named(entry, self.root) == known]
        if len(alike) != 1:
            return node
        logger.warning("camera %s is %s now", self._device, alike[0])
        return alike[0]


def _expose(capture: Any, milliseconds: float) -> bool:
    """Sets an exposure in the units of the system's drivers; whether it was taken."""
    if sys.platform == "win32":  # powers of two of a second; 0.25 is "by hand"
        manual, value = 0.25, round(math.log2(milliseconds / 1000))
    else:  # V4L2: 100 microseconds; 1 is "by hand" (V4L2_EXPOSURE_MANUAL)
        manual, value = 1, round(10 * milliseconds)
    capture.set(cv2.CAP_PROP_AUTO_EXPOSURE, manual)
    return bool(capture.set(cv2.CAP_PROP_EXPOSURE, value))
