"""Every graph that ships, is rewritten or is exported here: held against the ONNX standard, and looked over.

Polygraphy (the extra `lint`) names nodes that nothing needs, and what ONNX Runtime does not take.
"""

import json
import subprocess
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from pymafx_live.core.errors import AssetError

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")

SHIPPED = sorted(path.stem for path in Path(str(files("pymafx_live.engines.data"))).glob("*.onnx"))
EXPORTED = [f"{name}, {precision}" for precision in ("fp32", "mixed") for name in ("hands", "face", "body")]
POLYGRAPHY = "import sys; from polygraphy.tools import main; sys.exit(main())"
WHOLE = 300.0
"""Seconds after which a look is given up."""


@pytest.fixture(params=[*SHIPPED, "detector", "bench", *EXPORTED])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name: str = request.param
    if name in SHIPPED:
        return Path(str(files("pymafx_live.engines.data") / f"{name}.onnx"))
    if name == "detector":
        return choosing_detector(tmp_path)
    if name == "bench":
        from pymafx_live.bench.gpu.small import small_network

        return small_network(tmp_path / "small.onnx")
    pytest.importorskip("torch", reason="the extra `export` is not installed")
    pytest.importorskip("onnxscript")
    from pymafx_live.engines.pymafx.graphs.open import graph_files

    name, precision = name.split(", ")
    return graph_files(request.getfixturevalue("assets_dir"), precision, print)[name]


def choosing_detector(folder: Path) -> Path:
    """The demo's detector as a GPU runs it."""
    from pymafx_live.engines.detectors.best_anchors import with_best_anchors
    from pymafx_live.engines.detectors.demo_weights import demo_weights
    from pymafx_live.engines.detectors.yolo_layout import read_labels
    from pymafx_live.engines.runtime.onnx_metadata import read_metadata

    try:
        path = demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    made = with_best_anchors(path, read_labels(path, read_metadata(path)), folder)
    assert made != path
    return made


def test_a_graph_keeps_to_the_standard(graph: Path) -> None:
    model = onnx.load(graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)


def lint(model: Path, folder: Path) -> list[dict[str, Any]]:
    """What Polygraphy has to say of a graph."""
    report = folder / "report.json"
    command = [sys.executable, "-c", POLYGRAPHY, "check", "lint", str(model), "-o", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WHOLE)
    assert report.exists(), done.stderr[-2000:] + done.stdout[-2000:]
    entries: list[dict[str, Any]] = json.loads(report.read_text())["lint_entries"]
    assert (done.returncode == 0) == all(entry["level"] == "warning" for entry in entries)
    return entries


@pytest.fixture
def polygraphy() -> None:
    if missing := [name for name in ("polygraphy", "onnx_graphsurgeon") if find_spec(name) is None]:
        pytest.skip(f"{missing[0]}, of the extra `lint`, is not installed")


@pytest.mark.usefixtures("polygraphy")
def test_nothing_in_a_graph_is_for_nothing(graph: Path, tmp_path: Path) -> None:
    assert lint(graph, tmp_path) == []


@pytest.mark.usefixtures("polygraphy")
def test_what_is_for_nothing_is_found(tmp_path: Path) -> None:
    from pymafx_live.bench.gpu.small import small_network

    model = onnx.load(small_network(tmp_path / "small.onnx"))
    model.graph.node.append(onnx.helper.make_node("Relu", ["map"], ["nowhere"], "idle"))
    onnx.save(model, tmp_path / "idle.onnx")
    (entry,) = lint(tmp_path / "idle.onnx", tmp_path)
    assert entry["level"] == "warning" and entry["nodes"] == ["idle"]
