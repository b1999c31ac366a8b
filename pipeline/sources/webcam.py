"""Webcams and other video devices, through OpenCV."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin
from pymafx_live.pipeline.sources.reader import RefusedError, Shot


class WebcamReader:
    """Reads a device, given by its number or path, at whatever size and rate its driver chooses."""

    live = True
    paced = False
    endless = True
    count = 0
    files: Sequence[Path] = ()

    def __init__(self, device: str, name: str = "", *, timeout: float) -> None:
        self.name = name or (f"camera{device}" if device.isdecimal() else Path(device).name)
        self.timeout = timeout
        self._device = device
        self._capture: cv2.VideoCapture | None = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """See `Reader.of`."""
        return cls(settings.uri, settings.name, timeout=settings.timeout)

    def open(self) -> None:
        """Raises `SourceError` for a device that is not there, is taken, or may not be opened."""
        self._check_node()
        _silence_opencv()
        self._capture = cv2.VideoCapture(
            int(self._device)
            if self._device.isdecimal()
            else str(Path(self._device).resolve())  # a name by-id is a link
        )
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {self._device} cannot be opened: close other programs that use it, or give another --source"
            )

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` once the device stops delivering."""
        assert self._capture is not None
        while True:
            good, image = self._capture.read()
            if not good:
                raise SourceError(f"camera {self._device} has stopped delivering: check its cable")
            now = time.monotonic()
            yield Shot(np.asarray(image, np.uint8), now, now, origin=CaptureOrigin.ARRIVAL)

    def close(self) -> None:
        """Gives the device back."""
        if self._capture is not None:
            self._capture.release()

    def _check_node(self) -> None:
        if sys.platform != "linux":
            return
        node = Path(f"/dev/video{self._device}" if self._device.isdecimal() else self._device)
        if not node.exists():
            there = ", ".join(sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*")))
            raise SourceError(
                f"camera {self._device} is not there (no {node}; cameras here: {there or 'none'}): "
                "plug it in, or give another --source"
            )
        if not os.access(node, os.R_OK | os.W_OK):
            raise RefusedError(f"camera {self._device} may not be opened: join the group of {node}")


def _silence_opencv() -> None:
    """OpenCV would write its own warnings to standard error beside our sentence."""
    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # where OpenCV 5 has it
    set_level(0)
