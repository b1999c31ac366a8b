"""Video frames on the card: decoded by the processor, by the card and through the host, or by the card and left there.

The last is tried here alone: a live run takes its frames through the host.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import pymafx_live.engines.data as data
from av.codec.hwaccel import HWAccel
from numpy.typing import NDArray
from pymafx_live.bench.gpu.course import Notes
from pymafx_live.bench.gpu.settings import Bench, listen
from pymafx_live.bench.gpu.timing import WARM_UP, percentiles, waiter
from pymafx_live.core.errors import NetworkError, first_line
from pymafx_live.engines.imaging import Pictures

CLIP = Path(data.__path__[0], "demo.mp4")
"""1280 x 720 in H.264, as cameras on the network send it; those that the benchmark writes itself are MPEG-4."""
ALLOWED = 2.0
"""Grey levels of 255 that a frame may be off on average. H.264 leaves decoders no choice; conversions of colour differ
by about 1.5, and by 2.1 where one takes BT.709 for BT.601."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a frame is decoded, and brought to planes (1, 3, H, W) on the device, as `device.as_planes` makes them."""

    hwaccel: HWAccel | None
    planes: Callable[[Any], Any]


def try_decoding(bench: Bench, notes: Notes) -> None:
    """Times each way, and compares its last frame with the first way's. Raises `NetworkError` where one fails."""
    listen(notes.say)
    expected: NDArray[np.float32] | None = None
    faults = []
    for name, way in _ways(bench).items():
        try:
            took, shown = _decode(CLIP, way, bench)
        except Exception as error:  # PyAV's, PyTorch's and the driver's have no other base
            faults.append(f"{name}: {first_line(error)}")
            notes.add(name, {"failed": faults[-1]})
            continue
        expected = shown if expected is None else expected
        off = np.abs(shown - expected)
        notes.add(name, percentiles(took) | {"mean": float(off.mean()), "worst": float(off.max())})
        if not off.mean() <= ALLOWED:
            faults.append(f"{name}: a frame is off by {off.mean():.1f} of 255 on average")
    if faults:
        raise NetworkError(f"{'; '.join(faults)}.")


def _ways(bench: Bench) -> dict[str, Way]:
    from pymafx_live.engines.imaging.device import DevicePicture
    from pymafx_live.engines.imaging.nv12 import planes_of

    pictures, device = Pictures(torch_on_cpu=not bench.on_gpu), "cuda:0" if bench.on_gpu else "cpu"
    wait = waiter(device)

    def through_host(frame: Any) -> Any:
        picture = pictures.on(frame.to_ndarray(format="bgr24"), device)
        assert isinstance(picture, DevicePicture)
        return picture.planes

    def there(frame: Any) -> Any:
        wait()  # for the decoder's own stream
        return planes_of(frame if bench.on_gpu else frame.reformat(format="nv12"))

    if not bench.on_gpu:
        return {"processor": Way(None, through_host), "processor, NV12": Way(None, there)}
    return {
        "processor": Way(None, through_host),
        "card, through the host": Way(HWAccel("cuda", allow_software_fallback=False), through_host),
        "card, staying there": Way(HWAccel("cuda", allow_software_fallback=False, is_hw_owned=True), there),
    }


def _decode(clip: Path, way: Way, bench: Bench) -> tuple[list[float], NDArray[np.float32]]:
    """The seconds of each frame until its planes are there, and the last ones."""
    wait, took = waiter("cuda:0" if bench.on_gpu else "cpu"), list[float]()
    planes: Any = None
    with av.open(str(clip), hwaccel=way.hwaccel) as container:
        frames: Iterator[Any] = islice(container.decode(video=0), WARM_UP + bench.repeats)
        while True:
            began = time.perf_counter()
            frame = next(frames, None)
            if frame is None:
                return took[WARM_UP:], planes.cpu().numpy()
            planes = way.planes(frame)
            wait()
            took.append(time.perf_counter() - began)
