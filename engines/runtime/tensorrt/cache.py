"""Built engines on the disk: found again by everything that they depend on, whole or not there at all.

A file is one line of JSON (the key, and the hash of what follows), then the engine. Where the folder cannot be written
an engine is built and used all the same.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from pymafx_live.core.files import file_hash, locked, short_hash, user_cache, write_whole
from pymafx_live.core.interfaces import Progress

T = TypeVar("T")
LONGEST_HEADER = 1 << 16


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that an engine depends on.

    An RTX engine is made for a compute capability, and only its kernels, compiled when it is opened, depend on the
    card and its driver: `gpu` and `driver` are empty there.
    """

    onnx: str
    flavour: str
    version: str
    gpu: str
    capability: str
    driver: str
    buckets: tuple[int, ...]
    flags: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Sixteen letters for a file's name."""
        return short_hash(sorted(asdict(self).items()))


def default_folder() -> Path:
    """Where engines are kept: `tensorrt` in the user's cache."""
    return user_cache() / "tensorrt"


def file_digest(path: Path) -> str:
    """The SHA-256 of an ONNX file, and that of the weights that torch writes beside it when they are too large."""
    weights = path.with_name(f"{path.name}.data")
    return "-".join(file_hash(file) for file in (path, weights) if file == path or file.exists())


class EngineCache:
    """The entries of one network in a folder."""

    def __init__(self, folder: Path, stem: str, progress: Progress) -> None:
        self._folder, self._stem, self._progress = folder, stem, progress

    def path(self, key: EngineKey) -> Path:
        """Where the engine of that key is, or would be."""
        return self._folder / f"{self._stem}-{key.digest}.engine"

    def fetch(self, key: EngineKey, build: Callable[[], bytes], use: Callable[[bytes], T | None]) -> T:
        """What `use` makes of the cached engine, which is built first where there is none or `use` returns None.

        Of several processes that want the same engine one builds, and the others wait. `use` must not refuse what
        `build` has just made: it shall raise then, told by being called a second time.
        """
        path = self.path(key)
        if (found := self._usable(path, key, use)) is not None:
            return found
        with ExitStack() as stack:
            with suppress(OSError):  # where the folder takes no lock nothing can be shared either
                stack.enter_context(
                    locked(path, lambda: self._progress(f"another process builds {path.name}: waiting for it"))
                )
            if (found := self._usable(path, key, use)) is not None:
                return found
            data = build()
            self._write(path, _packed(key, data))
        made = use(data)
        if made is None:
            raise ValueError("an engine was refused right after it was built")
        return made

    def read_part(self, name: str) -> bytes:
        """What was stored beside the engines under that name, empty where there is nothing or it is damaged."""
        return unpacked(_content(self._folder / name), None) or b""

    def write_part(self, name: str, data: bytes) -> None:
        """Stores bytes beside the engines: timings, or compiled kernels."""
        if data != self.read_part(name):
            self._write(self._folder / name, _packed(None, data))

    def _usable(self, path: Path, key: EngineKey, use: Callable[[bytes], T | None]) -> T | None:
        content = _content(path)
        if not content:
            return None
        data = unpacked(content, key)
        found = None if data is None else use(data)
        if found is None:
            fault = "is damaged or of another build" if data is None else "does not load on this machine"
            self._progress(f"the cached engine {path.name} {fault}: it is built again")
        return found

    def _write(self, path: Path, content: bytes) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            self._progress(f"{path} cannot be kept ({error.strerror}): the next start builds it again")


def unpacked(content: bytes, key: EngineKey | None) -> bytes | None:
    """The bytes in a file of this cache; None where it is damaged or belongs to another key."""
    end = content.find(b"\n", 0, LONGEST_HEADER)
    try:
        header = json.loads(content[: max(end, 0)])
        expected = header["sha256"]
        owner = header["key"]
    except (ValueError, KeyError, TypeError):
        return None
    data = content[end + 1 :]
    same = owner == (None if key is None else json.loads(json.dumps(asdict(key))))
    return data if same and hashlib.sha256(data).hexdigest() == expected else None


def _packed(key: EngineKey | None, data: bytes) -> bytes:
    header = {"key": asdict(key) if key else None, "sha256": hashlib.sha256(data).hexdigest()}
    return json.dumps(header).encode() + b"\n" + data


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
