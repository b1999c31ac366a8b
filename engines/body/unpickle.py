"""Reads the pickles of body models without trusting them: arrays and sparse matrices come out, nothing is ever run.

Such files date from Python 2 (latin-1 strings), hold scipy matrices under module paths that are gone and, some,
arrays wrapped by `chumpy`, which no longer installs. Classes are never imported: what is not numpy becomes an inert
`_Record` of its state, and what is neither ends in an `AssetError`.
"""

import io
import math
import pickle
import pickletools
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.lib import format as npy
from pymafx_live.core.errors import AssetError

LARGEST = 2**29
"""Bytes that a file may become, all its arrays together: SMPL-X's are half of that."""
_KINDS = "biufcSU"
"""The kinds of numbers and texts that an array may hold, beside objects."""
_SPARSE = ("csc", "csr", "coo")


class _Record:
    """The state of an object whose class is not imported."""

    def __init__(self, *args: Any) -> None:
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = dict(state)


class _Dtype:
    """An array's type as a pickle has it: numpy's own would believe whatever it is told."""

    def __init__(self, code: str, *_: Any) -> None:
        self.code: str = code
        self.order: Any = "="

    def __setstate__(self, state: Any) -> None:
        if any(part is not None for part in state[2:5]):
            raise _ForeignError("it holds an array of records, which no body model has")
        self.order = state[1]

    def made(self) -> np.dtype[Any]:
        """The type itself; raises `ValueError` for what is neither numbers, texts nor objects."""
        dtype = np.dtype(self.code)
        if dtype.kind == "O":
            return dtype
        if dtype.kind not in _KINDS or dtype.itemsize > LARGEST:
            raise ValueError("a type that arrays of models do not have")
        return dtype if self.order == "|" else dtype.newbyteorder(self.order)


class _Array:
    """An array as a pickle has it."""

    def __init__(self, *state: Any) -> None:
        self.state = state

    def __setstate__(self, state: Any) -> None:
        self.state = tuple(state)[1:]

    def made(self, memory: dict[int, Any]) -> Any:
        """The array; its objects are plain, too. Raises `ValueError` where its bytes are not what it says."""
        shape, dtype, fortran, data = self.state
        shape, dtype = tuple(int(n) for n in shape), dtype.made()
        if dtype.kind == "O":
            if not isinstance(data, list) or min(shape, default=1) < 0 or math.prod(shape) != len(data):
                raise ValueError("objects that are no list")
            out = np.empty(len(data), object)
            for i, value in enumerate(data):
                out[i] = _plain(value, memory)
        else:
            data = data.encode("latin1") if isinstance(data, str) else data
            out = np.frombuffer(data, dtype).copy()
        return out.reshape(shape, order="F" if fortran else "C")


def _scalar(dtype: _Dtype, data: Any) -> Any:
    return _Array((), dtype, False, [data] if dtype.code.startswith("O") else data)


_NUMPY: dict[str, Any] = {
    "_reconstruct": lambda cls, shape, code: _Array(),
    "_frombuffer": lambda data, dtype, shape, order: _Array(shape, dtype, order == "F", bytes(data)),
    "scalar": _scalar,
    "ndarray": _Array,
    "dtype": _Dtype,
}


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


def _plain(value: Any, memory: dict[int, Any]) -> Any:
    """Records to arrays and matrices, all the way down; what is there twice is made once (`memory`, by identity)."""
    if not isinstance(value, dict | list | tuple | _Array | _Dtype | _Record):
        return value
    if id(value) not in memory:
        memory[id(value)] = _made(value, memory)
    return memory[id(value)]


def _made(value: Any, memory: dict[int, Any]) -> Any:
    match value:
        case dict():
            return {k: _plain(v, memory) for k, v in value.items()}
        case list() | tuple():
            return type(value)(_plain(v, memory) for v in value)
        case _Array():
            out = value.made(memory)
            return out if out.ndim else out[()]
        case _Dtype():
            return value.made()
    s = {key: _plain(v, memory) for key, v in value.state.items()}
    if isinstance(value, _Chumpy):
        return np.asarray(s["x"])
    if isinstance(value, _ChumpySelect):
        picked = np.asarray(s["a"]).ravel()[np.asarray(s["idxs"])]
        shape = s.get("preferred_shape")
        return picked if shape is None else picked.reshape(shape)
    return _matrix(value, s)


def _matrix(value: Any, s: dict[str, Any]) -> Any:
    """A sparse matrix whose indices are within its shape, and whose shape is within reason."""
    rows, columns = (int(n) for n in (s["_shape"] if "_shape" in s else s["shape"]))
    if min(rows, columns) < 0 or rows * columns * 8 > LARGEST:
        raise ValueError("a matrix that is too large")
    if isinstance(value, _Coo):
        row, col = s["coords"] if "coords" in s else (s["row"], s["col"])
        matrix = sp.coo_matrix((s["data"], (row, col)), shape=(rows, columns))
    else:
        kind = sp.csc_matrix if isinstance(value, _Csc) else sp.csr_matrix
        matrix = kind((s["data"], s["indices"], s["indptr"]), shape=(rows, columns))
        matrix.check_format(full_check=True)
    return matrix


def _check(data: bytes) -> None:
    """Raises `ValueError` for a pickle that asks for more than it holds: memory is given before it is read."""
    for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if opcode.name.endswith("PUT") and int(str(argument)) > count:
            raise ValueError("a memo beyond its end")


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


def _load(data: bytes) -> Any:
    _check(data)
    return _plain(_Unpickler(io.BytesIO(data), encoding="latin1").load(), {})


def _read(path: Path) -> bytes:
    if path.stat().st_size > LARGEST:
        raise AssetError(f"{path} is larger than any body model ({LARGEST} bytes); get the original file.")
    return path.read_bytes()


def load_pickle(path: Path) -> Any:
    """The pickled value, made of dicts, arrays and scipy matrices. Raises `AssetError`."""
    with damage_named(path):
        return _load(_read(path))


def load_npy(path: Path) -> Any:
    """An .npy file, whose objects, if it holds any, go through the same gate. Raises `AssetError`."""
    with damage_named(path):
        return _parsed(_read(path))


def load_npz(path: Path) -> dict[str, Any]:
    """The arrays of an .npz file by name, in the same way. Raises `AssetError`."""
    with damage_named(path), zipfile.ZipFile(path) as archive:
        entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise AssetError(f"{path} unpacks to more than any body model ({LARGEST} bytes); get the original file.")
        return {entry.filename.removesuffix(".npy"): _parsed(archive.read(entry)) for entry in entries}


def _parsed(data: bytes) -> Any:
    """The array of an .npy file's bytes."""
    file = io.BytesIO(data)
    version = npy.read_magic(file)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    rest = data[file.tell() :]
    if dtype.kind == "O":
        loaded = _load(rest)
        return loaded if isinstance(loaded, np.ndarray) and loaded.shape == shape else np.asarray(loaded).reshape(shape)
    if dtype.kind not in _KINDS or math.prod(shape) * dtype.itemsize > len(rest):
        raise ValueError("an array that is not all there")
    return np.frombuffer(rest, dtype, math.prod(shape)).reshape(shape, order="F" if fortran else "C").copy()
