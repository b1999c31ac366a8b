"""Torch-TensorRT's dry run over PyMAF-X's graphs: every one must be a single engine, from crops to parameters."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch")
if find_spec("torch_tensorrt") is None:
    pytest.skip("torch-tensorrt is not installed", allow_module_level=True)

pytestmark = pytest.mark.slow

# The library asks for a GPU when it is imported; for a dry run it is told of one.
DRY_RUN = """
import sys, torch
from pathlib import Path
if not torch.cuda.is_available():
    torch.cuda.get_device_capability = lambda *device: (8, 9)
    torch.cuda.current_device = lambda: 0
    torch.cuda.mem_get_info = lambda *device: (8 << 30, 8 << 30)
from pymafx_live.engines.pymafx.files.prepare import load_network
from pymafx_live.engines.pymafx.graphs.modules import GRAPHS, graph_modules
from pymafx_live.engines.runtime.torch_tensorrt import partition
name, spec = sys.argv[2], GRAPHS[sys.argv[2]]
print(partition(graph_modules(load_network(Path(sys.argv[1])))[name], spec.inputs, spec.outputs))
"""


@pytest.mark.parametrize("name", ["hands", "face", "body"])
def test_every_graph_is_one_engine(name: str, assets_dir: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DRY_RUN, str(assets_dir), name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "100.0% coverage" in done.stdout
    assert done.stdout.count("TRT Engine #") == 1
