"""What every kind of source has of its own: a reader, which opens something and reads images from it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin


class RefusedError(SourceError):
    """A source to which asking again would not help: a wrong address or password."""


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One image, (H, W, 3) uint8 BGR, as it was read.

    `time` is in seconds on the reader's own clock. `captured` is when it was taken by `time.monotonic`, as far as
    `origin` says, None where the image waited on a disk until somebody asked for it. `lost` counts the images before it
    that could not be decoded or came too late; `cut` says that it does not continue the one before. `waited` is how
    many seconds its data was waited for.
    """

    image: NDArray[np.uint8]
    time: float
    captured: float | None = None
    lost: int = 0
    cut: bool = False
    origin: CaptureOrigin = CaptureOrigin.FILE
    waited: float = 0.0


def plausible_fps(told: float) -> float:
    """Frames a second as a device or a stream tells them, 0 where that is no rate: drivers and headers say anything."""
    return float(told) if 0 < told <= 1000 else 0.0


def plausible_size(width: float, height: float) -> tuple[int, int] | None:
    """Width and height as a device or a stream tells them, None where those are none."""
    sides = round(width), round(height)
    return sides if all(0 < side < 2**15 for side in sides) else None


class Reader(Protocol):
    """Opens and reads one connection. `open`, `shots` and `close` are called on one thread, in this order, and once."""

    name: str
    """The source's name in messages, without credentials."""
    live: bool
    """Only the newest image matters; otherwise none may be lost."""
    paced: bool
    """The images come from a store, or in bursts, and are to be played at the pace of their times."""
    endless: bool
    """It has no end of its own, as cameras: where it ends, it is lost. Known once it is open, and until then as well
    where it may have to be waited for."""
    timeout: float
    """Seconds that opening may take and that the source may stay silent."""
    count: int
    """How many images there are in all, 0 where nobody knows."""
    nominal_fps: float
    """Images a second that it says that it gives, 0 where it does not say; known once it is open."""
    size: tuple[int, int] | None
    """Width and height that it says that its images have, None where it does not say; known once it is open."""

    files: Sequence[Path]
    """The files that are read, once it is open: no output may be one of them."""

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """The reader of `settings.uri`; raises `UsageError` for settings that do not suit it."""

    def open(self) -> None:
        """Raises `SourceError` where there is nothing to read, `RefusedError` where there never will be."""

    def shots(self) -> Iterator[Shot]:
        """Every image until the end; raises `SourceError` where the source fails for good."""

    def close(self) -> None:
        """Gives back what `open` took."""
