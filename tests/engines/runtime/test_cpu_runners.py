"""ONNX Runtime and OpenVINO alike: what goes in and out, what is refused, and that they agree."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from pymafx_live.core.errors import NetworkError, UsageError
from pymafx_live.engines.runtime import Runner, RunnerOptions, TensorSpec, open_runner
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from support import small_graphs

DATA = Path(str(files("pymafx_live.engines.data")))
SHAPES = {
    "pose_landmark_full": (256, 256, 3),
    "hand_recrop": (256, 256, 3),
    "hand_landmark_full": (224, 224, 3),
    "face_landmarks_detector": (256, 256, 3),
    "face_blendshapes": (146, 2),
}


@pytest.fixture
def mixed(runtime: str, tmp_path: Path) -> Runner:
    return open_runner(small_graphs.mixed(tmp_path / "mixed.onnx"), runtime, RunnerOptions(max_batch=5))


def test_specs_are_the_files(mixed: Runner, runtime: str) -> None:
    assert (mixed.runtime, mixed.device) == (runtime, "cpu")
    assert mixed.inputs == {
        "picture": TensorSpec((None, 4, 6), "uint8"),
        "flag": TensorSpec((None,), "bool"),
        "weights": TensorSpec((None, 3), "float32"),
    }
    assert mixed.outputs == {"shown": TensorSpec((None, 4, 6), "float32"), "total": TensorSpec((None,), "float32")}


def test_every_batch_gives_its_answer_in_any_order(mixed: Runner) -> None:
    for batch in (1, 3, 2, 5, 4, 1):
        given = small_graphs.mixed_inputs(batch, seed=batch)
        found = mixed.run(dict(reversed(given.items())))
        assert list(found) == ["shown", "total"]
        for name, expected in small_graphs.mixed_answer(given).items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-6, err_msg=f"{name} of {batch}")


def test_arrays_need_not_be_contiguous(mixed: Runner) -> None:
    given = small_graphs.mixed_inputs(4)
    strided = {name: value[::2] for name, value in given.items()}
    found = mixed.run(strided)
    np.testing.assert_array_equal(found["shown"], small_graphs.mixed_answer(strided)["shown"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"flag": None}, r"input flag is missing: it takes picture \(\?, 4, 6\) uint8, flag"),
        ({"flags": np.zeros(2, bool)}, "no input flags"),
        ({"weights": np.zeros((2, 3))}, "input weights must be float32, not float64"),
        ({"picture": np.zeros((2, 4, 6), np.float32)}, "input picture must be uint8, not float32"),
        ({"flag": np.zeros(2, np.uint8)}, "input flag must be bool, not uint8"),
        ({"weights": [[1.0, 2.0, 3.0]]}, "input weights must be float32, not list"),
        ({"weights": np.zeros((2, 4), np.float32)}, r"weights must have the shape \(\?, 3\), not \(2, 4\)"),
        ({"weights": np.zeros(2, np.float32)}, r"weights must have the shape \(\?, 3\), not \(2\)"),
        ({"weights": np.zeros((3, 3), np.float32)}, "weights has 3 rows, but picture has 2"),
    ],
)
def test_what_does_not_fit_is_named(mixed: Runner, change: dict[str, Any], told: str) -> None:
    given = {**small_graphs.mixed_inputs(2), **change}
    with pytest.raises(NetworkError, match=told) as caught:
        mixed.run({name: value for name, value in given.items() if value is not None})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("batch", [0, 6])
def test_a_batch_has_limits(mixed: Runner, batch: int) -> None:
    with pytest.raises(NetworkError, match=f"picture has {batch} rows, but a batch is 1 to 5"):
        mixed.run(small_graphs.mixed_inputs(batch))


@pytest.mark.parametrize("shape", [(2, 3), ("batch", 3), ("batch", "width"), ("width",), ()], ids=str)
def test_axes_may_be_fixed_or_free(
    runtime: str, tmp_path: Path, shape: tuple[int | str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymafx_live.engines.runtime.openvino.FIXED_SIZES", 2)
    runner = open_runner(small_graphs.doubler(tmp_path / "double.onnx", *shape), runtime)
    assert runner.inputs["x"].shape == tuple(n if isinstance(n, int) else None for n in shape)
    for width in (3, 5, 7, 4, 3):  # more sizes than are compiled apart
        given = tuple((2 if n == "batch" else width) if isinstance(n, str) else n for n in shape)
        x = np.random.default_rng(width).normal(size=given).astype(np.float32)
        np.testing.assert_allclose(runner.run({"x": x})["y"], 2 * x, rtol=1e-6)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07", None], ids=["empty", "garbage", "short", "cut off"])
def test_a_broken_file_is_named(
    runtime: str, tmp_path: Path, content: bytes | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = small_graphs.mixed(tmp_path / "broken.onnx")
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(NetworkError, match=r"broken\.onnx cannot be loaded by (ONNX Runtime|OpenVINO) \(.+\)") as told:
        open_runner(path, runtime)
    assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", ""), "nothing but the sentence"


def test_a_closed_runner_runs_no_more(mixed: Runner) -> None:
    mixed.close()
    with pytest.raises(NetworkError):
        mixed.run(small_graphs.mixed_inputs(1))


@pytest.mark.parametrize("name", SHAPES)
def test_the_runtimes_agree_on_the_networks_that_ship(name: str) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    x = np.random.default_rng(0).random((3, *SHAPES[name]), np.float32) * (400 if name == "face_blendshapes" else 1)
    one = RunnerOptions(threads=1)
    a, b = (open_runner(DATA / f"{name}.onnx", runtime, one) for runtime in ("onnxruntime", "openvino"))
    (key,) = a.inputs
    assert (a.inputs, list(a.outputs)) == (b.inputs, list(b.outputs))
    ours, theirs = a.run({key: x}), b.run({key: x})
    for output, expected in ours.items():
        # bfloat16, which OpenVINO would take by itself where the processor has it, misses this by far
        np.testing.assert_allclose(theirs[output], expected, rtol=0, atol=2e-4 * max(1, np.abs(expected).max()))


def test_threads_are_those_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="the extra `openvino` is not installed")
    from pymafx_live.engines.runtime.openvino import OpenVinoRunner

    path = small_graphs.mixed(tmp_path / "mixed.onnx")
    for threads in (1, 2):
        runner = OpenVinoRunner(path, RunnerOptions(threads=threads))
        for request in runner._compiled.values():
            assert request.get_compiled_model().get_property("INFERENCE_NUM_THREADS") == threads
    session = OnnxRuntimeRunner(path, RunnerOptions(threads=1))._session
    assert session.get_session_options().intra_op_num_threads == 1


def test_torch_tensors_are_bound_where_they_lie(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    runner = OnnxRuntimeRunner(small_graphs.mixed(tmp_path / "mixed.onnx"))
    for batch in (1, 3):
        given = small_graphs.mixed_inputs(batch, seed=batch)
        tensors = {name: torch.from_numpy(value) for name, value in given.items()}
        tensors["weights"] = tensors["weights"].T.contiguous().T  # which is not contiguous
        found = runner.run(tensors)
        for name, expected in small_graphs.mixed_answer(given).items():
            np.testing.assert_allclose(found[name], expected, rtol=1e-6)
    with pytest.raises(NetworkError, match="weights must be float32, not float64"):
        runner.run({**tensors, "weights": tensors["weights"].double()})


def test_providers_are_the_builds(tmp_path: Path) -> None:
    path = small_graphs.mixed(tmp_path / "mixed.onnx")
    there = onnxruntime.get_available_providers()
    assert OnnxRuntimeRunner(path, RunnerOptions(providers=("CPUExecutionProvider",))).providers[-1] == there[-1]
    with pytest.raises(UsageError, match=r"no NoSuchProvider: it has .*CPUExecutionProvider"):
        OnnxRuntimeRunner(path, RunnerOptions(providers=("NoSuchProvider",)))
