"""Networks that look ahead: what is known before a frame's bodies are found is looked at meanwhile, on another core.

Where a followed hand or face is looked at was decided in the frame before, so its network need not wait for the body's.
On 2 cores two networks at a time take 16 ms where one after the other, each on both cores, takes 19 to 22.
"""

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.arrays import Mask
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions

Landmarks = TypeVar("Landmarks")
Answer = TypeVar("Answer", covariant=True)


class LandmarkNetwork(Protocol[Answer]):
    """Gives landmarks, a data class of arrays with a row per region."""

    def __call__(self, images: ImageBatch, regions: Regions) -> Answer:
        """Landmarks in each of the N `regions` of the images."""

    def begin(self, images: ImageBatch, regions: Regions) -> Callable[[], Answer]:
        """What waits for them."""


class Workers:
    """The threads that look ahead: one fewer than there are cores, two at most, for hands and faces; or none."""

    def __init__(self, threads: int, device: str) -> None:
        """`threads` as for a network (0: one per core). Networks on a GPU are not run side by side."""
        cores = min(threads or len(os.sched_getaffinity(0)), len(os.sched_getaffinity(0)))
        self.queued = device != "cpu"
        """Whether what a network shall do is queued on a GPU, where it is under way without a thread."""
        count = 0 if self.queued else min(cores - 1, 2)
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="ahead") if count > 0 else None

    def submit(self, work: Callable[[], Landmarks]) -> Future[Landmarks] | None:
        """The work under way, or None where nobody is free to do it."""
        return self._pool.submit(work) if self._pool else None

    def close(self) -> None:
        """Ends the threads, after what they are at."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


@dataclass(slots=True)
class _Queued(Generic[Landmarks]):
    """What is under way on a GPU, in a `Future`'s terms."""

    result: Callable[[], Landmarks]

    def cancel(self) -> bool:
        """It cannot be taken back."""
        return False

    def exception(self) -> None:
        """It need not be waited for: what comes next is queued after it."""


class LookingAhead(Generic[Landmarks]):
    """A network whose answers for some regions of a frame may have been begun before they are asked for.

    It answers as the network does. One thread at a time may use it; the network runs on one at a time too.
    """

    def __init__(self, network: LandmarkNetwork[Landmarks], workers: Workers) -> None:
        self._network, self._workers = network, workers
        self._begun: tuple[ImageBatch, Regions, Future[Landmarks] | _Queued[Landmarks]] | None = None

    def begin(self, images: ImageBatch, regions: Regions | None) -> None:
        """Begins to look at `regions` of the frames; what was begun before and not asked for is forgotten."""
        self._end()
        if regions is not None and len(regions):
            work = self._work(images, regions)
            self._begun = (images, regions, work) if work else None

    def __call__(self, images: ImageBatch, regions: Regions) -> Landmarks:
        """Landmarks in each of the N `regions` of the images."""
        begun, self._begun = self._begun, None
        if begun is None or begun[2].cancel():  # not begun, or still waiting for its turn
            return self._network(images, regions)
        shown, ahead, work = begun
        known = work.result()
        rows = _rows_of(images, regions, shown, ahead)
        if (rows < 0).all():
            return self._network(images, regions)
        new = rows < 0
        return _merged(known, rows, self._network(images[new], regions[new]) if new.any() else None, new)

    def _work(self, images: ImageBatch, regions: Regions) -> "Future[Landmarks] | _Queued[Landmarks] | None":
        if self._workers.queued:
            return _Queued(self._network.begin(images, regions))
        return self._workers.submit(lambda: self._network(images, regions))

    def _end(self) -> None:
        """Waits for what is under way: the network is one thread's at a time."""
        begun, self._begun = self._begun, None
        if begun is not None and not begun[2].cancel():
            begun[2].exception()


def _rows_of(images: ImageBatch, regions: Regions, begun_images: ImageBatch, begun: Regions) -> NDArray[np.intp]:
    """For each of N regions the row of the very same one of the same image among those `begun`, or -1, (N,)."""
    asked, known = (
        np.column_stack([r.centre, r.side, r.angle, i.index]) for i, r in ((images, regions), (begun_images, begun))
    )
    same = (asked[:, None] == known[None]).all(2)
    still = [image is now for image, now in zip(begun_images.images, images.images, strict=False)]
    same &= np.pad(still, (0, len(begun_images.images) - len(still)))[begun_images.index]
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
