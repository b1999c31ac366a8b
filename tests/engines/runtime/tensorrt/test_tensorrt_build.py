"""Real builds with TensorRT-RTX, which needs no GPU for them: building is the test, for a graph that parses may not."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.engines.landmarks.gpu_graphs import for_gpu
from pymafx_live.engines.landmarks.networks import MAX_BATCH
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.tensorrt import build_engine
from pymafx_live.engines.runtime.tensorrt.builder import Plan, UnsizedError, build
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, Flavour, load
from pymafx_live.engines.runtime.tensorrt.messages import make_logger
from pymafx_live.engines.runtime.tensorrt.opening import run_plan

pytestmark = pytest.mark.slow

trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx-cu13 is not installed")
pytest.importorskip("onnx")
pytest.importorskip("filelock")
TARGETS = ("SM86", "SM89", "SM120")
LANDMARKS = ["face_landmarks_detector.onnx", "hand_landmark_full.onnx", "hand_recrop.onnx", "pose_landmark_full.onnx"]
SIZES = {
    "face_landmarks_detector": 12.1, "hand_landmark_full": 11.4, "hand_recrop": 2.7,
    "pose_landmark_full": 13.4, "yolo11n": 14.5, "yolo11n-best": 15.1,
}  # fmt: skip
"""MiB of each engine for three targets; a profile for each batch size makes it a quarter larger, or four times."""
NEAR = 0.15


@pytest.fixture
def flavour() -> Flavour:
    found = load(RTX)
    assert found is not None
    return found


def assert_fully_supported(model: Path) -> None:
    """The parser keeps the whole graph in one network."""
    logger = make_logger(trt)
    network = trt.Builder(logger).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.supports_model_v2(model.read_bytes(), str(model)), logger.errors
    assert parser.num_subgraphs == 1 and parser.is_subgraph_supported(0)


def assert_size(flavour: Flavour, model: Path, name: str, largest: int, **sizes: tuple[int, ...]) -> None:
    """Of what a run builds for its batches, for all targets at once."""
    plan = run_plan(RunnerOptions(max_batch=largest), TARGETS, 0, sizes)
    assert plan.buckets == (1, 2, 4, 8)
    found = len(build(flavour, model, plan, lambda step: None).engine) / 2**20
    print(f"{name}: {model.stat().st_size / 2**20:.1f} MiB of ONNX, {found:.1f} of engines")
    assert found == pytest.approx(SIZES[name], rel=NEAR)


@pytest.mark.parametrize("target", TARGETS)
def test_an_engine_is_built_ahead_and_kept(target: str, make_network: Callable[..., Path], tmp_path: Path) -> None:
    told: list[str] = []
    model = make_network()
    assert_fully_supported(model)
    options = RunnerOptions(max_batch=6, cache=tmp_path / "engines", progress=told.append)
    path = build_engine(model, options, target)
    assert path.parent == tmp_path / "engines" and path.stat().st_size > 10_000
    assert any("%" in step for step in told), told
    told.clear()
    assert build_engine(model, options, target.removeprefix("SM")) == path and told == []
    others = {build_engine(model, options, other) for other in TARGETS}
    assert len(others) == 3 and path in others


def test_a_folder_that_takes_no_engine_is_said(make_network: Callable[..., Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(NetworkError, match=r"cannot be written to .*: name another folder"):
        build_engine(make_network(), RunnerOptions(max_batch=1, cache=tmp_path / "file" / "engines"), "8.9")


def test_opset_18_samples_linearly(flavour: Flavour, make_network: Callable[..., Path]) -> None:
    assert build(flavour, make_network(), Plan((1,), TARGETS), lambda step: None).engine


def test_nearest_sampling_is_refused(flavour: Flavour, make_network: Callable[..., Path]) -> None:
    with pytest.raises(NetworkError, match=r"nearest instead of linear .* node sample: .* opset 18"):
        build(flavour, make_network(mode="nearest"), Plan((1,), TARGETS), lambda step: None)


def test_bytes_that_are_not_cast_first_are_refused_by_name(flavour: Flavour, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Transpose", ["x"], ["y"], "turn", perm=[1, 0])],
        "bytes",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [3, 2])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "b.onnx")
    with pytest.raises(NetworkError, match=r"refuses the node turn \(Transpose\): .*UInt8") as error:
        build(flavour, tmp_path / "b.onnx", Plan((1,), TARGETS), lambda step: None)
    assert "\n" not in str(error.value) and "CUDA driver" not in str(error.value)


def test_what_is_no_network_is_refused(flavour: Flavour, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(NetworkError, match=r"text.onnx cannot be read by TensorRT-RTX"):
        build(flavour, tmp_path / "text.onnx", Plan((1,), TARGETS), lambda step: None)


@pytest.mark.parametrize("name", LANDMARKS)
def test_the_landmark_networks_build(flavour: Flavour, name: str) -> None:
    """As they are run on a GPU: the blendshapes are part of the face's."""
    model = for_gpu(Path(str(files("pymafx_live.engines.data") / name)))
    assert_fully_supported(model)
    assert_size(flavour, model, model.stem, MAX_BATCH)


