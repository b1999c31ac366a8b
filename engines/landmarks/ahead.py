"""Networks that look ahead: what is known before a frame's bodies are found is looked at meanwhile, on another core.

Where a followed hand or face is looked at was decided in the frame before, so its network need not wait for the body's.
On 2 cores two networks at a time take 16 ms where one after the other, each on both cores, takes 19 to 22.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Image, Mask
from pymafx_live.engines.landmarks.regions import Regions

Landmarks = TypeVar("Landmarks")
Answer = TypeVar("Answer", covariant=True)


class LandmarkNetwork(Protocol[Answer]):
    """Gives landmarks, a data class of arrays with a row per region."""

    def __call__(self, bgr: Image, regions: Regions) -> Answer:
        """Landmarks in each of the N `regions` of the (H, W, 3) BGR image."""


class Workers:
    """The threads that look ahead: one fewer than there are cores, two at most, for hands and faces; or none."""

    def __init__(self, threads: int, device: str) -> None:
        """`threads` as for a network (0: one per core). Networks on a GPU are not run side by side."""
        cores = min(threads or len(os.sched_getaffinity(0)), len(os.sched_getaffinity(0)))
        count = min(cores - 1, 2) if device == "cpu" else 0
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="ahead") if count > 0 else None

    def submit(self, work: Callable[[], Landmarks]) -> Future[Landmarks] | None:
        """The work under way, or None where nobody is free to do it."""
        return self._pool.submit(work) if self._pool else None

    def close(self) -> None:
        """Ends the threads, after what they are at."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


class LookingAhead(Generic[Landmarks]):
    """A network whose answers for some regions of a frame may have been begun before they are asked for.

    It answers as the network does. One thread at a time may use it; the network runs on one at a time too.
    """

    def __init__(self, network: LandmarkNetwork[Landmarks], workers: Workers) -> None:
        self._network, self._workers = network, workers
        self._begun: tuple[Image, Regions, Future[Landmarks]] | None = None

    def begin(self, bgr: Image, regions: Regions | None) -> None:
        """Begins to look at `regions` of the frame; what was begun before and not asked for is forgotten."""
        self._end()
        if regions is not None and len(regions):
            work = self._workers.submit(lambda: self._network(bgr, regions))
            self._begun = (bgr, regions, work) if work else None

    def __call__(self, bgr: Image, regions: Regions) -> Landmarks:
        """Landmarks in each of the N `regions` of the (H, W, 3) BGR image."""
        begun, self._begun = self._begun, None
        if begun is None or begun[2].cancel():  # not begun, or still waiting for its turn
            return self._network(bgr, regions)
        image, ahead, work = begun
        known = work.result()
        rows = _rows_of(regions, ahead)
        if image is not bgr or (rows < 0).all():
            return self._network(bgr, regions)
        new = rows < 0
        return _merged(known, rows, self._network(bgr, regions[new]) if new.any() else None, new)

    def _end(self) -> None:
        """Waits for what is under way: the network is one thread's at a time."""
        begun, self._begun = self._begun, None
        if begun is not None and not begun[2].cancel():
            begun[2].exception()


def _rows_of(regions: Regions, among: Regions) -> NDArray[np.intp]:
    """For each of N regions the row of the very same one in `among`, or -1, (N,)."""
    asked, begun = (np.column_stack([r.centre, r.side, r.angle]) for r in (regions, among))
    same = (asked[:, None] == begun[None]).all(2)
    return np.where(same.any(1), same.argmax(1), -1)


def _merged(known: Landmarks, rows: NDArray[np.intp], fresh: Landmarks | None, new: Mask) -> Landmarks:
    """Landmarks whose rows are those of `known` at `rows`, and in order those of `fresh` where `new` says so."""
    merged = {}
    for part in fields(known):  # type: ignore[arg-type]
        values = getattr(known, part.name)[rows]
        if fresh is not None:
            values[new] = getattr(fresh, part.name)
        merged[part.name] = values
    return type(known)(**merged)
