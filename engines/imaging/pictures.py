"""Shows frames to networks where these run."""

from collections.abc import Collection
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any

from pymafx_live.core.arrays import Image
from pymafx_live.engines.imaging.host import HostPicture
from pymafx_live.engines.imaging.picture import Picture

if TYPE_CHECKING:
    from pymafx_live.engines.imaging.uploads import Uploads


FRAMES = 2
"""Frames of a camera that stay on a GPU: the one that is estimated, and the next one, which is detected meanwhile."""


class Pictures:
    """Frames as `Picture`s on the device of a network; one for a whole run, so that each frame goes up once.

    Detector and engine share it, also from different threads. A frame must not be written to once it was shown.
    """

    def __init__(
        self, cameras: int = 1, *, sizes: Collection[tuple[int, int]] = (), torch_on_cpu: bool = False
    ) -> None:
        """`torch_on_cpu` treats the processor as a GPU is treated: for testing without one."""
        self.sizes = sizes
        """Width and height of the frames that will come, as far as is known: what to warm up for."""
        self._kept = FRAMES * cameras
        self._torch_on_cpu = torch_on_cpu
        self._uploads: dict[str, Uploads] = {}
        self._lock = Lock()

    def serve(self, cameras: int) -> None:
        """From now on frames of so many cameras are shown."""
        with self._lock:
            self._kept = FRAMES * cameras
            for uploads in self._uploads.values():
                uploads.keep(self._kept)

    def stay_on_host(self, device: str) -> bool:
        """Whether networks on `device` (a runner's, `cpu` or `cuda:0`) are shown numpy arrays all the same.

        So it is on the processor, and where the PyTorch that is installed, if any, cannot use the GPU.
        """
        if device == "cpu":
            return not self._torch_on_cpu
        return not _torch_has_cuda()

    def on(self, image: Image, device: str) -> Picture:
        """The (H, W, 3) BGR frame for a network on `device`, ready for the caller's current stream there."""
        return HostPicture(image) if self.stay_on_host(device) else self._to(device).show(image)

    def lane(self, device: str) -> AbstractContextManager[Any]:
        """Where one consumer works on `device`: a stream of its own, so that others need not wait for it.

        It is entered for every frame, by one thread at a time.
        """
        return nullcontext() if self.stay_on_host(device) else self._to(device).lane()

    def _to(self, device: str) -> "Uploads":
        from pymafx_live.engines.imaging.uploads import Uploads

        with self._lock:
            if device not in self._uploads:
                self._uploads[device] = Uploads(device, self._kept)
            return self._uploads[device]


@cache
def _torch_has_cuda() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return bool(torch.cuda.is_available())
