"""The live loop: the frames of all cameras are detected, tracked and estimated, and leave as one `FrameResult` each."""

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar
from uuid import uuid4

from pymafx_live.core.interfaces import Detector, Engine, Tracker
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.pipeline.cameras import OVER, Batch, Cameras, Item
from pymafx_live.pipeline.lane import Lane, Select, Smooth, Stride
from pymafx_live.pipeline.lookout import Detection, SharedDetector

T = TypeVar("T")
Result = tuple[FrameResult, Frame]
Detected = list[tuple[int, Detection | SourceEvent]]


def results(
    source: Iterable[Item],
    detector: Detector,
    tracker: Tracker,
    engine: Engine,
    *,
    stride: Stride = 1,
    overlap: bool = False,
    select: Select = list,
    smooth: Smooth | None = None,
) -> Generator[Result]:
    """One result per frame of one source, in order, without its events; see `watch`."""
    lane = Lane(tracker, stride, select=select, smooth=smooth)
    with closing(watch([source], [lane], detector, engine, overlap=overlap)) as watched:
        yield from (item for item in watched if not isinstance(item, SourceEvent))


def watch(
    sources: Sequence[Iterable[Item]],
    lanes: Sequence[Lane],
    detector: Detector,
    engine: Engine,
    *,
    overlap: bool = False,
) -> Generator[Result | SourceEvent]:
    """One result per frame of every source, each in its order, and between them what became of the sources.

    The frames that are there at once are one batch of the detector and of the engine; each source has its lane. The
    results of a source are those that it has alone. The detector runs on every `stride`-th frame of a lane and on
    the first after a cut, or with `auto` as often as those who are followed need it (see `Lookout`). Between, the
    tracker predicts, and follows where the engine sees people. `overlap` detects on the next frames while these are
    estimated: the results are the same, in less time but each a little older, because its frame was taken earlier;
    `auto` cannot know so early whether to detect.
    """
    run_id = uuid4().hex
    with closing(SharedDetector(detector)) as shared, closing(Cameras(sources)) as cameras:
        detected = (_detect(batch, lanes, shared) for batch in cameras)
        for batch in _one_ahead(detected) if overlap else detected:
            yield from _estimate(batch, lanes, engine, run_id)


def _detect(batch: Batch, lanes: Sequence[Lane], detector: SharedDetector) -> Detected:
    """What is found in those frames of a batch that have to be looked at now, all at once."""
    asked = [item if isinstance(item, SourceEvent) else lanes[k].ask(item, detector.later) for k, item in batch]
    due = [item for (_, item), known in zip(batch, asked, strict=True) if known is None and isinstance(item, Frame)]
    began = time.perf_counter()
    found = detector.detect([frame.image for frame in due]) if due else []
    seconds = time.perf_counter() - began
    fresh = (Detection(frame, people, seconds) for frame, people in zip(due, found, strict=True))
    return [(k, next(fresh) if known is None else known) for (k, _), known in zip(batch, asked, strict=True)]


def _estimate(batch: Detected, lanes: Sequence[Lane], engine: Engine, run_id: str) -> Iterator[Result | SourceEvent]:
    """The results of a batch: one call of the engine for all."""
    scenes = [lanes[k].begin(item) for k, item in batch if isinstance(item, Detection)]
    began = time.perf_counter()
    estimate = engine.estimate(scenes) if scenes else None
    seconds = time.perf_counter() - began
    people = iter(estimate.people if estimate else ())
    for k, item in batch:
        if isinstance(item, SourceEvent):
            if item.state in OVER:
                engine.forget(item.source)
            yield item
            continue
        assert estimate is not None
        lane, frame = lanes[k], item.frame
        result = lane.finish(frame, next(people), run_id, seconds, estimate.stages)
        if lane.ended:
            engine.forget(frame.source, lane.ended)
        yield result, frame


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made on another thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detect") as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
