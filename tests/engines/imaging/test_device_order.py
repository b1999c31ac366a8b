"""That the checker of happens-before finds each race that is put in, and none where there is none."""

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.engines.detectors.letterbox_device import DeviceLetterbox
from pymafx_live.engines.imaging.uploads import Uploads
from pymafx_live.engines.runtime.tensorrt.memory import CudaMemory
from support.fake_cuda import DeviceTensor, Event, FakeGpu, Stream, gpu

__all__ = ["gpu"]

MAPS = np.eye(2, 3)[None]


def frame(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (36, 64, 3), np.uint8)


def letterboxed(ahead: bool) -> None:
    """Three frames into a detector's input; with `ahead` its buffers are made on the default stream, as they once
    were."""
    uploads = Uploads("cuda:0", 2)
    lane, made = uploads.lane(), None
    for k in range(3):
        if ahead and made is None:
            made = DeviceLetterbox("cuda:0", (36, 64), (64, 64), 32)
            rows = made.rows(1, np.float32)
        with lane:
            if made is None:
                made = DeviceLetterbox("cuda:0", (36, 64), (64, 64), 32)
                rows = made.rows(1, np.float32)
            made.fill(rows, 0, uploads.show(frame(k)))
            rows.made().cpu()


def shown() -> None:
    """Frames to two consumers, each of which goes on with the next before it has what it made of this one."""
    uploads = Uploads("cuda:0", 2)
    lanes = [uploads.lane(), uploads.lane()]
    for k in range(4):
        image, kept = frame(k), []
        for lane in lanes:
            with lane:
                kept.append(uploads.show(image).warp(MAPS, 8))


def computed() -> None:
    """What a caller's stream writes and reads of a runner's buffers."""
    memory, stream = CudaMemory(), torch.cuda.Stream()
    with memory.ordered():
        buffer = memory.empty((4,), "float32")
    with torch.cuda.stream(stream):
        for k in range(3):
            given = torch.full((4,), float(k), device="cuda:0")
            with memory.ordered():
                buffer.copy_(given)
            assert buffer.cpu().tolist() == [k] * 4


def nothing(*args: object) -> None:
    pass


def test_a_letterbox_made_on_the_default_stream_is_found(gpu: FakeGpu) -> None:
    letterboxed(ahead=False)
    assert gpu.races == []
    letterboxed(ahead=True)
    assert any("stream 0 has written" in race and "letterbox" in race for race in gpu.races), gpu.races


@pytest.mark.parametrize(
    ("use", "cls", "method", "told"),
    [
        (shown, Stream, "wait_event", "reads what stream"),
        (shown, DeviceTensor, "record_stream", "is free again while"),
        (shown, Event, "synchronize", "sent again before it was read"),
        (computed, Stream, "wait_stream", "has written, in any order"),
    ],
)
def test_a_missing_order_is_found(
    gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch, use: Callable[[], None], cls: type, method: str, told: str
) -> None:
    use()
    assert gpu.races == []
    monkeypatch.setattr(cls, method, nothing)
    use()
    assert any(told in race for race in gpu.races), gpu.races


def test_what_comes_down_is_there_when_somebody_has_waited(gpu: FakeGpu) -> None:
    there, pinned = torch.arange(100.0, device="cuda:0"), torch.empty(100, pin_memory=True)
    pinned.copy_(there, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    assert pinned.numpy().tobytes() != np.arange(100, dtype=np.float32).tobytes()
    event.synchronize()
    np.testing.assert_array_equal(pinned.numpy(), np.arange(100))
    assert gpu.counts["waits"] == 1
    event.synchronize()
    assert gpu.counts["waits"] == 1, "it was done long since"


def test_what_the_host_waits_for_is_counted(gpu: FakeGpu) -> None:
    there = torch.ones((3, 4), device="cuda:0")
    gpu.counts.clear()
    there[0], there.view(4, 3), there.permute(1, 0)
    assert not gpu.counts
    there.mul_(2).add(1)
    assert gpu.counts == {"kernels": 2}
    there[:, [0, 2]]
    assert gpu.counts == {"kernels": 3, "copies": 1, "waits": 1}
    assert float(there[0, 0]) == 2 and gpu.counts["waits"] == 2
    torch.ones(3).to("cuda:0", non_blocking=True)
    assert gpu.counts["waits"] == 2
    with pytest.raises(TypeError, match="can't convert cuda:0"):
        there.numpy()
    with pytest.raises(RuntimeError, match="same device"):
        there + torch.ones(4)
