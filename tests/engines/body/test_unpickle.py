"""Old and hostile pickles: what body models were written with comes out as arrays, and nothing is ever run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from pymafx_live.core.errors import AssetError
from pymafx_live.engines.body.unpickle import load_npy, load_npz, load_pickle

A = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Just enough of chumpy to write what it used to write."""
    ch, reordering = ModuleType("chumpy.ch"), ModuleType("chumpy.reordering")
    for module, name in ((ch, "Ch"), (reordering, "Select")):
        cls = type(name, (), {"__module__": module.__name__})
        setattr(module, name, cls)
        monkeypatch.setitem(sys.modules, module.__name__, module)
    package = ModuleType("chumpy")
    package.Ch, package.Select = ch.Ch, reordering.Select  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "chumpy", package)
    return package


def make(cls: type, **state: Any) -> Any:
    value = cls()
    value.__dict__.update(state)
    return value


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_arrays_and_matrices_come_out(tmp_path: Path, chumpy: ModuleType, protocol: int) -> None:
    dirs = make(chumpy.Ch, x=A)
    value = {
        "plain": A.astype(">f4"), "integers": np.arange(3, dtype=np.uint32), "text": "é", "scalar": np.float64(2),
        "csc": sp.csc_matrix(A), "csr": sp.csr_matrix(A), "coo": sp.coo_matrix(A), "chumpy": dirs,
        "select": make(chumpy.Select, a=dirs, idxs=np.array([0, 5]), preferred_shape=(2, 1)),
    }  # fmt: skip
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    got = load_pickle(path)
    for name in ("plain", "chumpy"):
        np.testing.assert_array_equal(got[name], A)
    for name in ("csc", "csr", "coo"):
        np.testing.assert_array_equal(got[name].toarray(), A)
    np.testing.assert_array_equal(got["select"], [[0], [5]])
    assert got["scalar"] == 2 and got["text"] == "é" and got["integers"].dtype == np.uint32


def test_python_2_wrote_latin_1_and_modules_that_are_gone(tmp_path: Path) -> None:
    """Protocol 2 as Python 2 wrote it: `copy_reg`, byte strings for data, scipy's old module path."""
    data = A[:, 0].astype("<f8").tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I3\ntcnumpy\ndtype\n"
        b"(U\x02f8I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntbI00\nT" + len(data).to_bytes(4, "little") + data + b"tb"
    )
    matrix = b"ccopy_reg\n_reconstructor\n(cscipy.sparse.csc\ncsc_matrix\nc__builtin__\nobject\nNtR"
    state = b"(dU\x06_shape(I3\nI1\ntsU\x04data" + array + b"sU\x07indices(lI0\naI1\naI2\nasU\x06indptr(lI0\naI3\nasb"
    path = tmp_path / "old.pkl"
    path.write_bytes(b"\x80\x02" + matrix + state + b".")
    np.testing.assert_array_equal(load_pickle(path).toarray(), A[:, :1])


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("pwned"),)


@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"weights": v}, lambda v: [A, v]])
def test_nothing_is_ever_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrap: Any) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(wrap(Hostile())))
    with pytest.raises(AssetError, match=r"wants pathlib.*which is not an array"):
        load_pickle(path)
    objects = np.array([Hostile()], object)
    np.save(tmp_path / "o.npy", objects)
    np.savez(tmp_path / "o.npz", D=objects)
    for load, name in ((load_npy, "o.npy"), (load_npz, "o.npz")):
        with pytest.raises(AssetError, match="which is not an array"):
            load(tmp_path / name)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "attack",
    [
        b"cbuiltins\neval\n(V1+1\ntR.",
        b"cnumpy\nload\n(Vx\ntR.",
        b"cnumpy.core.multiarray\n_reconstruct.__globals__\n.",
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        b"cscipy.sparse._csc\ncsc_matrix\n(VA\ntRV..\nb.",
        b"",
        b"\x80\x05garbage",
    ],
)
def test_crafted_bytes_end_in_a_sentence(tmp_path: Path, attack: bytes) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(attack)
    with pytest.raises(AssetError, match=r"model\.pkl"):
        load_pickle(path)


