"""The folder of PyMAF-X files (`--assets DIR`): what belongs in it, whether it is sound, and what is made of it.

Torch is imported only where the checkpoint itself is read, so that `check` works without it.
"""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.pymafx.files import sources
from pymafx_live.engines.pymafx.files.sources import read_model

AUTHORS = "the PyMAF-X release of its authors (see the README of HongwenZhang/PyMAF-X)"
SMPLX_PAGE = "smpl-x.is.tue.mpg.de, after registration"


class State(StrEnum):
    """What `check` found."""

    FOUND = "found"
    MISSING = "missing"
    DAMAGED = "damaged"
    UNUSED = "unused"
    """Part of the authors' folder, but not needed for inference; it may be missing."""


@dataclass(frozen=True)
class AssetFile:
    """A file of the folder: what it is, where to get it, what works without it, and a reader that checks it."""

    path: str
    what: str
    where: str
    without: str
    read: Callable[[Path], Any] | None = None


@dataclass(frozen=True)
class Finding:
    """One line of `check`: `message` is a whole sentence."""

    path: str
    state: State
    message: str

    @property
    def is_fault(self) -> bool:
        """Whether the PyMAF-X engine cannot run because of it."""
        return self.state in (State.MISSING, State.DAMAGED)


NOTHING = "without it the PyMAF-X engine does not run; `--engine landmarks` does"
COPIED = "without it the copy inside the published checkpoint is used"
UNUSED = "inference does not need it"


def _read_checkpoint(path: Path) -> object:
    """Its keys and shapes where torch is installed; that its archive is whole, in any case."""
    if not zipfile.is_zipfile(path):
        raise AssetError(f"{path} is cut short or not a PyTorch file ({path.stat().st_size} bytes); get it again.")
    if find_spec("torch") is None:
        return None
    from pymafx_live.engines.pymafx.files.checkpoint import load_checkpoint

    return load_checkpoint(path)


FILES = (
    AssetFile(sources.CHECKPOINT, "the network's weights", AUTHORS, NOTHING, _read_checkpoint),
    AssetFile(sources.SMPLX, "the SMPL-X 2020 body, neutral", SMPLX_PAGE, NOTHING, read_model),
    AssetFile(sources.MANO, "the MANO right hand", "mano.is.tue.mpg.de, after registration", NOTHING, read_model),
    AssetFile(sources.FLAME, "the FLAME 2020 head", "flame.is.tue.mpg.de, after registration", NOTHING, read_model),
    AssetFile(sources.SMPLX_TO_SMPL, "SMPL-X to SMPL", SMPLX_PAGE, NOTHING, sources.read_smplx_to_smpl),
    AssetFile(sources.SMPL_DOWN, "the body's mesh samples", AUTHORS, COPIED, sources.read_smpl_down),
    AssetFile(sources.MANO_DOWN, "the hand's mesh samples", AUTHORS, COPIED, sources.read_mano_down),
    AssetFile(sources.FLAME_DOWN, "the face's mesh samples", AUTHORS, COPIED, sources.read_flame_down),
    AssetFile(sources.MEAN, "the mean pose, shape and camera", AUTHORS, COPIED, sources.read_mean),
    AssetFile("smpl/SMPL_NEUTRAL.pkl", "the SMPL body", "smpl.is.tue.mpg.de, after registration", UNUSED),
    AssetFile("smpl/model_transfer/MANO_SMPLX_vertex_ids.pkl", "MANO's vertices in SMPL-X", AUTHORS, UNUSED),
    AssetFile("smpl/model_transfer/SMPL-X__FLAME_vertex_ids.npy", "FLAME's vertices in SMPL-X", AUTHORS, UNUSED),
    AssetFile("smpl/FLAME2020/flame_static_embedding.pkl", "FLAME's landmarks", AUTHORS, UNUSED),
    AssetFile("smpl/FLAME2020/flame_dynamic_embedding.npy", "FLAME's contour", AUTHORS, UNUSED),
    AssetFile("J_regressor_extra.npy", "nine more joints of SMPL", AUTHORS, UNUSED),
    AssetFile("partial_mesh", "vertices of the parts", AUTHORS, UNUSED),
)  # fmt: skip


def check(folder: Path | str) -> list[Finding]:
    """Looks at every file of the folder, opens those that the network is made from, and says what is wrong."""
    folder = Path(folder)
    if not folder.is_dir():
        raise AssetError(f"{folder} is not a folder; give the one that holds the PyMAF-X files.")
    return [check_file(folder, file) for file in FILES]


def check_file(folder: Path, file: AssetFile) -> Finding:
    """Looks at one file of the folder, as `check` does."""
    path = folder / file.path
    if file.read is None:
        found = "there" if path.exists() else "not there"
        return Finding(file.path, State.UNUSED, f"{file.what}: {found}; {UNUSED}.")
    if not path.exists():
        state = State.UNUSED if file.without == COPIED else State.MISSING
        return Finding(file.path, state, f"{file.what}: get it from {file.where}; {file.without}.")
    try:
        file.read(path)
    except AssetError as error:
        return Finding(file.path, State.DAMAGED, f"{file.what}: {error}")
    return Finding(file.path, State.FOUND, f"{file.what}: {path.stat().st_size / 1e6:.1f} MB, as expected.")


def prepare(folder: Path | str, progress: Progress = lambda step: None) -> list[str]:
    """Converts the files once into the bundle that later starts map into memory.

    Returns warnings, one sentence each; `progress` is told each step. Raises `AssetError` for a file that is
    missing, damaged or of another kind, and `UsageError` without torch.
    """
    need_torch()
    from pymafx_live.engines.pymafx.files.prepare import prepare_bundle

    folder = Path(folder)
    if not folder.is_dir():
        raise AssetError(f"{folder} is not a folder; give the one that holds the PyMAF-X files.")
    return prepare_bundle(folder, progress)


def synthesize(folder: Path | str, seed: int = 0) -> None:
    """Writes a licence-free stand-in for the whole folder, for tests and for trying the path; 1.5 GB.

    Refuses a folder that already holds something, so that licensed files are never overwritten.
    """
    need_torch()
    from pymafx_live.engines.pymafx.files.synthetic_bodies import write_assets
    from pymafx_live.engines.pymafx.files.synthetic_weights import write_checkpoint

    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; name a new one, so that nothing is overwritten.")
    try:
        write_assets(folder, seed)
        write_checkpoint(folder / sources.CHECKPOINT, seed)
    except OSError as error:
        raise AssetError(f"cannot write {folder}: {error.strerror}; make room there (1.5 GB).") from error


def need_torch() -> None:
    """Raises `UsageError` where a package that the network needs is not installed."""
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise UsageError(f"this needs {' and '.join(missing)}; install the extra: pip install 'pymafx-live[torch]'.")
