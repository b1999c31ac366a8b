"""Video files: every frame, in order; or, played in real time, as a camera would see them."""

import math
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.pipeline.sources.decoding import Decoder
from pymafx_live.pipeline.sources.hwaccel import NOT_DECODED, NotDecodedError, accelerator
from pymafx_live.pipeline.sources.reader import Shot

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel


class FileReader:
    """Reads a video file of any format that FFmpeg knows."""

    timeout = math.inf
    endless = False

    def __init__(self, file: Path, name: str = "", *, realtime: bool = False, hwaccel: "HWAccel | None" = None) -> None:
        self.name = name or file.name
        self.live = self.paced = realtime
        self.count, self.nominal_fps = 0, 0.0
        self.size: tuple[int, int] | None = None
        self._file, self._hwaccel = file, hwaccel
        self.files: Sequence[Path] = (file,)
        self._container: av.container.InputContainer | None = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """See `Reader.of`; `demo` is the clip that ships."""
        uri = settings.uri
        file = Path(str(resources.files("pymafx_live.engines.data"))) / "demo.mp4" if uri == "demo" else Path(uri)
        name, hwaccel = settings.name or uri.rpartition("/")[2], accelerator(settings.hwaccel)
        return cls(file, name, realtime=settings.realtime, hwaccel=hwaccel)

    def open(self) -> None:
        """Raises `SourceError` for a file that is missing, unreadable, or no video."""
        if not self._file.exists():
            raise SourceError(f"there is no file {self._file}: check the path given as --source")
        try:
            self._container = av.open(
                f"file:{self._file}", hwaccel=self._hwaccel
            )  # a name may look like an address: `a:b.mp4`
        except NotDecodedError as error:
            raise SourceError(f"{self._file} {NOT_DECODED}") from error
        except PermissionError as error:
            raise SourceError(f"{self._file} may not be read: check its permissions") from error
        except (av.error.FFmpegError, OSError) as error:
            size = self._file.stat().st_size
            what = "is empty" if size == 0 else "is not a video that FFmpeg can read, or is damaged"
            raise SourceError(f"{self._file} {what}: give another file") from error
        if not self._container.streams.video:
            raise SourceError(f"{self._file} holds no video stream: give a file with pictures in it")
        self._decoder = Decoder(self._container, self.name)
        self.count, self.nominal_fps = self._decoder.count, self._decoder.nominal_fps
        self.size = self._decoder.size
        self._decoder.tell_device(self._hwaccel)

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` where not a single frame can be decoded."""
        empty = True
        for picture in self._decoder.pictures():
            empty = False
            yield Shot(self._decoder.image(picture), picture.time, lost=self._decoder.lost)
        if empty:
            raise SourceError(f"{self._file} holds no frame that can be decoded: it is empty or damaged")

    def close(self) -> None:
        """Closes the file."""
        if self._container is not None:
            self._container.close()
