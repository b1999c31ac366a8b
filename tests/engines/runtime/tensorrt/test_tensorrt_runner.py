"""The TensorRT runner against a stand-in of the binding that computes with ONNX Runtime."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from pymafx_live.core.errors import NetworkError
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu

torch = pytest.importorskip("torch")
CARD = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "580.65", 24 << 30)
Open = Callable[..., Any]
Inputs = Callable[[int], dict[str, Any]]


@pytest.fixture(params=[RTX, STANDARD])
def opened(request: pytest.FixtureRequest, fake: ModuleType, make_network: Callable[..., Path], tmp_path: Path) -> Open:
    """Opens the small network on the stand-in, as either library."""
    from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
    from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on

    def open_it(model: Path | None = None, card: Gpu = CARD, memory: Any = None, **options: Any) -> Any:
        site = Site(Flavour(request.param, fake, fake.__version__), card, memory or HostMemory())
        return open_on(site, model or make_network(), RunnerOptions(cache=tmp_path / "cache", **options))

    return open_it


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    assert list(found) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(np.asarray(found[name]), value, atol=1e-6)


def test_every_batch_gives_what_onnx_runtime_gives_as_people_come_and_go(
    opened: Open, make_network: Callable[..., Path], small_inputs: Inputs, fake: ModuleType
) -> None:
    reference = OnnxRuntimeRunner(make_network("again.onnx"))
    runner = opened()
    assert runner.inputs == reference.inputs and runner.outputs == reference.outputs
    fake.seen.batches.clear()
    batches = [1, 2, 3, 4, 5, 6, 7, 8, 8, 5, 2, 1, 1, 7, 1]
    for n in batches:
        inputs = small_inputs(n)
        assert_same(runner.run(inputs), reference.run(inputs))
    assert fake.seen.batches == [next(b for b in (1, 2, 4, 8) if b >= n) for n in batches]
    runner.close()


def test_tensors_and_arrays_of_any_layout_are_taken(opened: Open, small_inputs: Inputs) -> None:
    runner = opened()
    inputs = small_inputs(3)
    expected = {k: v.clone() for k, v in runner.run(inputs).items()}
    mirrored = {"crops": inputs["crops"][:, :, ::-1].copy()[:, :, ::-1], "flags": torch.from_numpy(inputs["flags"])}
    assert_same(runner.run(mirrored), expected)


def test_outputs_stay_where_they_are(opened: Open, small_inputs: Inputs) -> None:
    runner = opened()
    first = runner.run(small_inputs(2))["map"].data_ptr()
    runner.run(small_inputs(5))
    assert runner.run(small_inputs(2))["map"].data_ptr() == first


def test_scratch_memory_is_shared_or_each_contexts_own(
    opened: Open, small_inputs: Inputs, fake: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, give = [], fake.IExecutionContext.set_device_memory

    def watched(context: Any, memory: int, size: int) -> None:
        given.append(memory)
        give(context, memory, size)

    monkeypatch.setattr(fake.IExecutionContext, "set_device_memory", watched)
    runner = opened()
    assert len(given) == 4 and len(set(given)) == 1
    own = opened(own_scratch=True)
    assert len(given) == 4 and fake.seen.builds == 1
    kinds = [getattr(config, "strategy", config).name for config in fake.seen.configs]
    assert kinds == ["USER_MANAGED"] * 4 + ["STATIC"] * 4
    for inputs in map(small_inputs, (3, 8, 1)):
        assert_same(own.run(inputs), runner.run(inputs))
    own.close()


def test_the_largest_batch_is_a_bucket(opened: Open, small_inputs: Inputs, fake: ModuleType) -> None:
    runner = opened(max_batch=6)
    assert list(dict.fromkeys(fake.seen.batches)) == [1, 2, 4, 6]  # the warm-up
    assert runner.run(small_inputs(5))["sums"].shape == (5, 4)
    with pytest.raises(NetworkError, match="has 7 rows, but a batch is 1 to 6"):
        runner.run(small_inputs(7))


def test_a_network_of_fixed_size_is_one_bucket(opened: Open, small_inputs: Inputs, tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    shape = [2, 3]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "fixed", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 10
    onnx.save(model, tmp_path / "fixed.onnx")
    runner = opened(tmp_path / "fixed.onnx")
    assert_same(runner.run({"x": np.ones((2, 3), np.float32)}), {"y": -np.ones((2, 3), np.float32)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flags": None}, "input flags is missing"),
        ({"more": np.zeros(1)}, "no input more"),
        (
            {"crops": np.zeros((3, 12, 11, 3), np.uint8)},
            r"crops must have the shape \(\?, 12, 12, 3\), not \(3, 12",
        ),
        ({"crops": np.zeros((3, 12, 12, 3), np.float32)}, "crops must be uint8, not float32"),
        ({"flags": np.zeros(2, bool)}, "flags has 2 rows, but crops has 3"),
        ({"crops": np.zeros((0, 12, 12, 3), np.uint8), "flags": np.zeros(0, bool)}, "crops has 0 rows"),
    ],
)
def test_wrong_inputs_are_named(opened: Open, small_inputs: Inputs, change: dict[str, Any], message: str) -> None:
    runner = opened()
    inputs = {k: v for k, v in (small_inputs(3) | change).items() if v is not None}
    with pytest.raises(NetworkError, match=message):
        runner.run(inputs)
    runner.run(small_inputs(3))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("set_optimization_profile_async", "refuses its profile at a batch of 1"),
        ("set_input_shape", "refuses the shape of 'crops'"),
        ("set_tensor_address", "refuses the address of 'crops'"),
        ("execute_async_v3", "fails at a batch of 1"),
    ],
)
def test_a_call_that_fails_is_named(opened: Open, fake: ModuleType, method: str, message: str) -> None:
    fake.faults.refuse = method
    with pytest.raises(NetworkError, match=rf"{message}.*{method} was refused"):
        opened()


def test_missing_shapes_are_named(opened: Open, fake: ModuleType) -> None:
    fake.faults.missing = ["flags"]
    with pytest.raises(NetworkError, match="lacks the shape of 'flags'"):
        opened()


def test_a_failure_while_it_runs_is_no_crash(opened: Open, small_inputs: Inputs, fake: ModuleType) -> None:
    runner = opened()
    fake.faults.fail_after = fake.seen.executions
    with pytest.raises(NetworkError, match="fails at a batch of 2: an illegal memory access"):
        runner.run(small_inputs(2))


@pytest.mark.parametrize("opened", [STANDARD], indirect=True)
@pytest.mark.parametrize("kind", ["refused", "inside", "empty"])
def test_a_graph_that_cannot_be_captured_or_lies_is_not_used(
    opened: Open, small_inputs: Inputs, fake: ModuleType, make_network: Callable[..., Path], kind: str
) -> None:
    from pymafx_live.engines.runtime.tensorrt.memory import Call, HostMemory

    class Capturing(HostMemory):
        def capture(self, launch: Call) -> Call:
            if kind == "refused":
                raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
            if kind == "inside":
                fake.faults.fail_after = fake.seen.executions
                try:
                    launch()
                finally:
                    fake.faults.fail_after = None
            launch()
            return lambda: None

    told: list[str] = []
    runner = opened(memory=Capturing(), progress=told.append)
    assert "no CUDA graph for 4 batch sizes" in told[-1]
    reference = OnnxRuntimeRunner(make_network("again.onnx"))
    for n in (1, 3, 8):
        inputs = small_inputs(n)
        assert_same(runner.run(inputs), reference.run(inputs))


@pytest.mark.parametrize("opened", [STANDARD], indirect=True)
def test_a_failure_at_any_run_of_the_warm_up_is_survived_or_said(
    opened: Open, small_inputs: Inputs, fake: ModuleType
) -> None:
    opened()
    whole = fake.seen.executions
    for count in range(whole):
        fake.seen.executions, fake.faults.fail_after = 0, count
        try:
            runner = opened()
        except NetworkError as error:
            assert "an illegal memory access" in str(error)
        else:
            fake.faults.fail_after = None
            assert np.isfinite(np.asarray(runner.run(small_inputs(2))["map"])).all()


@pytest.mark.parametrize("opened", [RTX], indirect=True)
def test_what_rtx_says_of_its_graphs_is_told_once(opened: Open, fake: ModuleType) -> None:
    fake.faults.warning = "CUDA graph capture failed, falling back to launches. (In x at /_src/y.cpp:3)"
    told: list[str] = []
    opened(progress=told.append)
    assert [step for step in told if "capture" in step] == [
        "TensorRT-RTX 1.7.1 says: CUDA graph capture failed, falling back to launches"
    ]


def test_a_full_gpu_is_said(opened: Open, fake: ModuleType) -> None:
    fake.faults.context = True
    with pytest.raises(NetworkError, match="memory does not hold the engine"):
        opened()


def test_a_build_that_runs_out_of_memory_says_what_to_do(opened: Open, fake: ModuleType) -> None:
    fake.faults.build = "[engine.cpp::allocate::9] Error Code 2: OutOfMemory (Requested size was 9 bytes.)"
    with pytest.raises(NetworkError, match=r"the memory ran out; .* fewer people at once than 8"):
        opened()


def test_a_build_that_fails_says_why(opened: Open, fake: ModuleType, tmp_path: Path) -> None:
    fake.faults.build = "Error Code 10: could not find any implementation for node {nms} (In x at /_src/y.cpp:3)"
    with pytest.raises(NetworkError, match=r"could not find any implementation for node \{nms\}\.$"):
        opened()
    assert not list((tmp_path / "cache").glob("*.engine"))


def test_nearest_sampling_is_refused(opened: Open, make_network: Callable[..., Path]) -> None:
    with pytest.raises(NetworkError, match=r"nearest instead of linear .* node sample: .* opset 18"):
        opened(make_network(mode="linear", opset=20))


def test_pictures_of_any_size_get_an_engine_for_each(
    opened: Open, make_network: Callable[..., Path], fake: ModuleType
) -> None:
    model = make_network(size="S")
    reference, runner = OnnxRuntimeRunner(model), opened(model, max_batch=2)
    assert runner.inputs == reference.inputs and runner.outputs == reference.outputs
    assert fake.seen.executions == 0
    rng = np.random.default_rng(2)
    for size in (12, 16, 12, 20, 16, 12):
        inputs = {"crops": rng.integers(0, 256, (2, size, size, 3), dtype=np.uint8), "flags": np.array([True, False])}
        assert_same(runner.run(inputs), reference.run(inputs))
    # sizes that were let go come from the cache; the first build only found out that there is no one size
    assert fake.seen.builds == 3
    with pytest.raises(NetworkError, match="crops must have the shape"):
        runner.run({"crops": np.zeros((2, 12, 12, 4), np.uint8), "flags": np.array([True, False])})
    runner.close()


def test_what_is_no_onnx_is_refused(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(NetworkError, match=r"text.onnx cannot be read by TensorRT"):
        opened(tmp_path / "text.onnx")
    with pytest.raises(NetworkError, match=r"gone.onnx cannot be read \(No such file"):
        opened(tmp_path / "gone.onnx")


def test_progress_is_told_and_may_end_a_build(opened: Open, tmp_path: Path) -> None:
    told: list[str] = []

    def stop(step: str) -> None:
        told.append(step)
        if "50 %" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(progress=stop)
    assert told[-1].endswith("building engine, 50 %")
    assert not list((tmp_path / "cache").glob("*.engine"))
    opened(progress=told.append)
    assert told[-5].endswith("75 %") or told[-5].endswith("100 %")
    assert told[-1] == "warming up a batch of 8"


def test_float32_stays_float32_and_the_workspace_is_bounded(opened: Open, fake: ModuleType) -> None:
    opened(card=Gpu("NVIDIA RTX small", (8, 9), "580", 6 << 30))
    assert fake.seen.cleared == [fake.BuilderFlag.TF32]
    assert fake.seen.workspaces == [3 << 30]


def test_each_library_is_used_in_its_own_way(
    opened: Open, fake: ModuleType, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    runner = opened()
    assert runner.runtime == "tensorrt" and runner.device == "cpu"
    managed = fake.ExecutionContextAllocationStrategy.USER_MANAGED
    files = {path.suffix for path in (tmp_path / "cache").iterdir()}
    if request.node.callspec.params["opened"] == STANDARD:
        assert fake.seen.replays == 0 and fake.seen.configs == [managed] * 4 and fake.seen.targets == []
        assert ".timings" in files and fake.seen.timings == [b""]
        return
    config = fake.seen.configs[0]
    assert fake.seen.replays == 4  # in the warm-up: the first one stalls
    assert fake.seen.targets == [fake.ComputeCapability.SM89] and fake.seen.timings == []
    assert config.strategy == managed
    assert config.cuda_graph_strategy == fake.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
    assert ".kernels" in files and config.cache.content == b"kernels"
    opened()
    assert fake.seen.configs[-1].cache.content == b"kernels"


def test_an_engine_that_never_loads_is_said(opened: Open, fake: ModuleType) -> None:
    fake.faults.deserialize = True
    with pytest.raises(
        NetworkError, match=r"was built by TensorRT.* does not load on the NVIDIA GeForce RTX 4090: Ser"
    ):
        opened()
