"""The exported graphs: what is in the files, whether they compute what the network does, and how they are kept."""

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymafx_live.engines.pymafx.graphs.open import graph_files

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from pymafx_live.core.errors import AssetError, NetworkError, UsageError
from pymafx_live.engines.pymafx.files.bundle import BUNDLE
from pymafx_live.engines.pymafx.graphs import onnx_files as compiled
from pymafx_live.engines.pymafx.graphs import parity
from pymafx_live.engines.runtime import open_runner

NAMES = ("hands", "face", "body")
ALLOWED = {
    # the specification's list, with the pooling of ResNet
    "Conv", "ConvTranspose", "Relu", "LeakyRelu", "Gelu", "Add", "Sub", "Mul", "Div", "MatMul", "Gemm", "GridSample",
    "LayerNormalization", "Softmax", "Gather", "Concat", "Slice", "Split", "Reshape", "Transpose", "Resize", "Where",
    "MaxPool",
    # small arithmetic, and what gives tensors their shape
    "Pow", "Sqrt", "Neg", "Abs", "Sign", "Reciprocal", "Clip", "ReduceSum", "Greater", "Less", "Erf",
    "Cast", "Squeeze", "Unsqueeze", "Expand", "Pad", "Shape", "ConstantOfShape",
}  # fmt: skip
pytestmark = pytest.mark.slow
EXPORT = """
import sys
from pathlib import Path
from pymafx_live.engines.pymafx.graphs.open import graph_files
graph_files(Path(sys.argv[1]), sys.argv[2], print)
"""


def inputs(name: str, n: int) -> dict[str, Any]:
    """A batch for one graph, what others would have found drawn at random."""
    rng = np.random.default_rng(5)
    given: dict[str, Any] = {"crops": parity.noisy_crops(n, 3)}
    if name == "hands":
        given["is_left"] = rng.random(n) < 0.5
    if name == "body":
        shapes = {"face_poses": (4, 18), "hand_state": (2, 109), "hand_votes": (2, 4), "visibility": (2,)}
        given |= {key: rng.normal(0, 0.5, (n, *shape)).astype(np.float32) for key, shape in shapes.items()}
    return given


@pytest.mark.parametrize("precision", ["fp32", "mixed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_graph_has_the_names_and_shapes_that_are_agreed(
    graphs: Any, reference: Any, name: str, precision: str
) -> None:
    runner = open_runner(graphs[precision][name], "onnxruntime")
    parity.check_names(name, runner, reference[name])
    assert [spec.shape[0] for spec in (*runner.inputs.values(), *runner.outputs.values())].count(None) >= 3


@pytest.mark.parametrize("precision", ["fp32", "mixed"])
@pytest.mark.parametrize("name", NAMES)
def test_a_graph_is_what_every_runtime_knows(graphs: Any, name: str, precision: str) -> None:
    model = onnx.load(graphs[precision][name])
    assert {node.op_type for node in model.graph.node} <= ALLOWED
    assert {node.domain for node in model.graph.node} == {""} and not model.functions
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 18)]
    for node in model.graph.node:
        if node.op_type == "GridSample":
            assert {a.name: a.s for a in node.attribute}["mode"] == b"bilinear"
        assert not node.metadata_props and not node.doc_string  # they would name paths of this machine
    takes = [node.op_type for node in model.graph.node if model.graph.input[0].name in node.input]
    assert set(takes) <= {"Cast", "Shape"}  # all that TensorRT can do with bytes


@pytest.mark.parametrize("precision", ["fp32", "mixed"])
def test_a_file_says_what_it_is_of(graphs: Any, assets_dir: Path, precision: str) -> None:
    said = {p.key: p.value for p in onnx.load(graphs[precision]["face"]).metadata_props}
    assert said["graph"] == "face" and said["precision"] == precision and "BGR" in said["input"]
    assert json.loads(said["sources"]) == compiled.source_hashes(assets_dir)
    about = compiled.read_about(graphs[precision]["face"].parent)
    assert about["version"] == said["version"] and about["sources"] == json.loads(said["sources"])


