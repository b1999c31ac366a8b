"""How long a call takes: for the program that waits for it, and by a GPU's own clock."""

import time
from collections.abc import Callable, Sequence

import numpy as np

WARM_UP = 5
PERCENTILES = (50, 95, 99)


def percentiles(seconds: Sequence[float], name: str = "") -> dict[str, float]:
    """The percentiles of durations, in milliseconds, as `p50` and so on; nothing where there are none."""
    return {f"{name}p{p}": 1e3 * float(np.percentile(seconds, p)) for p in PERCENTILES} if seconds else {}


def timed(call: Callable[[], object], device: str, repeats: int, limit: float = 5.0) -> dict[str, float]:
    """Milliseconds of at most `repeats` calls in `limit` seconds: as the program sees them, waiting for each to end.

    On a GPU `event p50` is the time between two events around a call, without the wait: what the card itself took.
    """
    wait, host = waiter(device), list[float]()
    began = time.perf_counter()
    for _ in range(WARM_UP):
        call()
        wait()
        if time.perf_counter() - began > limit / 2:
            break
    began = time.perf_counter()
    while len(host) < repeats and time.perf_counter() - began < limit:
        wait()
        start = time.perf_counter()
        call()
        wait()
        host.append(time.perf_counter() - start)
    found = percentiles(host) | {"runs": len(host)}
    return found | ({"event p50": _by_events(call, device, len(host))} if device.startswith("cuda") else {})


def waiter(device: str) -> Callable[[], object]:
    """What waits until all is done that was queued on the device."""
    if not device.startswith("cuda"):
        return lambda: None
    import torch

    return lambda: torch.cuda.synchronize(device)


def _by_events(call: Callable[[], object], device: str, repeats: int) -> float:
    """The median of the milliseconds between events before and after a call."""
    import torch

    pairs = []
    with torch.cuda.device(device):
        for _ in range(repeats):
            before, after = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            before.record()
            call()
            after.record()
            pairs.append((before, after))
        torch.cuda.synchronize()
    return float(np.median([before.elapsed_time(after) for before, after in pairs]))