def reduced(*calls: str) -> bytes:
    """A pickle, of protocol 0, of an array of three objects that has the state that is given."""
    array = "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntVb\ntR"
    return (array + "".join(calls) + ".").encode()


DTYPE = "cnumpy\ndtype\n(V{}\nI0\nI1\ntR"
BOMBS = {
    "objects from bytes": reduced("(I1\n(I3\nt", DTYPE.format("O8"), "I00\nVabcdefghabcdefghabcdefgh\ntb"),
    "records that hide objects": reduced("(I1\n(I1\nt", DTYPE.format("V8"), "I00\nVabcdefgh\ntb"),
    "a memo of 2 GB": b"Nr\xff\xff\xff\x7f.",
    "a byte array of 8 GB": b"\x80\x05\x96\x00\x00\x00\x00\x02\x00\x00\x00.",
    "fewer bytes than it says": reduced("(I1\n(I3\nt", DTYPE.format("f8"), "I00\nVabcdefgh\ntb"),
    "a negative shape": reduced("(I1\n(I-1\nt", DTYPE.format("O8"), "I00\n(ltb"),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_no_bytes_crash_or_take_more_memory_than_they_are(tmp_path: Path, bomb: bytes) -> None:
    """In a process of its own, of 1 GB: what was mended here ended it, or took all that there was."""
    path = tmp_path / "model.pkl"
    path.write_bytes(bomb)
    assert "is cut short or damaged" in sentence(path, "load_pickle")


def test_a_matrix_is_checked_before_it_is_used(tmp_path: Path) -> None:
    matrix = sp.csc_matrix(A)
    matrix.indices = np.array([2**28, *matrix.indices[1:]], np.int32)
    (tmp_path / "index.pkl").write_bytes(pickle.dumps(matrix))
    wide = sp.csc_matrix((10, 10))
    wide._shape = (2**20, 2**20)
    (tmp_path / "wide.pkl").write_bytes(pickle.dumps(wide))
    for name in ("index.pkl", "wide.pkl"):
        assert "is cut short or damaged" in sentence(tmp_path / name, "load_pickle")


def test_levels_that_hold_each_other_twice_are_read_once(tmp_path: Path) -> None:
    value: dict[str, Any] = {"x": A}
    for _ in range(60):
        value = {"a": value, "b": value}
    (tmp_path / "deep.pkl").write_bytes(pickle.dumps(value))
    assert load_pickle(tmp_path / "deep.pkl")["a"] is not None


def test_a_zip_that_grows_is_refused_before_it_does(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "zip.npz", a=np.zeros(2**26), b=np.zeros(2**10))
    assert (tmp_path / "zip.npz").stat().st_size < 2**20
    with pytest.raises(AssetError, match=r"zip\.npz unpacks to more than any body model"):
        load_npz(tmp_path / "zip.npz")


def test_an_npy_that_claims_more_than_it_holds(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros(4))
    data = (tmp_path / "a.npy").read_bytes().replace(b"(4,), }            ", b"(9999999999,), }   ")
    (tmp_path / "a.npy").write_bytes(data)
    assert "is cut short or damaged" in sentence(tmp_path / "a.npy", "load_npy")


def sentence(path: Path, load: str) -> str:
    """The `AssetError` of loading in a process that has 1 GB."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30,) * 2)\n"
        "import pathlib, sys\nfrom pymafx_live.core.errors import AssetError\n"
        f"from pymafx_live.engines.body.unpickle import {load}\n"
        f"try:\n    {load}(pathlib.Path(sys.argv[1]))\nexcept AssetError as error:\n    print(error)"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # each thread of it takes address space
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
