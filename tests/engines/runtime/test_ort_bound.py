"""ONNX Runtime on PyTorch's memory, as on a GPU: with the processor as the device."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.engines.detectors.best_anchors import BEST, OUTPUT, with_best_anchors
from pymafx_live.engines.detectors.yolo_layout import Labels
from pymafx_live.engines.runtime import RunnerOptions, ort
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from support import small_graphs

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")


def bound(model: Path) -> OnnxRuntimeRunner:
    runner = OnnxRuntimeRunner(model, RunnerOptions(max_batch=5))
    assert runner._place is None  # on a processor outputs are numpy arrays
    runner._place = torch.device("cpu")
    return runner


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The memory of each tensor that was bound."""
    known, bind = {}, ort._bind

    def noted(to: Any, name: str, tensor: Any) -> None:
        known[name] = tensor.data_ptr()
        bind(to, name, tensor)

    monkeypatch.setattr(ort, "_bind", noted)
    return known


def test_tensors_are_read_and_filled_where_they_lie(tmp_path: Path, addresses: dict[str, int]) -> None:
    runner = bound(small_graphs.mixed(tmp_path / "mixed.onnx"))
    for batch in (1, 3, 2, 5, 1):
        given = small_graphs.mixed_inputs(batch, seed=batch)
        tensors = {name: torch.from_numpy(value) for name, value in given.items()}
        found = runner.run(tensors)
        assert {name: tensor.data_ptr() for name, tensor in (tensors | found).items()} == addresses
        for name, expected in small_graphs.mixed_answer(given).items():
            np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-6)


def test_arrays_and_tensors_may_come_together_and_with_gaps(tmp_path: Path) -> None:
    runner = bound(small_graphs.mixed(tmp_path / "mixed.onnx"))
    given = {name: value[::2] for name, value in small_graphs.mixed_inputs(4).items()}
    found = runner.run({**given, "weights": torch.from_numpy(given["weights"])})
    for name, expected in small_graphs.mixed_answer(given).items():
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-6)


def test_outputs_whose_size_the_library_alone_knows_stay_where_it_puts_them(tmp_path: Path) -> None:
    """As a detector's, whose anchors are as many as the picture is large."""
    path = with_best_anchors(small_graphs.raw_yolo(tmp_path / "y.onnx"), Labels("detect", 3, 1), tmp_path)
    plain, runner = OnnxRuntimeRunner(path), bound(path)
    for anchors in (300, 84, 300, 500):
        raw = np.random.default_rng(anchors).random((2, 7, anchors), dtype=np.float32)
        expected, found = plain.run({"x": raw}), runner.run({"x": torch.from_numpy(raw)})
        assert found["output0"].data_ptr() == runner._made["output0"].data_ptr()
        assert found[OUTPUT].shape == (2, BEST, 6)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name].numpy(), value)
    runner.close()


def test_where_the_library_cannot_share_an_output_it_is_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = bound(small_graphs.raw_yolo(tmp_path / "y.onnx"))
    raw = np.random.default_rng(0).random((1, 7, 84), dtype=np.float32)
    assert isinstance(runner.run({"x": raw})["output0"], torch.Tensor)
    monkeypatch.delattr(ort.ort.OrtValue, "__dlpack__")
    found = runner.run({"x": raw})["output0"]
    assert isinstance(found, np.ndarray)
    np.testing.assert_array_equal(found, raw)
