"""What a process holds over time, on the host and on its card."""

import os
import time
from pathlib import Path
from threading import Event, Thread
from typing import Self

from pymafx_live.bench.growth import Quantity, sentence

EVERY = 1.0
MIB = 2**20
STATM = Path("/proc/self/statm")
QUANTITIES = (Quantity("resident", " MiB", 20, 0.02), Quantity("card", " MiB", 8, 0.01))
"""What may not grow in the second half: by more it is a leak."""


class Watch:
    """Samples memory once a second, from its own thread, while the context is open."""

    def __init__(self, on_gpu: bool) -> None:
        self._on_gpu, self._stop = on_gpu, Event()
        self._times: list[float] = []
        self._samples: dict[str, list[float]] = {}
        self._thread = Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def sample(self) -> dict[str, float]:
        """MiB that are held now: `resident`, and on a card `card`, all of it with what other programs hold there."""
        held = {}
        if STATM.exists():
            held["resident"] = int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / MIB
        if self._on_gpu:
            import torch

            free, total = torch.cuda.mem_get_info()
            held |= {"card": (total - free) / MIB, "torch": torch.cuda.memory_reserved() / MIB}
        return held

    def figures(self) -> dict[str, float | str]:
        """The first, the latest and the largest of each, and a sentence where one grows."""
        times = list(self._times)
        found: dict[str, float | str] = {"seconds": times[-1] - times[0] if times else 0.0}
        for name, values in self._samples.items():
            some = values[: len(times)]
            found |= {f"{name}, first": some[0], f"{name}, last": some[-1], f"{name}, most": max(some)}
        for quantity in QUANTITIES:
            values = self._samples.get(quantity.name, [])[: len(times)]
            if len(values) == len(times) and (grows := sentence("the process", quantity, times, values)):
                found[f"{quantity.name} grows"] = grows
        return found

    def _run(self) -> None:
        while not self._stop.is_set():
            for name, value in self.sample().items():
                self._samples.setdefault(name, []).append(value)
            self._times.append(time.monotonic())
            self._stop.wait(EVERY)
