"""Writes pictures as image files: one file, or a folder with one file per frame."""

from pathlib import Path

import cv2
from pymafx_live.core.arrays import Image
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import FrameResult
from pymafx_live.pipeline.writing import writing

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


class PictureFileSink:
    """A single picture in a file that the user named; raises `UsageError` when there are more."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._written = False
        _make_folder(file.parent)

    def show(self, image: Image, result: FrameResult) -> None:
        """Writes the picture."""
        if self._written:
            raise UsageError(
                f"the source has more than one frame and --save {self._file} holds one picture: give a folder "
                "or an .mp4"
            )
        _write(self._file, image)
        self._written = True

    def close(self) -> None:
        """Nothing is held open."""


class PictureFolderSink:
    """A folder of pictures, named by their frames' sequence numbers."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        _make_folder(folder)

    def show(self, image: Image, result: FrameResult) -> None:
        """Writes one picture."""
        _write(self._folder / f"{result.sequence:06d}.jpg", image)

    def close(self) -> None:
        """Nothing is held open."""


def _make_folder(folder: Path) -> None:
    with writing(folder, "give another --save", UsageError):
        folder.mkdir(parents=True, exist_ok=True)


def _write(file: Path, image: Image) -> None:
    content = cv2.imencode(file.suffix, image)[1].tobytes()
    with writing(file):
        try:
            file.write_bytes(content)
        except OSError:
            file.unlink(missing_ok=True)  # half a picture is none
            raise
