"""What OpenVINO compiled is found again, and only for the same file, library, machine and threads."""

import json
import logging
import os
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from pymafx_live.core.files import file_hash, network_folder
from pymafx_live.engines.runtime import RunnerOptions, open_runner

HAND = Path(str(files("pymafx_live.engines.data"))) / "hand_recrop.onnx"


def files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def test_every_circumstance_has_its_folder(tmp_path: Path, own_cache: Path) -> None:
    a, b = tmp_path / "a.onnx", tmp_path / "b.onnx"
    a.write_bytes(b"one")
    b.write_bytes(b"two")
    first = network_folder(None, "openvino", a, "1.0", "a processor", 2)
    assert first is not None and first.parent == own_cache / "openvino"
    assert network_folder(None, "openvino", a, "1.0", "a processor", 2) == first
    others = [
        network_folder(None, "openvino", b, "1.0", "a processor", 2),
        network_folder(None, "openvino", a, "1.1", "a processor", 2),
        network_folder(None, "openvino", a, "1.0", "another", 2),
        network_folder(None, "openvino", a, "1.0", "a processor", 1),
        network_folder(tmp_path, "openvino", a, "1.0", "a processor", 2),
    ]
    a.write_bytes(b"another")
    others.append(network_folder(None, "openvino", a, "1.0", "a processor", 2))
    assert len({first, *others}) == 7


def test_a_folder_that_cannot_be_written_costs_time_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model, root = tmp_path / "a.onnx", tmp_path / "a file"
    for path in (model, root):
        path.write_bytes(b"x")
    assert network_folder(root, "openvino", model) is None
    assert "networks are compiled anew at every start" in caplog.text
    if os.geteuid():  # root may write anywhere
        (tmp_path / "locked").mkdir(mode=0o500)
        assert network_folder(tmp_path / "locked", "openvino", model) is None


def test_openvino_finds_what_it_compiled_and_mends_what_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    monkeypatch.setattr("pymafx_live.engines.runtime.openvino.SMALL", 0)
    caplog.set_level(logging.WARNING)
    cache, x = tmp_path / "kept", np.random.default_rng(0).random((1, 256, 256, 3), np.float32)

    def answer() -> np.ndarray:
        runner = open_runner(HAND, "openvino", RunnerOptions(cache=cache))
        (out,) = runner.run({next(iter(runner.inputs)): x}).values()
        return np.array(out)

    first, kept = answer(), files(cache)
    assert kept, "something was kept"
    times = {path: path.stat().st_mtime_ns for path in kept}
    np.testing.assert_array_equal(answer(), first)
    assert {path: path.stat().st_mtime_ns for path in files(cache)} == times, "nothing was compiled anew"
    blobs = [path for path in kept if path.suffix == ".blob"]
    for damage in (flipped, lambda data: data[:1000], lambda data: b""):
        for path in blobs:
            path.chmod(0o600)
            path.write_bytes(damage(path.read_bytes()))
        np.testing.assert_array_equal(answer(), first)
        assert all(
            file_hash(path) == json.loads((path.parent / "hashes.json").read_bytes())[path.name] for path in blobs
        )
    assert not caplog.records


def flipped(data: bytes) -> bytes:
    """With bytes changed among the weights: OpenVINO itself does not notice, and answers otherwise."""
    damaged = bytearray(data)
    for place in range(1000, len(data) // 3, 500):
        damaged[place] ^= 0x7F
    return bytes(damaged)
