"""The live loop: the frames of all cameras are detected, tracked and estimated, and leave as one `FrameResult` each."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar
from uuid import uuid4

from pymafx_live.core.interfaces import Detector, Engine, Found, Tracker
from pymafx_live.core.types import OVER, Frame, FrameResult, Person, Scene, SourceEvent, SourceGone, SourceRemoved
from pymafx_live.pipeline.cameras import Batch, Cameras, Item
from pymafx_live.pipeline.faults import Faults, Strict
from pymafx_live.pipeline.lane import Lane, Smooth, Stride
from pymafx_live.pipeline.lookout import Detection, SharedDetector
from pymafx_live.pipeline.selection import Selection

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")
Result = tuple[FrameResult, Frame | None]
"""A result and its frame; one that is `final` has none."""
Detected = list[tuple[Lane, Detection | SourceEvent]]
Answer = tuple[Sequence[Person] | None, float, Mapping[str, float]]
"""The people of one scene, None where the engine has failed, and the seconds of the call and of its stages."""


def results(
    source: Iterable[Item],
    detector: Detector,
    tracker: Tracker,
    engine: Engine,
    *,
    stride: Stride = 1,
    overlap: bool = False,
    select: Selection | None = None,
    smooth: Smooth | None = None,
) -> Generator[tuple[FrameResult, Frame]]:
    """One result per frame of one source, in order, without its events; see `watch`."""
    lane = Lane(tracker, stride, select=select, smooth=smooth)
    with closing(watch(Cameras([source], [lane]), detector, engine, overlap=overlap)) as watched:
        for item in watched:
            if not isinstance(item, SourceEvent) and item[1] is not None:
                yield item[0], item[1]


def watch(
    cameras: Cameras[Lane],
    detector: Detector,
    engine: Engine,
    *,
    overlap: bool = False,
    faults: Faults | None = None,
) -> Generator[Result | SourceEvent]:
    """One result per frame of every source, each in its order, and between them what became of the sources.

    `cameras` have the lane of each source for its key, and are closed at the end. The frames that are there at once are
    one batch of the detector and of the engine. The results of a source are those that it has alone. The detector runs
    on every `stride`-th frame of a lane and on the first after a cut, or with `auto` as often as those who are followed
    need it (see `Lookout`). Between, the tracker predicts, and follows where the engine sees people. `overlap` detects
    on the next frames while these are estimated: the results are the same, in less time but each a little older,
    because its frame was taken earlier; `auto` cannot know so early whether to detect.

    Before the event that a source is over, or has been gone for too long, a `final` result ends who is still there.

    What a part raises on a frame goes to `faults`, and on where that lets it: a frame on which the detector failed is
    as one on which it did not run, on one on which the engine failed all who are known are held. Without `faults`
    every error is raised.
    """
    run_id, faults = uuid4().hex, Strict() if faults is None else faults
    with closing(SharedDetector(detector)) as shared, closing(cameras):
        detected = (_detect(batch, shared, faults) for batch in cameras)
        for batch in _one_ahead(detected) if overlap else detected:
            yield from _estimate(batch, engine, run_id, faults)


def _detect(batch: Batch[Lane], detector: SharedDetector, faults: Faults) -> Detected:
    """What is found in those frames of a batch that have to be looked at now, all at once."""
    asked = [item if isinstance(item, SourceEvent) else _ask(lane, item, detector, faults) for lane, item in batch]
    due = [item for (_, item), known in zip(batch, asked, strict=True) if known is None and isinstance(item, Frame)]
    began = time.perf_counter()
    found = _guarded("detector", due, lambda frames: detector.detect([f.image for f in frames]), _source, faults)
    seconds = time.perf_counter() - began
    fresh = iter(zip(due, found, strict=True))

    def made(lane: Lane, frame: Frame, boxes: Found | None) -> Detection:
        return lane.missed(frame) if boxes is None else Detection(frame, boxes, seconds)

    return [(lane, made(lane, *next(fresh)) if known is None else known)
            for (lane, _), known in zip(batch, asked, strict=True)]  # fmt: skip


def _ask(lane: Lane, frame: Frame, detector: SharedDetector, faults: Faults) -> Detection | None:
    """See `Lane.ask`, which may wait for a detection that was begun before, and that may fail."""
    try:
        return lane.ask(frame, detector.later)
    except Exception as error:
        faults.add("detector", frame.source, error)
        return lane.missed(frame)


def _estimate(batch: Detected, engine: Engine, run_id: str, faults: Faults) -> Iterator[Result | SourceEvent]:
    """The results of a batch: one call of the engine for all.

    Of a source that was lost and has come back since the last batch, the event is before the frame.
    """
    scenes, after = [], []
    for lane, item in batch:
        if isinstance(item, Detection):
            scenes.append((lane, item.frame, lane.begin(item, faults)))
        elif any(lane is other for other, _, _ in scenes):
            after.append((lane, item))
        else:
            yield from _heard(item, lane, engine)
    answers = _people([scene for _, _, scene in scenes], engine, faults)
    for (lane, frame, _), (people, seconds, stages) in zip(scenes, answers, strict=True):
        result = lane.finish(frame, people, run_id, seconds, stages)
        if lane.ended:
            engine.forget(frame.source, lane.ended)
        yield result, frame
    for lane, event in after:
        yield from _heard(event, lane, engine)


def _heard(event: SourceEvent, lane: Lane, engine: Engine) -> Iterator[Result | SourceEvent]:
    """The event, after the goodbye of who is still there where it ends that."""
    if isinstance(event, SourceGone | SourceRemoved) or event.state in OVER:
        engine.forget(event.source)
        if (last := lane.goodbye()) is not None:
            yield last, None
    yield event


def _people(scenes: Sequence[Scene], engine: Engine, faults: Faults) -> list[Answer]:
    """What the engine makes of each scene."""

    def estimate(some: Sequence[Scene]) -> list[Answer]:
        began = time.perf_counter()
        made = engine.estimate(some)
        seconds = time.perf_counter() - began
        return [(people, seconds, made.stages) for people in made.people]

    answers = _guarded(f"engine {engine.name}", scenes, estimate, lambda scene: scene.frame.source, faults)
    return [(None, 0.0, {}) if answer is None else answer for answer in answers]


def _guarded(
    part: str, items: Sequence[In], call: Callable[[Sequence[In]], list[Out]], source: Callable[[In], str],
    faults: Faults,
) -> list[Out | None]:  # fmt: skip
    """What `call` makes of a batch, None for an item that is to blame for an error.

    After an error of several the items are tried one by one: that of another source is not to blame.
    """
    if not items:
        return []
    try:
        made: list[Out | None] = list(call(items))
    except Exception as error:
        if len(items) > 1 and not isinstance(faults, Strict):
            return [one for item in items for one in _guarded(part, [item], call, source, faults)]
        faults.add(part, source(items[0]), error)
        return [None]
    for item in items:
        faults.worked(part, source(item))
    return made


def _source(frame: Frame) -> str:
    return frame.source


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made on another thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detect") as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
