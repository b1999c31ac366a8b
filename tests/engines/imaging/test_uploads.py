"""How frames go up to a GPU: on one where there is one, else by PyTorch's CUDA calls with their real signatures.

The stand-ins know nothing of time, so they show only what is called, with what, and in which order.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock, create_autospec

import numpy as np
import pytest
from numpy.typing import NDArray
from pymafx_live.engines.imaging import HostPicture, Pictures

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.engines.imaging.uploads import PinnedSender, Uploads

WHOLE = np.eye(2, 3)[None]


def frame(value: int, height: int = 6, width: int = 8) -> NDArray[np.uint8]:
    return np.random.default_rng(value).integers(0, 256, (height, width, 3), np.uint8)


class Cuda:
    """PyTorch's CUDA calls, which are written down, on tensors that lie on the processor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log, self.pinned = Mock(), 0
        self.consumer = create_autospec(torch.cuda.Stream, instance=True)
        self.log.attach_mock(self.consumer, "consumer")
        self.events: list[Any] = []
        real_empty = torch.empty
        monkeypatch.setattr(torch.cuda, "Stream", create_autospec(torch.cuda.Stream))
        monkeypatch.setattr(torch.cuda, "Event", self._event)
        monkeypatch.setattr(torch.cuda, "stream", Mock(side_effect=self._entered))
        current = create_autospec(torch.cuda.current_stream, return_value=self.consumer)
        monkeypatch.setattr(torch.cuda, "current_stream", current)
        monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, stream: self.log.record_stream(stream))

        def empty(*size: Any, pin_memory: bool = False, **options: Any) -> Any:
            self.pinned += pin_memory
            return real_empty(*size, **options)

        monkeypatch.setattr(torch, "empty", empty)

    def _event(self) -> Any:
        event = create_autospec(EVENT, instance=True)
        self.log.attach_mock(event, f"event{len(self.events)}")
        self.events.append(event)
        return event

    def _entered(self, stream: Any) -> Any:
        context = STREAM_CONTEXT(None)  # the real one, which does nothing without a GPU
        self.log.enter(stream)
        return context

    def calls(self) -> list[str]:
        return [name for name, _, _ in self.log.mock_calls]


EVENT, STREAM_CONTEXT = torch.cuda.Event, torch.cuda.stream


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Cuda:
    if torch.cuda.is_available():
        pytest.skip("the GPU itself is tested")
    return Cuda(monkeypatch)


@pytest.fixture
def uploads(cuda: Cuda) -> Uploads:
    made = Uploads("cpu", 2)
    made._sender = PinnedSender(torch.device("cpu"))
    return made


def test_the_consumer_waits_for_the_copy_and_keeps_its_memory(cuda: Cuda, uploads: Uploads) -> None:
    image = frame(1)
    found = uploads.show(image).warp(WHOLE, 6).made().numpy()
    np.testing.assert_array_equal(found[0], image[:6, :6])
    before, after = cuda.events
    before.synchronize.assert_called_once_with()
    after.record.assert_called_once_with(uploads._sender._stream)
    cuda.consumer.wait_event.assert_called_once_with(after)
    cuda.log.record_stream.assert_called_once_with(cuda.consumer)
    assert cuda.calls() == ["event0.synchronize", "enter", "event1.record", "consumer.wait_event", "record_stream"]


def test_staging_memory_is_pinned_once_and_not_written_before_it_was_read(cuda: Cuda, uploads: Uploads) -> None:
    pictures = [uploads.show(frame(k)) for k in range(3)]
    assert cuda.pinned == 1
    for k, event in enumerate(cuda.events[:3]):
        event.synchronize.assert_called_once_with()
        assert cuda.calls().index(f"event{k}.synchronize") < cuda.calls().index(f"event{k + 1}.record")
    for k, picture in enumerate(pictures):
        np.testing.assert_array_equal(picture.warp(WHOLE, 6).made().numpy()[0], frame(k)[:6, :6])
    uploads.show(frame(3, 12, 16))
    uploads.show(frame(4))
    assert cuda.pinned == 2, "a larger frame wants more, a smaller one does not"


def test_who_asks_second_waits_for_the_same_copy(cuda: Cuda, uploads: Uploads) -> None:
    image = frame(1)
    assert uploads.show(image) is uploads.show(image)
    assert len(cuda.events) == 2
    assert [call.args for call in cuda.consumer.wait_event.call_args_list] == [(cuda.events[1],)] * 2


def test_every_consumer_has_a_stream_of_its_own(cuda: Cuda, uploads: Uploads) -> None:
    made = torch.cuda.Stream.call_count
    with uploads.lane(), uploads.lane():
        pass
    assert torch.cuda.Stream.call_count == made + 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_shows_what_the_host_shows() -> None:
    """Many frames from two threads on lanes of their own, so that memory is used again while others read."""
    pictures = Pictures()
    maps = np.array([[[2.0, 0.3, -5], [-0.3, 2.0, 9]], [[9.0, 0, 3], [0, 9.0, -40]]])
    frames = [np.repeat(np.repeat(frame(k, 45, 80), 24, 0), 24, 1) for k in range(10)]

    def check(_: int) -> None:
        lane = pictures.lane("cuda:0")
        for image in frames:
            with lane:
                found = pictures.on(image, "cuda:0").warp(maps, 224, antialias=True).made().cpu().numpy()
            difference = np.abs(found.astype(int) - HostPicture(image).warp(maps, 224, antialias=True))
            assert difference.max() <= 8 and difference.mean() < 0.1  # edges, on a grid of 1/32 pixel before OpenCV 5

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(check, range(2)))