def test_mixed_is_half_but_where_it_is_sensitive(graphs: Any) -> None:
    model = onnx.shape_inference.infer_shapes(onnx.load(graphs["mixed"]["hands"]))
    graph = model.graph
    types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.input, *graph.output)}
    types |= {w.name: w.data_type for w in graph.initializer}
    kinds: dict[str, set[int]] = {}
    for node in graph.node:
        kinds.setdefault(node.op_type, set()).update(types[name] for name in node.input if name)
    single, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    assert kinds["Conv"] == kinds["ConvTranspose"] == kinds["Softmax"] == {half}
    assert kinds["GridSample"] == kinds["LayerNormalization"] == kinds["Sqrt"] == {single}
    regressors = [w for w in graph.initializer if "regressors" in w.name or ".mesh." in w.name]
    assert regressors and {w.data_type for w in regressors} <= {single, onnx.TensorProto.INT64}
    assert graphs["mixed"]["hands"].stat().st_size < 0.55 * graphs["fp32"]["hands"].stat().st_size


# A body costs three times a hand, so its larger batches are left to the gate on the machine that runs them.
BATCHES = (1, 3)


@pytest.mark.parametrize("name", NAMES)
def test_any_batch_gives_what_torch_gives(graphs: Any, reference: Any, name: str) -> None:
    given = inputs(name, max(BATCHES))
    expected = reference[name].run(given)
    runner = open_runner(graphs["fp32"][name], "onnxruntime")
    for n in BATCHES:
        found = runner.run({key: value[:n] for key, value in given.items()})
        assert set(found) == set(expected)
        for key, value in found.items():
            np.testing.assert_allclose(value, expected[key][:n], rtol=1e-4, atol=1e-4, err_msg=f"{key} at {n}")


@pytest.mark.parametrize("precision", ["fp32", "mixed"])
def test_the_chain_of_graphs_is_within_its_limits(graphs: Any, reference: Any, precision: str) -> None:
    runners = {name: open_runner(path, "onnxruntime") for name, path in graphs[precision].items()}
    differences = parity.check(reference, runners, precision, (2,))
    assert len(differences) == 7 and all(d.passes for d in differences), differences
    recorded = compiled.read_about(graphs[precision]["hands"].parent)["parity"]
    assert len(recorded) == 7 and all(0 < r["mean"] <= r["mean_limit"] for r in recorded)
    assert (max(d.worst for d in differences) > 1e-3) == (precision == "mixed")


def test_a_spoiled_graph_fails_where_it_is_spoiled(spoiled: Path, reference: Any) -> None:
    runner = open_runner(spoiled / "hands.onnx", "onnxruntime")
    differences = {d.name: d for d in parity.check(reference, {"hands": runner}, "fp32", (1,))}
    assert not differences["hands"].passes and not differences["visibility"].passes
    assert differences["jaw and eyes"].passes and differences["expression"].passes and differences["camera"].passes


def test_a_graph_in_anothers_place_is_refused(graphs: Any, reference: Any) -> None:
    runner = open_runner(graphs["fp32"]["face"], "onnxruntime")
    with pytest.raises(NetworkError, match=r"not PyMAF-X's graph hands.*is_left"):
        parity.check(reference, {"hands": runner}, "fp32", (1,))


