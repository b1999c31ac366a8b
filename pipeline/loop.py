"""The live loop: each frame is detected, tracked and estimated, and leaves as one `FrameResult`."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from pymafx_live.pipeline.interfaces import Detector, Engine, Tracker
from pymafx_live.pipeline.types import Floats, Frame, FrameResult, Person, Track

T = TypeVar("T")
Select = Callable[[Sequence[Track]], list[Track]]
Smooth = Callable[[Sequence[Person], Frame], list[Person]]


@dataclass(frozen=True, slots=True, eq=False)
class _Detection:
    """A frame with the boxes (N, 4) and scores (N,) found in it, None where the detector did not run."""

    frame: Frame
    found: tuple[Floats, Floats] | None
    seconds: float


def results(
    source: Iterable[Frame],
    detector: Detector,
    tracker: Tracker,
    engine: Engine,
    *,
    stride: int = 1,
    overlap: bool = False,
    select: Select = list,
    smooth: Smooth | None = None,
) -> Generator[tuple[FrameResult, Frame]]:
    """One result per frame, in order.

    The detector runs on every `stride`-th frame, and on the first after a cut; between, the tracker predicts.
    `overlap` detects on the next frame while this one is estimated: the results are the same, in less time
    but each a little older, because its frame was taken earlier. `select` says which tracks are estimated, `smooth`
    has the last word on the people.
    """
    run_id = uuid4().hex
    detections: Iterator[_Detection] = _detections(source, detector, stride)
    if overlap:
        detections = _one_ahead(detections)
    for detection in detections:
        frame = detection.frame
        stages = {} if detection.found is None else {"detect": detection.seconds}
        began = time.perf_counter()
        tracks = _tracks(tracker, detection)
        tracked = time.perf_counter()
        people = engine.estimate(frame, select(tracks))
        if smooth is not None:
            people = smooth(people, frame)
        stages |= {"track": tracked - began, "estimate": time.perf_counter() - tracked}
        stages |= {f"estimate/{name}": seconds for name, seconds in engine.stages.items()}
        yield (
            FrameResult(
                source=frame.source,
                sequence=frame.sequence,
                run_id=run_id,
                time=frame.time,
                captured_at=frame.captured_at,
                published_at=time.time(),
                camera=frame.camera,
                people=people,
                stages=stages,
                dropped=frame.dropped,
            ),
            frame,
        )


def _tracks(tracker: Tracker, detection: _Detection) -> list[Track]:
    frame = detection.frame
    ended = tracker.reset() if frame.cut else []
    if detection.found is None:
        return ended + tracker.predict(frame.time)
    return ended + tracker.update(*detection.found, frame.time)


def _detections(source: Iterable[Frame], detector: Detector, stride: int) -> Iterator[_Detection]:
    since = 0
    for frame in source:
        if frame.cut or since % stride == 0:
            since = 0
            began = time.perf_counter()
            found = detector.detect(frame.image)
            yield _Detection(frame, found, time.perf_counter() - began)
        else:
            yield _Detection(frame, None, 0.0)
        since += 1


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made on another thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detect") as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
