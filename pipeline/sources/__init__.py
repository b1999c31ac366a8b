"""The sources by name. To add one, write a `Reader` and give it a line here; `--source name:...` then asks for it."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from glob import has_magic
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.core.interfaces import Source
from pymafx_live.core.registry import load_class
from pymafx_live.core.types import Frame, SourceEvent
from pymafx_live.pipeline.camera import Lens, Mount
from pymafx_live.pipeline.sources.looping import looped
from pymafx_live.pipeline.sources.reader import Reader
from pymafx_live.pipeline.stop import Stop

if TYPE_CHECKING:
    from pymafx_live.pipeline.sources.threaded import ThreadedSource

SOURCES: Mapping[str, str] = {
    "webcam": "pymafx_live.pipeline.sources.webcam:WebcamReader",
    "stream": "pymafx_live.pipeline.sources.network:StreamReader",
    "images": "pymafx_live.pipeline.sources.images:ImagesReader",
    "video": "pymafx_live.pipeline.sources.files:FileReader",
}


def open_sources(cameras: Sequence[tuple[SourceSettings, Lens]], stop: Stop) -> Iterator[Source]:
    """Yields each source as it is opened, so that the caller can close the ones before a failure.

    Of several, those of equal names are numbered, and one that cannot be opened fails when it is read, as the others
    go on.

    Raises:
        SourceError: the only source cannot be opened.
        UsageError: see `open_source`.
    """
    wanted = [(*_reader_class(settings), lens) for settings, lens in cameras]
    names = numbered([_text(kind.of(settings).name) for kind, settings, _ in wanted])
    sources = [
        _source(kind, settings, lens, stop, name) for (kind, settings, lens), name in zip(wanted, names, strict=True)
    ]
    try:
        for source in sources:
            try:
                source.open()
            except SourceError as error:
                if len(sources) == 1:
                    raise
                yield ClosedSource(source.name, source.live, error)
            else:
                yield source
    except BaseException:
        for source in sources:
            source.close()
        raise


def numbered(names: Sequence[str]) -> list[str]:
    """The names, those that were there before with the next number that makes them another."""
    given: list[str] = []
    for name in names:
        numbers = (f"{name}-{k}" for k in count(2))
        given.append(name if name not in given else next(other for other in numbers if other not in {*given, *names}))
    return given


class ClosedSource:
    """A source that could not be opened: whoever reads it is told why."""

    files: Sequence[Path] = ()
    size = None

    def __init__(self, name: str, live: bool, error: SourceError) -> None:
        self.name, self.live, self._error = name, live, error

    def __iter__(self) -> Iterator[Frame | SourceEvent]:
        raise self._error

    def __len__(self) -> int:
        return 0

    def close(self) -> None:
        """Nothing is open."""


def open_source(settings: SourceSettings, lens: Lens, stop: Stop) -> Source:
    """The source that `settings.uri` names, already open; its iteration ends once `stop` is requested.

    Raises:
        SourceError: it cannot be opened.
        UsageError: `realtime` for single photos, which have no pace.
    """
    kind, settings = _reader_class(settings)
    source = _source(kind, settings, lens, stop, _text(kind.of(settings).name))
    source.open()
    return source


def name_of(settings: SourceSettings) -> str:
    """What a source is called: its name, or one that is made of its address; raises `UsageError`."""
    kind, settings = _reader_class(settings)
    return _text(kind.of(settings).name)


def _source(kind: type[Reader], settings: SourceSettings, lens: Lens, stop: Stop, name: str) -> "ThreadedSource":
    """The source of a reader's class by that name, which begins to open."""
    from pymafx_live.pipeline.sources.threaded import ThreadedSource

    settings = settings.model_copy(update={"name": name})
    return ThreadedSource(
        lambda: looped(kind.of(settings), settings.loop), lens, stop, mount=Mount(settings.rotate, settings.mirror),
        wait=settings.wait, give_up=settings.give_up, gone_after=settings.gone_after,
        max_fps=settings.max_fps,
    )  # fmt: skip


def _reader_class(settings: SourceSettings) -> tuple[type[Reader], SourceSettings]:
    """The class that reads a source, and the settings with its plain address.

    Imports only the module of the kind that is asked for: each brings a library of its own.
    """
    uri = plain_address(settings.uri)
    SECRETS.learn(uri)
    return load_class(SOURCES[_kind(uri)]), settings.model_copy(update={"uri": uri})


def _text(name: str) -> str:
    """A name that can be sent: that of a file may hold bytes that are no text."""
    return name.encode(errors="replace").decode()


def _local(uri: str) -> str:
    """The path that an address of a file is; another address as it is."""
    if re.match(r"file://", uri, re.IGNORECASE):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost"):
            raise UsageError(f"{uri} is on another machine: give the path of a file, or where its server streams it")
        return unquote(uri[len("file://") + len(parts.netloc) :], errors="surrogateescape")
    return str(Path(uri).expanduser()) if uri.startswith("~") else uri


def _kind(uri: str) -> str:
    """The name in `SOURCES` of what reads `uri`: what it begins with, before a colon, or what it looks like."""
    if (scheme := uri.partition(":")[0]) in SOURCES:
        return scheme
    if uri.isdecimal() or uri.startswith(("/dev/video", "/dev/v4l/")):
        return "webcam"
    if "://" in uri:
        return "stream"
    from pymafx_live.pipeline.sources.images import names_images

    return "images" if uri != "demo" and names_images(uri) else "video"


def plain_address(uri: str) -> str:
    """The address, webcam number or path that `uri` means: of `file://`, `~`, and what `env:NAME` and `file:PATH` hold.

    Raises:
        UsageError: nothing that can be used is kept there.
    """
    return _local(_kept_elsewhere(uri))


def kept_in(uri: str) -> str:
    """The file that holds a source's address, of `file:PATH`; else nothing."""
    kind, place = _reference(uri)
    return str(Path(place).expanduser()) if kind == "file" and place else ""


def _reference(uri: str) -> tuple[str, str]:
    """`env` or `file` and the name or path of an address that is kept there; two empty texts for any other."""
    kind, colon, place = uri.partition(":")
    return (kind, place) if colon and kind in ("env", "file") and not place.startswith("//") else ("", "")


def _usable(value: str, uri: str) -> str:
    """The value that `uri` names; raises `UsageError`, which does not show it, where it names no source."""
    if not value:
        raise UsageError(f"{uri} holds nothing: write an address into it")
    try:
        there = Path(value).expanduser().exists()
    except (OSError, ValueError):
        there = False
    if not (there or "://" in value or value.isdecimal() or value == "demo" or has_magic(value)):
        raise UsageError(f"what {uri} holds is no address (rtsp://…), no webcam's number and no file that is there")
    return value


def _kept_elsewhere(uri: str) -> str:
    """What `env:NAME` or `file:PATH` hold: an address with a password then stands in no list of processes."""
    kind, place = _reference(uri)
    if not kind:
        return uri
    if kind == "env":
        if place not in os.environ:
            raise UsageError(f"the environment has no variable {place!r}: set it, or give another --source")
        return _usable(os.environ[place].strip(), uri)
    try:
        return _usable(Path(place).expanduser().read_text(encoding="utf-8").strip(), uri)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise UsageError(f"no address can be read from {place!r} ({reason}): give the path of a text file") from error
