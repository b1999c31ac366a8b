"""Which runtime is taken: the named one or nothing, and with `auto` the next one where one fails."""

import logging
import sys
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from pymafx_live.configs.schema import RunSettings
from pymafx_live.core.errors import NetworkError, UsageError
from pymafx_live.engines.detectors.yolo_onnx import YoloOnnx
from pymafx_live.engines.landmarks.engine import LandmarkEngine, LandmarkOptions
from pymafx_live.engines.runtime import (
    RUNTIMES,
    RunnerOptions,
    as_numpy,
    choices,
    for_onnx,
    open_runner,
    ort,
    selection,
)
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from support import small_graphs
from support.parts import create_detector

OPENVINO = find_spec("openvino") is not None
needs_openvino = pytest.mark.skipif(not OPENVINO, reason="the extra `openvino` is not installed")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path: Path = small_graphs.mixed(tmp_path / "mixed.onnx")
    return path


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes packages look as if they were not installed."""
    real = find_spec
    monkeypatch.setattr(selection, "find_spec", lambda name: None if name in names else real(name))
    monkeypatch.setattr("pymafx_live.engines.runtime.openvino.find_spec", selection.find_spec)


def test_the_setting_knows_every_runtime() -> None:
    assert get_args(RunSettings.model_fields["runtime"].annotation) == RUNTIMES


def test_auto_takes_what_is_there_and_says_why(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pymafx_live")
    runner = open_runner(model)
    assert runner.runtime == choices()[0].runtime
    assert choices()[-1].runtime == "onnxruntime"
    assert f"mixed.onnx runs on {runner.runtime}: {choices()[0].why}." in caplog.messages


def test_without_openvino_it_is_onnx_runtime(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "openvino")
    found = [choice for choice in choices() if choice.runtime != "tensorrt"]
    assert [choice.runtime for choice in found] == ["onnxruntime"]
    assert "OpenVINO is not installed" in found[0].why
    with pytest.raises(UsageError, match=r"needs the package openvino: pip install 'pymafx-live\[openvino\]'"):
        open_runner(model, "openvino")


class Gpu:
    """A module like engines.runtime.tensorrt on a machine where all is there but building fails."""

    opened = 0

    @staticmethod
    def available() -> str | None:
        return None

    @classmethod
    def open_tensorrt(cls, model: Path, options: RunnerOptions) -> OnnxRuntimeRunner:
        cls.opened += 1
        raise NetworkError(f"{model} cannot be built: out of memory.")


@needs_openvino
def test_auto_goes_on_in_order_until_one_works(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """TensorRT cannot build and OpenVINO cannot load: both are told, and ONNX Runtime runs."""
    real, hidden = selection._module, selection._need_package
    monkeypatch.setattr(selection, "_module", lambda name: Gpu if name == "tensorrt" else real(name))
    monkeypatch.setattr(selection, "_need_package", lambda name: None if name == "tensorrt" else hidden(name))
    assert [choice.runtime for choice in choices()] == ["tensorrt", "openvino", "onnxruntime"]
    assert open_runner(model).runtime == "openvino"
    assert Gpu.opened == 1
    assert "out of memory. The next runtime is tried." in caplog.text
    # torch-like operators that OpenVINO lacks fail as its reader does here
    monkeypatch.setattr("pymafx_live.engines.runtime.openvino._read", lambda path: 1 / 0)
    assert open_runner(model).runtime == "onnxruntime"
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    with pytest.raises(NetworkError, match="out of memory"):
        open_runner(model, "tensorrt")
    with pytest.raises(NetworkError, match=r"mixed\.onnx cannot be loaded by OpenVINO"):
        open_runner(model, "openvino")


@pytest.mark.parametrize(
    ("tensorrt", "torch", "onnx", "expected"),
    [
        (True, True, True, ["tensorrt", "onnxruntime"]),
        (False, True, True, ["torch", "onnxruntime"]),
        (False, True, False, ["torch"]),
        (False, False, True, ["onnxruntime"]),
        (False, False, False, []),
    ],
)
def test_a_gpu_comes_before_the_processor_whatever_reaches_it(
    tensorrt: bool, torch: bool, onnx: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = selection._reason_against
    without = None if tensorrt else "there is no TensorRT"
    monkeypatch.setattr(selection, "_reason_against", lambda name: without if name == "tensorrt" else real(name))
    monkeypatch.setattr(selection, "_torch_reaches_gpu", lambda: torch)
    monkeypatch.setattr(selection, "_onnx_runtime_reaches_gpu", lambda: onnx)
    on_processors = (["openvino"] if OPENVINO else []) + ["onnxruntime"]
    assert [choice.runtime for choice in choices(modules=True)] == expected + on_processors
    assert [choice.runtime for choice in choices()] == [name for name in expected if name != "torch"] + on_processors


def test_a_cuda_that_does_not_load_is_said_once(
    model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """ONNX Runtime drops a provider in silence: here one that it was told to have and has not."""
    monkeypatch.setattr(ort, "_say_once", cache(ort._say_once.__wrapped__))
    monkeypatch.setattr(ort.ort, "get_available_providers", lambda: [ort.CUDA, ort.CPU])
    for _ in range(2):
        runner = OnnxRuntimeRunner(model)
    assert runner.device == "cpu" and runner.about.startswith("ONNX Runtime") and "on the processor" in runner.about
    assert [record.message.partition(",")[0] for record in caplog.records] == [
        "ONNX Runtime could not load its CUDAExecutionProvider"
    ]


def test_onnx_runtime_takes_the_file_for_a_gpu_there(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(str(files("pymafx_live.engines.data") / "hand_recrop.onnx"))
    options = RunnerOptions(on_gpu={model: other}.__getitem__)
    assert len(OnnxRuntimeRunner(model, options).inputs) == 3
    monkeypatch.setattr(ort.ort, "get_available_providers", lambda: [ort.CUDA, ort.CPU])
    assert list(OnnxRuntimeRunner(model, options).inputs) == ["input_1"]


def test_a_build_that_hides_cuda_is_said(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(ort, "_say_once", cache(ort._say_once.__wrapped__))
    assert not ort.has_cuda() and not caplog.records
    monkeypatch.setattr(ort, "_is_installed", lambda name: name == "onnxruntime-gpu")
    assert not ort.has_cuda()
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in caplog.text


def test_on_cuda_nothing_is_rounded_and_nothing_searched_for_long() -> None:
    assert ort._provider_options(ort.CUDA, 1) == {
        "device_id": "1", "use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC",
    }  # fmt: skip
    assert ort._provider_options(ort.CPU, 1) == {}


def test_where_all_fail_the_last_tells(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"garbage")
    with pytest.raises(NetworkError, match=r"broken\.onnx cannot be loaded by ONNX Runtime"):
        open_runner(path)


def test_what_cannot_be_had_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"no runtime 'tflite': give one of auto, tensorrt"):
        open_runner(model, "tflite")
    with pytest.raises(NetworkError, match=r"absent\.onnx is missing"):
        open_runner(model.with_name("absent.onnx"))
    hide(monkeypatch, "tensorrt", "tensorrt_rtx", "torch_tensorrt", "torch_tensorrt_rtx")
    for name in ("tensorrt", "torch-tensorrt"):
        with pytest.raises(UsageError, match=rf"pymafx-live\[{name}\]"):
            open_runner(model, name)
    if find_spec("torch"):
        with pytest.raises(UsageError, match="PyTorch runs modules, not ONNX files"):
            open_runner(model, "torch")


def test_runtimes_for_modules_leave_onnx_files_to_auto() -> None:
    assert {name: for_onnx(name) for name in RUNTIMES} == {
        **{name: name for name in RUNTIMES},
        "torch": "auto",
        "torch-tensorrt": "auto",
    }


def test_the_choice_reaches_every_network(runtime: str) -> None:
    engine = LandmarkEngine(LandmarkOptions(threads=1, runtime=runtime))
    looks = (engine._perception.body, engine._perception.hand, engine._perception.face)
    networks = [network for look in looks for network in look.networks]
    assert [network._runner.runtime for network in networks] == [runtime] * 5
    engine.close()
    detector = create_detector(runtime=runtime)
    assert isinstance(detector, YoloOnnx)
    assert detector._runner.runtime == runtime


def test_choosing_imports_no_library_that_executes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("openvino", "tensorrt", "tensorrt_rtx", "torch"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    choices()
    assert not {"openvino", "torch"} & set(sys.modules)


def test_outputs_come_down_as_numpy() -> None:
    torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")
    assert as_numpy(torch.arange(3)).tolist() == [0, 1, 2]
