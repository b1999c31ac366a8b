"""What the GPU's memory asks of PyTorch, as far as a machine without a GPU can tell, and the processor's variant."""

import inspect

import pytest

torch = pytest.importorskip("torch")


def test_pytorch_has_what_the_gpu_part_calls() -> None:
    assert {"stream", "capture_error_mode"} <= set(inspect.signature(torch.cuda.graph.__init__).parameters)
    for cls, methods in {
        torch.cuda.Stream: ("wait_stream",),
        torch.cuda.Event: ("record", "synchronize"),
    }.items():
        assert all(hasattr(cls, method) for method in methods), cls
    assert issubclass(torch.OutOfMemoryError, RuntimeError)


def test_both_memories_have_the_same_methods() -> None:
    from pymafx_live.engines.runtime.tensorrt.memory import CudaMemory, HostMemory, Memory

    methods = {name for name in vars(Memory) if not name.startswith("_")}
    assert len(methods) >= 8
    for kind in (CudaMemory, HostMemory):
        assert methods <= {name for name in dir(kind) if not name.startswith("_")}
    for name in ("empty", "staging", "capture"):
        assert len({tuple(inspect.signature(getattr(k, name)).parameters) for k in (CudaMemory, HostMemory)}) == 1


def test_on_a_gpu_work_is_ordered_and_captured() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    from pymafx_live.engines.runtime.tensorrt.memory import CudaMemory

    memory = CudaMemory(0)
    x, y = memory.empty((1024,), "float32"), memory.empty((1024,), "float32")
    replay = memory.capture(lambda: y.copy_(2 * x) and None)
    given = torch.arange(1024, device="cuda", dtype=torch.float32)
    with memory.ordered():
        x.copy_(given)
        replay()
    assert torch.equal(y, 2 * given)
