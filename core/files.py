"""Files that several runs and processes share: the user's cache, hashes, locks, and files that appear whole or not."""

import atexit
import errno
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_SEALS = "hashes.json"
HASHES = "known-hashes.json"
"""The notes of `known_hash` in a cache folder."""
_NOTED = 200
"""Files whose hashes are kept, the latest."""
_SETTLED = 2 * 10**9
"""Nanoseconds without a change after which a file's times tell of the next one."""
_ABANDONED = 86400.0
"""Seconds after which an unfinished temporary folder belongs to nobody any more."""

logger = logging.getLogger(__name__)


def user_cache() -> Path:
    """`$XDG_CACHE_HOME/pymafx-live`, by default in `~/.cache`: a folder that is the user's alone.

    Where that cannot be it is one of this process, which goes with it, and the log says so.
    """
    return _own_cache() or _temporary_cache()


def network_folder(root: Path | None, runtime: str, model: Path, *key: object) -> Path | None:
    """The folder for what `runtime` makes of the file `model` under the circumstances `key`; made if it is not there.

    `root` None is the user's cache. None is returned, and the log says so, where the folder cannot be written.
    """
    root = root or _own_cache()
    if root is None:
        return None
    folder = root / runtime / f"{model.stem}-{short_hash(key, known_hash(model, root / HASHES))}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _try(folder)
    except OSError as error:
        logger.warning("%s cannot be written (%s): networks are compiled anew at every start.", folder, error.strerror)
        return None
    return folder


def _own_cache() -> Path | None:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  pathlib's may raise
    return _private(Path(root) / "pymafx-live")


@cache
def _private(folder: Path) -> Path | None:
    """The folder, made if it is not there, if nobody else can write into it or read it; else None, told once."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix":
            if folder.stat().st_uid != os.geteuid():
                raise PermissionError(errno.EPERM, "it belongs to another user")
            folder.chmod(0o700)
        _try(folder)
    except OSError as error:
        logger.warning(
            "the cache %s cannot be used (%s): networks are compiled anew at every start; "
            "set XDG_CACHE_HOME to a folder of yours",
            folder,
            error.strerror,
        )
        return None
    return folder


@cache
def _temporary_cache() -> Path:
    folder = tempfile.mkdtemp(prefix="pymafx-live-")  # its name cannot be foreseen, and nobody else may enter
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _try(folder: Path) -> None:
    """Raises `OSError` where no file can be made there."""
    with tempfile.TemporaryFile(dir=folder):
        pass


def seal(folder: Path, pattern: str) -> None:
    """Notes the hashes of the files that another library has just written there. Raises `OSError`."""
    known = _seals(folder)
    new = {file.name: file_hash(file) for file in folder.glob(pattern) if file.name not in known}
    if new:
        write_whole(folder / _SEALS, json.dumps(known | new).encode())


def drop_unsealed(folder: Path, pattern: str) -> list[str]:
    """Deletes the files that are not as they were when `seal` noted them; returns their names. Raises `OSError`."""
    known = _seals(folder)
    damaged = [file for file in folder.glob(pattern) if known.get(file.name) != file_hash(file)]
    for file in damaged:
        file.unlink(missing_ok=True)
        known.pop(file.name, None)
    if damaged:
        write_whole(folder / _SEALS, json.dumps(known).encode())
    return [file.name for file in damaged]


def _seals(folder: Path) -> dict[str, str]:
    try:
        content = json.loads((folder / _SEALS).read_bytes())
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError, RecursionError):
        return {}


def file_hash(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def known_hash(path: Path, notes: Path, compute: Callable[[Path], str] | None = None) -> str:
    """`file_hash`, or what else `compute` makes of a file's content, once for as long as the file stays as it is.

    The file `notes` has it with the size, times and inode that it was computed for. A file that has changed a moment
    ago is looked at each time, since it may change again within one tick of its clock. Where `notes` cannot be written
    that costs time only. Raises `OSError` for `path`.
    """
    name, mark = str(path.absolute()), _mark(path)
    known = _notes(notes)
    if known.get(name, [None])[:-1] == mark:
        return str(known[name][-1])
    found = (compute or file_hash)(path)
    if _mark(path) == mark and time.time_ns() - max(mark[1:3]) > _SETTLED:
        kept = dict(list((known | {name: [*mark, found]}).items())[-_NOTED:])
        with suppress(OSError):
            write_whole(notes, json.dumps(kept).encode())
    return found


def _mark(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def _notes(notes: Path) -> dict[str, list[int | str]]:
    try:
        content = json.loads(notes.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return {k: v for k, v in content.items() if isinstance(v, list) and v} if isinstance(content, dict) else {}


def short_hash(*key: object) -> str:
    """Sixteen letters for a file's name, which differ where any `repr` of the key does."""
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


@contextmanager
def whole_files(folder: Path, *names: str) -> Iterator[Path]:
    """Gives a temporary folder in which the caller writes the files `names`; all move to `folder` when it is done.

    Each appears whole or not at all, even after a power cut, and the last of them only after the others: it says that
    the set is complete. If the block raises, what was in `folder` before is still there. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(".part-*"):  # of a process that was killed
        if time.time() - old.stat().st_mtime > _ABANDONED:
            shutil.rmtree(old, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as temporary:
        part = Path(temporary)
        yield part
        for name in names:
            _sync(part / name)
        if len(names) > 1:
            (folder / names[-1]).unlink(missing_ok=True)
        for name in names:
            (part / name).replace(folder / name)
    _sync(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that others see all of it or none, even after a power cut. Raises `OSError`."""
    with whole_files(path.parent, path.name) as part:
        (part / path.name).write_bytes(content)


@contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Holds the lock `path`.lock, of which other processes know; `on_wait` is called if another one holds it.

    The lock goes with the process, however that ends. Raises `OSError` where the folder takes no lock.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(f"{path}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
    except NotImplementedError as error:
        raise OSError(0, "its file system has no locks") from error
    try:
        yield
    finally:
        lock.release()


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk; Windows cannot do that for a folder."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
