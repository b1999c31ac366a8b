"""PyMAF-X's graphs, as a run exports and builds them, with TensorRT-RTX: three engines for all targets at once."""

from pathlib import Path

import pytest
from pymafx_live.configs.schema import Settings
from pymafx_live.engines.pymafx.graphs.open import chosen_precision, graph_files
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.tensorrt.builder import build
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, load
from pymafx_live.engines.runtime.tensorrt.opening import run_plan

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")
pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
TARGETS = ("SM86", "SM89", "SM120")

# Each engine for three targets in MiB. The body's halves are widened where the graph computes in float32, so that it is
# twice its file; a profile for each batch size made it 675.
SIZES = {
    ("hands", "fp32"): 140, ("hands", "mixed"): 75, ("face", "fp32"): 145, ("face", "mixed"): 80,
    ("body", "mixed"): 292,
}  # fmt: skip
NEAR = 0.15


@pytest.mark.parametrize(("name", "precision"), SIZES)
def test_what_a_run_builds_holds_its_weights_once(name: str, precision: str, assets_dir: Path) -> None:
    """For compute capabilities 8.6, 8.9 and 12.0, and every batch of a run: 1, 2, 4 and 8."""
    flavour = load(RTX)
    assert flavour is not None
    settings = Settings()
    plan = run_plan(RunnerOptions(max_batch=settings.engine.max_batch), TARGETS, 0, {})
    assert plan.buckets == (1, 2, 4, 8)
    if name == "body":  # it takes as long as the other four together: only in the precision that a GPU is given
        assert chosen_precision("tensorrt", settings.run.precision) == precision
    model = graph_files(assets_dir, precision, print)[name]
    found = len(build(flavour, model, plan, lambda step: None).engine) / 2**20
    print(f"{name} {precision}: {model.stat().st_size / 2**20:.0f} MiB of ONNX, {found:.0f} of engines")
    assert found == pytest.approx(SIZES[name, precision], rel=NEAR)
