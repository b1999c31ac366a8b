"""How often the host waits for the card, launches and copies in a frame, by PyTorch's profiler, which sees them all."""

from collections.abc import Callable, Iterable
from typing import Any

WAITS = ("cudaStreamSynchronize", "cudaEventSynchronize", "cudaDeviceSynchronize", "cudaMemcpy")
KINDS = {
    "waits": WAITS,
    "launches": ("cudaLaunchKernel", "cudaLaunchKernelExC", "cuLaunchKernel", "cuLaunchKernelEx"),
    "graphs": ("cudaGraphLaunch",),
    "copies": ("cudaMemcpyAsync", "cudaMemcpy2DAsync"),
}


def counted_calls(work: Callable[[], object], frames: int) -> dict[str, float]:
    """Calls of each of `KINDS` for one of so many `frames`, of which `work` does all, and the share of time waited."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        work()
    return counts(seen.key_averages(), frames)


def counts(events: Iterable[Any], frames: int) -> dict[str, float]:
    """Of a profile's averages, which have `key`, `count` and `self_cpu_time_total` in microseconds."""
    found = {event.key: event for event in events}
    rows = {kind: sum(found[n].count for n in names if n in found) / frames for kind, names in KINDS.items()}
    waited = sum(found[name].self_cpu_time_total for name in WAITS if name in found)
    return rows | {"waiting": waited / 1e3 / frames}
