"""Built engines on the disk: found again by everything that they depend on, whole or not there at all.

A file is one line of JSON (the key, and the hash of what follows), then the engine. Where the folder cannot be written
an engine is built and used all the same.
"""

import hashlib
import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, TypeVar

from pymafx_live.core.files import HASHES, known_hash, locked, short_hash, user_cache, whole_files
from pymafx_live.core.interfaces import Progress

T = TypeVar("T")
LONGEST_HEADER = 1 << 16
ALIGNMENT = 4096
"""What an engine's place in its file is a multiple of, so that a library finds it aligned where it is mapped."""
Data = bytes | memoryview


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that an engine depends on.

    An RTX engine is made for a compute capability, and only its kernels, compiled when it is opened, depend on the
    card: `gpu` is empty there. No engine depends on the driver, but for those kernels, which are kept apart.
    """

    onnx: str
    flavour: str
    version: str
    gpu: str
    capability: str
    buckets: tuple[int, ...]
    flags: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Sixteen letters for a file's name."""
        return short_hash(sorted(asdict(self).items()))


def default_folder() -> Path:
    """Where engines are kept: `tensorrt` in the user's cache."""
    return user_cache() / "tensorrt"


def file_digest(path: Path, folder: Path) -> str:
    """The SHA-256 of an ONNX file, and that of the weights that torch writes beside it when they are too large.

    `folder` is the cache's, which knows the hashes of files that have not changed. Raises `OSError`.
    """
    weights = path.with_name(f"{path.name}.data")
    files = (file for file in (path, weights) if file == path or file.exists())
    return "-".join(known_hash(file, folder / HASHES) for file in files)


class EngineCache:
    """The entries of one network in a folder."""

    def __init__(self, folder: Path, stem: str, progress: Progress) -> None:
        self._folder, self._stem, self._progress = folder, stem, progress

    def path(self, key: EngineKey) -> Path:
        """Where the engine of that key is, or would be."""
        return self._folder / f"{self._stem}-{key.digest}.engine"

    def fetch(self, key: EngineKey, build: Callable[[], bytes], use: Callable[[Data], T | None]) -> T:
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
            self._write(path, key, data)
        made = use(data)
        if made is None:
            raise ValueError("an engine was refused right after it was built")
        return made

    def holds(self, key: EngineKey) -> bool:
        """Whether the engine of that key is there, whole."""
        return self._whole(self.path(key), key) is not None

    def read_part(self, name: str) -> bytes:
        """What was stored beside the engines under that name, empty where there is nothing or it is damaged."""
        return bytes(self._whole(self._folder / name, None) or b"")

    def write_part(self, name: str, data: bytes) -> None:
        """Stores bytes beside the engines: timings, or compiled kernels."""
        if data != self.read_part(name):
            self._write(self._folder / name, None, data)

    def _usable(self, path: Path, key: EngineKey, use: Callable[[Data], T | None]) -> T | None:
        if not path.exists() or not path.stat().st_size:
            return None
        data = self._whole(path, key)
        found = None if data is None else use(data)
        if found is None:
            fault = "is damaged or of another build" if data is None else "does not load on this machine"
            self._progress(f"the cached engine {path.name} {fault}: it is built again")
        return found

    def _whole(self, path: Path, key: EngineKey | None) -> Data | None:
        """What a file of this cache holds; None where it is damaged, belongs to another key or is not there.

        It is mapped, not read, and hashed once for as long as the file stays as it is.
        """
        header, data = _split(_mapped(path))
        if header is None or header["key"] != (None if key is None else json.loads(json.dumps(asdict(key)))):
            return None
        try:
            found = known_hash(path, self._folder / HASHES, lambda _: hashlib.sha256(data).hexdigest())
        except OSError:
            return None
        return data if found == header["sha256"] else None

    def _write(self, path: Path, key: EngineKey | None, data: Data) -> None:
        header = {"key": asdict(key) if key else None, "sha256": hashlib.sha256(data).hexdigest()}
        text = json.dumps(header).encode()
        try:
            with whole_files(path.parent, path.name) as part, (part / path.name).open("wb") as file:
                file.write(text.ljust(-(-(len(text) + 1) // ALIGNMENT) * ALIGNMENT - 1) + b"\n")
                file.write(data)
        except OSError as error:
            self._progress(f"{path} cannot be kept ({error.strerror}): the next start builds it again")


def _split(content: Data) -> tuple[dict[str, Any] | None, Data]:
    """A file's header, None where it has none, and what follows."""
    text, newline, _ = bytes(content[:LONGEST_HEADER]).partition(b"\n")
    try:
        header = json.loads(text)
        if newline and header.keys() >= {"key", "sha256"}:
            return header, content[len(text) + 1 :]
    except (ValueError, AttributeError, RecursionError):
        pass
    return None, b""


def _mapped(path: Path) -> Data:
    """A file's bytes without reading them; empty where there are none. The mapping goes with its last user."""
    try:
        with path.open("rb") as file:
            return memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    except (OSError, ValueError):  # a ValueError is an empty file's
        return b""
