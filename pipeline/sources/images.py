"""Images: one file, a folder or a glob, in natural order (2.jpg before 10.jpg)."""

import logging
import math
import re
from collections.abc import Iterator, Sequence
from glob import escape, glob, has_magic
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.pipeline.sources.reader import Shot

HEIF = frozenset({".heic", ".heif", ".hif"})
"""Phones' pictures, whose tiles FFmpeg gives one by one, and OpenCV not at all; libheif puts them together."""
_HEIF_PACKAGES = ("pi_heif", "pillow_heif")
"""Two builds of one package: the first has no encoder, whose licence (x265's) is GPL-2.0."""
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}) | HEIF

_NAMED = 10
"""Bad images that are named; more are only counted."""

logger = logging.getLogger(__name__)


def names_images(uri: str) -> bool:
    """Whether the source is an image, a folder, or a glob."""
    path = Path(uri)
    return path.suffix.lower() in SUFFIXES or path.is_dir() or (has_magic(uri) and not path.exists())


class ImagesReader:
    """Reads images: single photos, each of them a cut and a second long, or a sequence at `fps`."""

    timeout = math.inf
    endless = False
    size: tuple[int, int] | None = None  # each may have its own

    def __init__(self, uri: str, name: str = "", *, fps: float = 0.0, realtime: bool = False) -> None:
        self.name = name or Path(uri).name or uri
        self.live = self.paced = realtime
        self.count = 0
        self._uri = uri
        self.files: Sequence[Path] = ()
        self.nominal_fps = fps

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """Raises `UsageError` for `realtime` of single photos, which have no pace."""
        if settings.realtime and not settings.image_fps:
            raise UsageError(
                "--realtime needs a pace and photos have none: give --image-fps 25 too, and --loop to go on"
            )
        return cls(settings.uri, settings.name, fps=settings.image_fps, realtime=settings.realtime)

    def open(self) -> None:
        """Raises `SourceError` where no image matches, `UsageError` for HEIC without the extra."""
        path = Path(self._uri)
        if path.is_dir():
            files, what = list(path.iterdir()), f"the folder {path} holds no image"
        elif has_magic(self._uri) and not path.exists():
            matches = glob(_pattern(self._uri), recursive=True)  # noqa: PTH207  Path.glob takes no absolute pattern
            files, what = [Path(match) for match in matches], f"no image matches {path}"
        else:
            files, what = [path] if path.exists() else [], f"there is no image {path}"
        self.files = self._files = sorted((f for f in files if f.suffix.lower() in SUFFIXES), key=_natural)
        self.count = len(self._files)
        if not self._files:
            raise SourceError(f"{what} ({', '.join(sorted(SUFFIXES))}): check the path given as --source")
        if any(file.suffix.lower() in HEIF for file in self._files):
            _heif_package()

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` at the end where some cannot be decoded, which were left out."""
        bad: list[str] = []
        for index, file in enumerate(self._files):
            image = _decoded(file)
            if image is not None:
                yield Shot(image, index / (self.nominal_fps or 1.0), lost=len(bad), cut=not self.nominal_fps)
                continue
            bad.append(file.name)
            if len(bad) <= _NAMED:
                logger.warning("%s is damaged, too large or no image, and was left out", file)
        if len(bad) == self.count:
            raise SourceError(f"{self._uri} holds no image that can be decoded: it is empty or damaged")
        if bad:
            named = ", ".join(bad[:_NAMED]) + (", …" if len(bad) > _NAMED else "")
            raise SourceError(
                f"{len(bad)} of the {self.count} images of {self._uri} were left out ({named}): replace or remove them"
            )

    def close(self) -> None:
        """Nothing is held open between images."""


def _natural(file: Path) -> list[tuple[int, str]]:
    return [(int(run), "") if run.isdecimal() else (-1, run) for run in re.split(r"(\d+)", str(file))]


def _pattern(uri: str) -> str:
    """The glob, but that folders which are there by that very name are meant: `run[2]/*.jpg`."""
    folder = next(folder for folder in [*Path(uri).parents, Path()] if folder.exists())
    return str(Path(escape(str(folder)), Path(uri).relative_to(folder)))


def _decoded(file: Path) -> NDArray[np.uint8] | None:
    if file.suffix.lower() in HEIF:
        return _heif(file)
    try:
        data = np.fromfile(file, np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except (OSError, MemoryError, cv2.error):  # OpenCV's is what a header raises that claims too many pixels
        return None
    return None if image is None else np.asarray(image, np.uint8)


def _heif(file: Path) -> NDArray[np.uint8] | None:
    """The main picture of a file, turned as its `irot` and `imir` say; EXIF repeats that, and is not to be heeded."""
    try:
        image = np.asarray(_heif_package().open_heif(file, bgr_mode=True), np.uint8)
    except (OSError, ValueError, RuntimeError, EOFError, SyntaxError, MemoryError):
        return None
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def _heif_package() -> Any:
    """The package that reads HEIC; raises `UsageError` where there is none."""
    for name in _HEIF_PACKAGES:
        if find_spec(name) is not None:
            return import_module(name)
    raise UsageError("HEIC pictures need the package pi-heif: pip install 'pymafx-live[heic]', or give them as JPEG")
