"""Where compiled networks are kept: folders of the user's cache, one for each network on each machine and library."""

import hashlib
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)


def user_cache() -> Path:
    """`$XDG_CACHE_HOME/pymafx-live`, by default in `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pymafx-live"


def network_folder(root: Path | None, runtime: str, model: Path, *key: object) -> Path | None:
    """The folder for what `runtime` makes of the file `model` under the circumstances `key`; made if it is not there.

    `root` None is the user's cache. None is returned, and the log says so, where the folder cannot be written.
    """
    digest = hashlib.sha256(repr(key).encode())
    with model.open("rb") as file:
        digest.update(hashlib.file_digest(file, "sha256").digest())
    folder = (root or user_cache()) / runtime / f"{model.stem}-{digest.hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        logger.warning("%s cannot be written (%s): networks are compiled anew at every start.", folder, error.strerror)
        return None
    return folder