def test_what_fails_is_not_written_unless_forced(
    spoiled: Path, reference: Any, assets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pymafx_live.engines.pymafx.graphs import export as graph_files

    def export_spoiled(folder: Path, part: Path, *rest: Any) -> None:
        for path in spoiled.iterdir():
            (part / path.name).symlink_to(path)

    # what is spared is a minute of exporting and loading; the gate is the real one, with fewer people
    monkeypatch.setattr(graph_files, "_export", export_spoiled)
    monkeypatch.setattr(graph_files, "reference_runners", lambda folder: reference)
    monkeypatch.setattr(graph_files, "check", partial(parity.check, counts=(1,)))
    target, seen = tmp_path / "graphs", []
    target.mkdir()
    (target / "face.onnx").write_bytes(b"an older one")
    with pytest.raises(NetworkError, match=r"stray from the network: .*hands"):
        graph_files.write_graphs(assets_dir, target, "fp32", report=seen.extend)
    assert not all(d.passes for d in seen)
    assert [p.name for p in target.iterdir()] == ["face.onnx"]
    assert (target / "face.onnx").read_bytes() == b"an older one"
    graph_files.write_graphs(assets_dir, target, "fp32", force=True)
    found = compiled.current_graphs(target, compiled.graphs_key(assets_dir, "fp32"))
    assert found is not None and found["face"].stat().st_size > 1e8


def test_a_process_waits_for_the_one_that_writes(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from pymafx_live.engines.pymafx.graphs.onnx_files import locked\n"
    code += "print('asks', flush=True)\nwith locked(Path(sys.argv[1])): print('has it', flush=True)"
    with compiled.locked(tmp_path / "graphs"):
        other = subprocess.Popen([sys.executable, "-c", code, tmp_path / "graphs"], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None and other.stdout.readline() == "asks\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(0.5)
    assert other.communicate(timeout=60)[0] == "has it\n"


def test_cached_graphs_need_no_torch(graphs: Any, assets_dir: Path) -> None:
    code = f"{EXPORT}\nprint(sorted({{'torch', 'onnx', 'onnxscript'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, assets_dir, "fp32"], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_other_sources_code_or_files_make_the_cache_stale(graphs: Any, assets_dir: Path, tmp_path: Path) -> None:
    keys = [compiled.graphs_key(assets_dir, precision) for precision in ("fp32", "mixed")]
    (tmp_path / BUNDLE).mkdir()
    meta = json.loads((assets_dir / BUNDLE / "bundle.json").read_text())
    next(iter(meta["sources"].values()))["sha256"] = "0" * 64
    (tmp_path / BUNDLE / "bundle.json").write_text(json.dumps(meta))
    assert len({*keys, compiled.graphs_key(tmp_path, "fp32")}) == 3

    copy = shutil.copytree(graphs["mixed"]["hands"].parent, tmp_path / "graphs")
    assert compiled.current_graphs(copy, keys[1]) is not None
    assert compiled.current_graphs(copy, keys[0]) is None
    with (copy / "body.onnx").open("r+b") as file:
        file.truncate(1000)
    assert compiled.current_graphs(copy, keys[1]) is None
    (copy / compiled.ABOUT).write_text("{")
    assert compiled.current_graphs(copy, keys[1]) is None


def test_bad_input_is_one_sentence(assets_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no precision 'int8': give one of fp32"):
        graph_files(assets_dir, "int8", print)
    with pytest.raises(AssetError, match="is not a folder"):
        graph_files(tmp_path / "nowhere", "fp32", print)
    (tmp_path / "file").write_text("")
    with pytest.raises(AssetError, match="cannot write"), compiled.locked(tmp_path / "file" / "graphs"):
        pass
    assert compiled.known_precision("fp16") == "mixed"


def test_angles_are_exact_from_the_tiniest_to_half_a_turn() -> None:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    axes = rng.normal(size=(6, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    degrees = np.array([0, 1e-6, 1e-3, 1, 90, 180])
    turned = Rotation.from_rotvec(axes * np.radians(degrees)[:, None])
    base = Rotation.random(6, random_state=1)
    np.testing.assert_allclose(parity.angles(base.as_matrix(), (turned * base).as_matrix()), degrees, atol=2e-8)


def test_the_gate_knows_the_golden_patterns(make_crops: Any) -> None:
    from pymafx_live.engines.pymafx.spec import DEVIATION, MEAN

    crops = np.concatenate([c.numpy() for c in make_crops(1, parity.GOLDEN_SEED)]).transpose(0, 2, 3, 1)
    shown = (parity.smooth_crops(4, parity.GOLDEN_SEED)[..., ::-1] / np.float32(255) - MEAN) / DEVIATION
    inside = (crops * DEVIATION + MEAN >= 0) & (crops * DEVIATION + MEAN <= 1)
    assert inside.mean() > 0.5
    assert np.abs(shown - crops)[inside].max() < 0.5 / 255 / DEVIATION.min() + 1e-5
