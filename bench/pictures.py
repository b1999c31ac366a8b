"""Estimates drawn over pictures of real people, to be looked at: a sheet of a file's frames, a film of some files."""

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench import landmarks as marks
from pymafx_live.bench.landmarks import Landmarks
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import FrameResult
from pymafx_live.engines.body.overlay import Overlay

Image = NDArray[np.uint8]

DOT = (255, 255, 255)


class Sheet:
    """Draws every n-th frame of a file, or (0) the first and the last, with MediaPipe's arms as dots, side by side."""

    WIDTH, COLUMNS = 390, 4

    def __init__(self, every: int) -> None:
        self._overlay, self._every = Overlay(), every
        self._tiles: list[Image] = []

    def __call__(self, result: FrameResult, seen: Landmarks, image: Image) -> None:
        """Take in one frame."""
        if self._every and result.sequence % self._every:
            return
        picture = self._overlay.draw(result, image)
        size = max(2, picture.shape[1] // 160)
        for k in np.flatnonzero(marks.shown(seen[marks.ARM_LANDMARKS], result.camera)):
            x, y = seen[marks.ARM_LANDMARKS[k], :2]
            cv2.circle(picture, (round(float(x)), round(float(y))), size, DOT, -1, cv2.LINE_AA)
        tile = _captioned(_resized(picture, self.WIDTH), f"{result.sequence}")
        self._tiles = self._tiles[: None if self._every else 1] + [tile]

    def write(self, file: Path) -> None:
        """Write the sheet; raises `UsageError` where that cannot be done."""
        columns = min(self.COLUMNS, len(self._tiles))
        blank = np.zeros_like(self._tiles[0])
        tiles = self._tiles + [blank] * (-len(self._tiles) % columns)
        rows = [np.hstack(tiles[k : k + columns]) for k in range(0, len(tiles), columns)]
        _write(file, cv2.imencode(".png", np.vstack(rows))[1].tobytes())


class Film:
    """An animation of some files side by side, cut square about the person: the pictures, and below the estimates."""

    WIDTH, EVERY, FPS, QUALITY = 280, 2, 15.0, 80

    def __init__(self) -> None:
        self._overlay = Overlay()
        self._columns: list[list[Image]] = []
        self._centre = 0.0

    def __call__(self, result: FrameResult, seen: Landmarks, image: Image) -> None:
        """Take in one frame; the files' frames come one file after the other."""
        if result.sequence == 0:
            self._columns.append([])
            self._centre = float(marks.box(seen, result.camera)[[0, 2]].mean())
        if result.sequence % self.EVERY == 0:
            drawn = self._overlay.draw(result, image)
            above, below = (_resized(_square(picture, self._centre), self.WIDTH) for picture in (image, drawn))
            self._columns[-1].append(np.vstack([above, below]))

    def write(self, file: Path) -> None:
        """Write the film, as long as the shortest file, as an animated WebP; raises `UsageError` where it cannot."""
        animation = cv2.Animation()
        animation.frames = [np.hstack(tiles) for tiles in zip(*self._columns, strict=False)]
        animation.durations = [round(1000 / self.FPS)] * len(animation.frames)
        with suppress(cv2.error, OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            if cv2.imwriteanimation(str(file), animation, [cv2.IMWRITE_WEBP_QUALITY, self.QUALITY]):
                return
        raise UsageError(f"the film cannot be written to {file}: name another file that ends in .webp.")


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    except OSError as error:
        raise UsageError(f"the picture cannot be written to {file} ({error}): name another place.") from error


def _square(picture: Image, centre: float) -> Image:
    """As broad a part of a picture as it is high (at most all of it), about the column `centre` if there is one."""
    height, width = picture.shape[:2]
    room = max(width - height, 0)
    left = int(np.clip(np.nan_to_num(centre, nan=width / 2) - height / 2, 0, room))
    return picture[:width, left : left + height]


def _resized(picture: Image, width: int) -> Image:
    height = round(picture.shape[0] * width / picture.shape[1])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _captioned(tile: Image, caption: str) -> Image:
    cv2.putText(tile, caption, (4, len(tile) - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 255, 255), 1, cv2.LINE_AA)
    return tile
