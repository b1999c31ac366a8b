"""PyMAF-X runs in PyTorch while another process builds a better runtime for it, and changes to that."""

import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra `torch` is not installed")
pytest.importorskip("safetensors")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.pymafx.estimator import Estimator
from pymafx_live.engines.pymafx.graphs import open as opening
from pymafx_live.engines.pymafx.graphs import parity
from pymafx_live.engines.runtime import Choice, RunnerOptions
from pymafx_live.engines.runtime.tensorrt import is_built
from pymafx_live.engines.runtime.tensorrt import opening as tensorrt
from pymafx_live.engines.runtime.tensorrt.flavour import STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu
from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
from support.fakes import load_fake

LIMIT = 600.0
CARD = Gpu("NVIDIA H100 80GB HBM3", (9, 0), "580", 80 << 30)
WAITS = """
import sys, time
from pathlib import Path
from pymafx_live.engines.pymafx.graphs.build import main
print("building slowly", flush=True)
while not Path(sys.argv[1]).exists():
    time.sleep(0.02)
sys.exit(main(sys.argv[2:]))
"""


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = load_fake()
    monkeypatch.setattr(tensorrt, "_find", lambda device=0: (CARD, Flavour(STANDARD, module, "11.4")))
    return module


@pytest.mark.slow
def test_frames_are_estimated_while_it_is_built_and_afterwards_alike(
    graphs: Any, prepared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime in TensorRT's place: the same process, command and exchange; a build as slow as is wanted."""
    command = opening.build_command

    def slowly(*given: Any) -> list[str]:
        module, *rest = command(*given)[1:]
        assert module == "pymafx_live.engines.pymafx.graphs.build"
        return ["-c", WAITS, str(tmp_path / "go"), *rest]

    monkeypatch.setattr(opening, "build_command", slowly)
    told: list[str] = []
    options = RunnerOptions(max_batch=2, cache=tmp_path / "cache", progress=told.append)
    runners = opening.meanwhile(prepared_dir, "onnxruntime", "fp32", options, told.append)
    estimator = Estimator(runners, 2)
    try:
        (people,) = parity.people((1,))
        before = parity.estimate(runners, people, 2)
        assert estimator.about.startswith("PyTorch") and "building slowly" in told
        (tmp_path / "go").touch()
        deadline = time.monotonic() + LIMIT
        while not estimator.about.startswith("ONNX Runtime"):
            assert time.monotonic() < deadline, told
            after = parity.estimate(runners, people, 2)
            assert parity.angles(before["rotmat"], after["rotmat"]).max() < 0.01
        after = parity.estimate(runners, people, 2)
        assert 0 < parity.angles(before["rotmat"], after["rotmat"]).max() < 0.01
        assert np.abs(before["pred_cam"] - after["pred_cam"]).max() < 1e-3
        assert [line for line in told if line.startswith("body runs on ONNX Runtime")]
    finally:
        estimator.close()


def test_auto_waits_only_where_nothing_has_to_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    best = [Choice("tensorrt", "it is there"), Choice("onnxruntime", "it runs everywhere")]
    monkeypatch.setattr(opening, "choices", lambda **_: best)
    monkeypatch.setattr(opening, "meanwhile", lambda *given: asked.append(given[1]) or {})
    monkeypatch.setattr(opening, "_gate", lambda *given: pytest.fail("it was opened"))
    monkeypatch.setattr(opening, "_is_built", lambda *given: False)
    opening.open_graphs(tmp_path, "auto", "auto", RunnerOptions(), print)
    assert asked == ["tensorrt"]
    monkeypatch.setattr(opening, "_is_built", lambda *given: True)
    with pytest.raises(pytest.fail.Exception, match="it was opened"):
        opening.open_graphs(tmp_path, "auto", "auto", RunnerOptions(), print)
    assert asked == ["tensorrt"]


def test_what_is_built_is_what_passed_and_lies_in_the_cache(
    fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymafx_live.bench.gpu.small import small_network

    model = small_network(tmp_path / "body.onnx")
    options = RunnerOptions(max_batch=2, cache=tmp_path / "cache")
    verdicts: dict[str, Any] = {}

    class Gate:
        def verdict(self, precision: str) -> Any:
            return verdicts.get(precision)

    monkeypatch.setattr(opening, "_gate", lambda *given: Gate())
    monkeypatch.setattr(opening, "current_graphs", lambda target, key: {"body": model})
    monkeypatch.setattr(opening, "graphs_key", lambda folder, precision: precision)

    def built() -> bool:
        return opening._is_built(tmp_path, "auto", options)

    assert not built() and not is_built(model, options)
    verdicts["mixed"] = True
    assert not built()
    site = tensorrt.Site(Flavour(STANDARD, fake, "11.4"), CARD, HostMemory())
    tensorrt.open_on(site, model, options).close()
    assert built() and is_built(model, options)
    verdicts["mixed"] = "strays"
    assert not built()
    verdicts["wide"] = True
    assert built()
    verdicts["wide"] = verdicts["fp32"] = "strays"
    assert built()  # and refused at once, without another build
    monkeypatch.setattr(opening, "current_graphs", lambda target, key: None)
    verdicts["fp32"] = True
    assert not built()


def test_without_a_card_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(NetworkError, match="TensorRT cannot be used on this machine"):
        is_built(tmp_path / "any.onnx")


@pytest.mark.slow
def test_the_building_process_says_what_is_wrong(prepared_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from pymafx_live.engines.pymafx.graphs.build import main

    assert main([str(prepared_dir / "none"), "onnxruntime", "fp32", "--max-batch", "2"]) == 3
    assert "is not a folder" in capfd.readouterr().out