def test_the_detector_builds_for_one_picture_size(flavour: Flavour, tmp_path: Path) -> None:
    """As it is, and as it chooses its best anchors for a GPU."""
    from pymafx_live.engines.detectors.best_anchors import with_best_anchors
    from pymafx_live.engines.detectors.demo_weights import demo_weights
    from pymafx_live.engines.detectors.yolo_layout import read_labels
    from pymafx_live.engines.detectors.yolo_onnx import ROWS
    from pymafx_live.engines.runtime.onnx_metadata import read_metadata

    try:
        model = demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    with pytest.raises(UnsizedError, match="an engine is for one picture size"):
        build(flavour, model, Plan((1,), TARGETS), lambda step: None)
    choosing = with_best_anchors(model, read_labels(model, read_metadata(model)), tmp_path)
    assert choosing != model
    assert_fully_supported(choosing)
    for path, name in ((model, "yolo11n"), (choosing, "yolo11n-best")):
        assert_size(flavour, path, name, ROWS, images=(3, 384, 640))


def test_a_build_of_a_network_that_parses_may_fail_and_says_where(flavour: Flavour, tmp_path: Path) -> None:
    """NonMaxSuppression passes the parser and `supports_model_v2`, but there is no kernel for it."""
    import onnx
    from onnx import TensorProto, helper

    inputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 100, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 100]),
    ]
    limits = [
        helper.make_tensor("most", TensorProto.INT64, [1], [8]),
        helper.make_tensor("iou", TensorProto.FLOAT, [1], [0.5]),
        helper.make_tensor("score", TensorProto.FLOAT, [1], [0.1]),
    ]
    node = helper.make_node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "score"], ["kept"], "nms")
    outputs = [helper.make_tensor_value_info("kept", TensorProto.INT64, ["n", 3])]
    graph = helper.make_graph([node], "nms", inputs, outputs, limits)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "n.onnx")
    with pytest.raises(NetworkError, match=r"n.onnx cannot be built by TensorRT-RTX"):
        build(flavour, tmp_path / "n.onnx", Plan((1,), TARGETS), lambda step: None)


def test_an_engine_does_not_load_without_a_driver(flavour: Flavour, make_network: Callable[..., Path]) -> None:
    from pymafx_live.engines.runtime.tensorrt.loading import load_engine

    if pytest.importorskip("torch").cuda.is_available():
        pytest.skip("this machine has a GPU")
    engine = build(flavour, make_network(), Plan((1,), TARGETS), lambda step: None).engine
    logger = make_logger(trt)
    assert load_engine(flavour, engine, logger, b"") is None and logger.errors


@pytest.mark.parametrize(("largest", "buckets"), [(1, (1,)), (2, (1, 2)), (6, (1, 2, 4, 6)), (8, (1, 2, 4, 8))])
def test_buckets_end_with_the_largest_batch(largest: int, buckets: tuple[int, ...]) -> None:
    assert batch_buckets(largest) == buckets
