from importlib.resources import files
from pathlib import Path

import onnx
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime.onnx_metadata import read_metadata
from support import small_graphs

DATA = Path(str(files("pymafx_live.engines.data")))


def test_it_is_what_onnx_reads(tmp_path: Path) -> None:
    for path in (*DATA.glob("*.onnx"), small_graphs.mixed(tmp_path / "m.onnx")):
        expected = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
        assert expected
        assert read_metadata(path) == expected


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = small_graphs.mixed(tmp_path / "m.onnx")
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(NetworkError, match=r"m\.onnx is no ONNX file, or not whole"):
        read_metadata(path)
    path.write_bytes(b"not a network at all")
    with pytest.raises(NetworkError, match=r"m\.onnx is no ONNX file"):
        read_metadata(path)
    with pytest.raises(NetworkError, match=r"absent\.onnx cannot be read"):
        read_metadata(tmp_path / "absent.onnx")


def test_a_number_that_does_not_end_is_refused_at_once(tmp_path: Path) -> None:
    file = tmp_path / "long.onnx"
    file.write_bytes(b"\xff" * 2_000_000)  # as one number it would take hours
    with pytest.raises(NetworkError, match="is no ONNX file"):
        read_metadata(file)
