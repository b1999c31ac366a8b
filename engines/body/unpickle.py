"""Reads the pickles of body models without trusting them: arrays and sparse matrices come out, nothing is ever run.

Such files date from Python 2 (latin-1 strings), hold scipy matrices under module paths that are gone and, some,
arrays wrapped by `chumpy`, which no longer installs. Classes are never imported: what is not numpy becomes an inert
`_Record` of its state, and what is neither ends in an `AssetError`.
"""

import io
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse as sp
from numpy.lib import format as npy
from pymafx_live.core.errors import AssetError

_NUMPY = {
    "_reconstruct": np._core.multiarray._reconstruct,  # type: ignore[attr-defined]
    "scalar": np._core.multiarray.scalar,  # type: ignore[attr-defined]
    "_frombuffer": np._core.numeric._frombuffer,  # type: ignore[attr-defined]
    "ndarray": np.ndarray,
    "dtype": np.dtype,
}
_SPARSE = ("csc", "csr", "coo")


class _Record:
    """The state of an object whose class is not imported."""

    def __init__(self, *args: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = dict(state)


class _Chumpy(_Record):
    pass


class _ChumpySelect(_Record):
    pass


class _Csc(_Record):
    pass


class _Csr(_Record):
    pass


class _Coo(_Record):
    pass


_MATRICES: dict[str, type[_Record]] = {"csc": _Csc, "csr": _Csr, "coo": _Coo}


def _new_record(cls: type, base: type, state: Any) -> _Record:
    """What Python 2's `copy_reg._reconstructor` would do, for records only."""
    if not issubclass(cls, _Record) or base is not object:
        raise _ForeignError(f"it wants {cls.__name__} rebuilt, which is not an array")
    return cls()


class _ForeignError(pickle.UnpicklingError):
    """The pickle wants something that is neither an array nor known to wrap one."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module.partition(".")[0] == "numpy" and name in _NUMPY:
            return _NUMPY[name]
        if module.startswith("scipy.sparse") and name.partition("_")[0] in _SPARSE:
            return _MATRICES[name.partition("_")[0]]
        if (module, name) in (("chumpy.ch", "Ch"), ("chumpy", "Ch")):
            return _Chumpy
        if (module, name) == ("chumpy.reordering", "Select"):
            return _ChumpySelect
        if (module, name) in (("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor")):
            return _new_record
        if name == "object" and module in ("__builtin__", "builtins"):
            return object
        if (module, name) == ("_codecs", "encode"):
            return str.encode
        raise _ForeignError(f"it wants {module}.{name}, which is not an array")


def _plain(value: Any) -> Any:
    """Records to arrays and matrices, all the way down."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray) and value.dtype == object:
        out = np.empty(value.shape, object)
        out.flat[:] = [_plain(v) for v in value.flat]
        return out
    if not isinstance(value, _Record):
        return value
    s = value.state
    if isinstance(value, _Chumpy):
        return np.asarray(_plain(s["x"]))
    if isinstance(value, _ChumpySelect):
        picked = np.asarray(_plain(s["a"])).ravel()[np.asarray(s["idxs"])]
        shape = s.get("preferred_shape")
        return picked if shape is None else picked.reshape(shape)
    shape = s["_shape"] if "_shape" in s else s["shape"]
    if isinstance(value, _Coo):
        row, col = s["coords"] if "coords" in s else (s["row"], s["col"])
        return sp.coo_matrix((s["data"], (row, col)), shape=shape)
    kind = sp.csc_matrix if isinstance(value, _Csc) else sp.csr_matrix
    return kind((s["data"], s["indices"], s["indptr"]), shape=shape)


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turns whatever a broken file raises into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise AssetError(f"{path} is missing; `pymafx-live assets check` says where to get it.") from error
    except AssetError:
        raise
    except _ForeignError as error:
        raise AssetError(f"{path} is not a body model: {error}; get the original file again.") from error
    except Exception as error:
        size = path.stat().st_size if path.exists() else 0
        raise AssetError(
            f"{path} ({size} bytes) is cut short or damaged ({type(error).__name__}); get the original file again."
        ) from error


def _load(file: BinaryIO) -> Any:
    return _plain(_Unpickler(file, encoding="latin1").load())


def load_pickle(path: Path) -> Any:
    """The pickled value, made of dicts, arrays and scipy matrices. Raises `AssetError`."""
    with damage_named(path), path.open("rb") as file:
        return _load(file)


def load_npy(path: Path) -> Any:
    """An .npy file, whose objects, if it holds any, go through the same gate. Raises `AssetError`."""
    with damage_named(path), path.open("rb") as file:
        return _read_npy(file)


def load_npz(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file by name, in the same way. Raises `AssetError`."""
    with damage_named(path), zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith(".npy")]
        return {n.removesuffix(".npy"): _read_npy(io.BytesIO(archive.read(n))) for n in names}


def _read_npy(file: BinaryIO) -> Any:
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(file)
    if dtype.hasobject:
        loaded = _load(file)
        return loaded if loaded.shape == shape else loaded.reshape(shape)
    file.seek(0)
    return npy.read_array(file, allow_pickle=False)
