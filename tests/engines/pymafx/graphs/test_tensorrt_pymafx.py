"""PyMAF-X's graphs, as they are exported, built with TensorRT-RTX: three engines for all targets at once."""

from pathlib import Path

import pytest
from pymafx_live.engines.pymafx.graphs.open import graph_files
from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.tensorrt.builder import Plan, build
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, load

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")
pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
TARGETS = ("SM86", "SM89", "SM120")
LARGEST = 2.5
"""Times the weights that an engine for three targets may be."""


# The body takes as long as the other four together, so it is built in the precision that a GPU is given.
GRAPHS = [("hands", "fp32"), ("hands", "mixed"), ("face", "fp32"), ("face", "mixed"), ("body", "mixed")]


@pytest.mark.parametrize(("name", "precision"), GRAPHS)
def test_every_graph_builds(name: str, precision: str, assets_dir: Path) -> None:
    flavour = load(RTX)
    assert flavour is not None
    model = graph_files(assets_dir, precision, print)[name]
    buckets = batch_buckets(16 if name == "hands" else 8)  # as a run asks for up to eight people
    built = build(flavour, model, Plan(buckets, TARGETS), lambda step: None)
    weights = model.stat().st_size
    print(f"{name} {precision}: {weights / 2**20:.0f} MiB of ONNX, {len(built.engine) / 2**20:.0f} of engines")
    # the weights are inside, and not once more for each batch size: a profile for each made that twice as large
    assert weights / 2 < len(built.engine) < LARGEST * weights
