"""PyMAF-X's graphs, as they are exported, built with TensorRT-RTX: three engines for all targets at once."""

from pathlib import Path

import pytest
from pymafx_live.engines.pymafx.graphs.open import graph_files
from pymafx_live.engines.runtime.tensorrt.builder import Plan, build
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, load

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")
pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
TARGETS = ("SM86", "SM89", "SM120")


# The body takes as long as the other four together, so it is built in the precision that a GPU is given.
GRAPHS = [("hands", "fp32"), ("hands", "mixed"), ("face", "fp32"), ("face", "mixed"), ("body", "mixed")]


@pytest.mark.parametrize(("name", "precision"), GRAPHS)
def test_every_graph_builds(name: str, precision: str, assets_dir: Path) -> None:
    flavour = load(RTX)
    assert flavour is not None
    model = graph_files(assets_dir, precision, print)[name]
    built = build(flavour, model, Plan((1,), TARGETS), lambda step: None)
    assert len(built.engine) > model.stat().st_size / 2  # the weights are inside
