"""Torch-TensorRT: its runner on a plain module, and what is said where the library or the GPU is missing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import RunnerOptions, TensorSpec
from pymafx_live.engines.runtime.torch_tensorrt import (
    TorchTensorRTRunner,
    _ordered,
    available,
    compile_module,
    open_torch_tensorrt,
)

torch = pytest.importorskip("torch")
INPUTS = {"a": TensorSpec((None, 3), "float32"), "b": TensorSpec((None,), "bool")}
OUTPUTS = {"sum": TensorSpec((None,), "float32"), "rows": TensorSpec((None, 3), "float32")}


class Small(torch.nn.Module):
    """Gives its outputs in another order than `OUTPUTS`, and notes its batches."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, a: Any, b: Any) -> dict[str, Any]:
        self.batches.append(a.shape[0])
        rows = torch.where(b[:, None], -a, a)
        return {"rows": rows, "sum": rows.sum(1)}


@pytest.mark.parametrize("batch", [1, 2, 5, 8])
def test_names_and_batches_are_kept(batch: int) -> None:
    small = Small()
    runner = TorchTensorRTRunner(_ordered(small, list(INPUTS), list(OUTPUTS)), INPUTS, OUTPUTS, "cpu", 8)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(batch, 3)).astype(np.float32), rng.integers(0, 2, batch).astype(bool)
    found = runner.run({"b": b, "a": torch.from_numpy(a)})
    assert list(found) == list(OUTPUTS) and small.batches == [max(batch, 2)]
    rows = np.where(b[:, None], -a, a)
    np.testing.assert_allclose(found["rows"], rows)
    np.testing.assert_allclose(found["sum"], rows.sum(1), atol=1e-6)


def test_wrong_inputs_and_failures_are_said() -> None:
    def fails(*tensors: Any) -> None:
        raise RuntimeError("CUDA error: out of memory\nmore")

    runner = TorchTensorRTRunner(fails, INPUTS, OUTPUTS, "cpu", 2)
    a, b = np.zeros((2, 3), np.float32), np.zeros(2, bool)
    with pytest.raises(NetworkError, match="input b is missing"):
        runner.run({"a": a})
    with pytest.raises(NetworkError, match="input a has 3 rows, but a batch is 1 to 2"):
        runner.run({"a": np.zeros((3, 3), np.float32), "b": np.zeros(3, bool)})
    with pytest.raises(NetworkError, match=r"cannot run this network: CUDA error: out of memory\.$"):
        runner.run({"a": a, "b": b})


def test_a_machine_that_cannot_run_it_says_so(tmp_path: Path) -> None:
    reason = available()
    if reason is None:
        pytest.skip("this machine can")
    with pytest.raises(NetworkError, match="cannot be used on this machine: "):
        open_torch_tensorrt(tmp_path / "small.pt2")
    with pytest.raises(NetworkError, match="cannot be used on this machine: "):
        compile_module(Small(), INPUTS, OUTPUTS, tmp_path / "small.pt2", RunnerOptions())
    assert not list(tmp_path.iterdir())
