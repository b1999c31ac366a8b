"""Brings frames to a device once, whoever asks for them there."""

from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
import torch
from pymafx_live.core.arrays import Image
from pymafx_live.engines.imaging.device import DevicePicture, as_planes
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class _Sent:
    """A frame, what it is on the device, and the event after which it is there (None: now)."""

    image: Image
    picture: DevicePicture
    event: Any


class Uploads:
    """The last `kept` frames on one device. Threads may share it."""

    def __init__(self, device: str, kept: int) -> None:
        """`device` is a CUDA device, or `cpu`, where torch works on the processor as it would there."""
        self._device = torch.device(device)
        self._sender = None if self._device.type == "cpu" else PinnedSender(self._device)
        self._kept: deque[_Sent] = deque(maxlen=kept)
        self._lock = Lock()

    def keep(self, kept: int) -> None:
        """Holds so many frames from now on."""
        with self._lock:
            self._kept = deque(self._kept, maxlen=kept)

    def show(self, image: Image) -> DevicePicture:
        """The frame on the device, for work that the caller queues on its current stream from now on."""
        with self._lock:
            # by identity: the frame is held, so no other array can take its place
            sent = next((sent for sent in self._kept if sent.image is image), None)
            if sent is None:
                sent = self._send(image)
                self._kept.append(sent)
        if sent.event is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(sent.event)
            # else its memory could go to the next frame while this stream still reads it
            sent.picture.planes.record_stream(stream)
        return sent.picture

    def lane(self) -> AbstractContextManager[Any]:
        """A stream of its own for the device work of one consumer, current while the context is open."""
        if self._sender is None:
            return nullcontext()
        lane: AbstractContextManager[Any] = torch.cuda.stream(torch.cuda.Stream(self._device))
        return lane

    def _send(self, image: Image) -> _Sent:
        if self._sender is None:
            return _Sent(image, DevicePicture(as_planes(torch.from_numpy(np.ascontiguousarray(image)))), None)
        planes, event = self._sender.send(image)
        return _Sent(image, DevicePicture(planes), event)


class PinnedSender:
    """Copies frames to a GPU from memory that it reads itself, on a stream that nobody else waits in."""

    def __init__(self, device: torch.device) -> None:
        self._device, self._stream = device, torch.cuda.Stream(device)
        self._staging = torch.empty(0, dtype=torch.uint8)
        self._read = torch.cuda.Event()

    def send(self, image: Image) -> tuple[Tensor, Any]:
        """The frame's planes, and the event after which they are there."""
        self._read.synchronize()  # the frame before has left the staging memory, long since as a rule
        if len(self._staging) < image.size:
            self._staging = torch.empty(image.size, dtype=torch.uint8, pin_memory=True)
        staged = self._staging[: image.size].view(image.shape)
        np.copyto(staged.numpy(), image)
        with torch.cuda.stream(self._stream):
            planes = as_planes(staged.to(self._device, non_blocking=True))
            self._read = torch.cuda.Event()
            self._read.record(self._stream)
        return planes, self._read
