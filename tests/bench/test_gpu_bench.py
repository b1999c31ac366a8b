"""The benchmark of a GPU, as far as a machine without one can show it."""

from pathlib import Path

import numpy as np
import pytest
from pymafx_live.bench.floor import Rates, Work, fastest, work_of
from pymafx_live.engines.runtime import open_runner
from pymafx_live.pipeline.outputs.zmq import ZmqOutput

onnx = pytest.importorskip("onnx")
gpu = pytest.importorskip("pymafx_live.bench.gpu")


def convolutions(path: Path) -> Path:
    """Bytes (N, 3, 8, 8) through a strided convolution, a transposed one and a product, to (N, 5)."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    weights = {
        "w1": rng.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "w2": rng.normal(size=(4, 2, 2, 2)).astype(np.float32),
        "w3": rng.normal(size=(128, 5)).astype(np.float32),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["crops"], ["floats"], to=TensorProto.FLOAT),
        node("Conv", ["floats", "w1"], ["small"], strides=[2, 2], pads=[1, 1, 1, 1]),
        node("ConvTranspose", ["small", "w2"], ["large"], strides=[2, 2]),
        node("Flatten", ["large"], ["flat"]),
        node("MatMul", ["flat", "w3"], ["out"]),
    ]
    graph = helper.make_graph(
        nodes,
        "convolutions",
        [helper.make_tensor_value_info("crops", TensorProto.UINT8, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(v, k) for k, v in weights.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_operations_and_weights_are_counted(tmp_path: Path) -> None:
    work = work_of(convolutions(tmp_path / "c.onnx"))
    convolution = 2 * (4 * 4 * 4) * (3 * 3 * 3)
    transposed = 2 * (4 * 4 * 4) * (2 * 2 * 2)
    product = 2 * 5 * 128
    assert work.flops == convolution + transposed + product
    assert work.weights == 4 * (108 + 32 + 640)


def test_the_floor_is_the_slower_of_products_and_bytes() -> None:
    rates = Rates(flops=1e12, bytes=1e11)
    work = Work(flops=1e10, weights=2e9)
    assert work.floor(1, rates) == pytest.approx(0.02)
    assert work.floor(4, rates) == pytest.approx(0.04)
    everything = {"hands": work, "face": work, "body": work}
    assert gpu.network_floor(everything, 1, rates) == pytest.approx(0.06)
    assert gpu.network_floor(everything, 4, rates) == pytest.approx(0.08 + 0.04 + 0.04)


def test_the_fastest_call_counts() -> None:
    calls: list[str] = []
    assert fastest(lambda: calls.append("call"), lambda: calls.append("wait")) > 0
    assert calls[:3] == ["wait", "call", "wait"]


def test_the_network_is_run_as_for_so_many_people(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    runners = {name: open_runner(convolutions(tmp_path / f"{name}.onnx"), "onnxruntime") for name in gpu.CROPS}
    batches: list[int] = []
    original = runners["hands"].run
    runners["hands"].run = lambda inputs: batches.append(len(inputs["crops"])) or original(inputs)  # type: ignore
    assert len(gpu.time_network(runners, 3, 5)) == 5
    assert set(batches) == {6} and len(batches) == 5 + gpu.WARM_UP


def test_the_whole_pipeline_is_timed(tmp_path: Path) -> None:
    import av
    from pymafx_live.configs.schema import Settings
    from pymafx_live.core.errors import AssetError
    from pymafx_live.engines.detectors.demo_weights import demo_weights

    try:
        demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    clip = tmp_path / "crowd.mp4"
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *gpu.FULL_HD, "yuv420p"
        for i in range(gpu.WARM_UP + 8):
            image = np.full((*gpu.FULL_HD[::-1], 3), 8 * i, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())
    settings = Settings.model_validate({"detector": {"stride": 4}, "run": {"runtime": "onnxruntime"}})
    output = ZmqOutput("tcp://127.0.0.1:5577")
    try:
        figures = gpu.time_pipeline(clip, settings, output)
    finally:
        output.close()
    assert set(figures) == {"p50", "p95", "p99", "fps", "decoding", "found"}
    assert figures["found"] == 0 and figures["p99"] >= figures["p50"] > figures["decoding"] > 0 < figures["fps"]


def test_without_a_gpu_it_says_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert gpu.main(["--assets", str(tmp_path)]) == 3
    said = capsys.readouterr().err
    assert said.startswith("gpu: this benchmark times a GPU, and ") and said.count("\n") == 1
