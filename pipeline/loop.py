"""The live loop: each frame is detected, tracked and estimated, and leaves as one `FrameResult`."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Literal, TypeVar
from uuid import uuid4

from pymafx_live.core.interfaces import Detector, Engine, Tracker
from pymafx_live.core.types import Frame, FrameResult, Person, Track, TrackState
from pymafx_live.pipeline.following import Following
from pymafx_live.pipeline.lookout import Detection, Lookout, every

T = TypeVar("T")
Select = Callable[[Sequence[Track]], list[Track]]
Smooth = Callable[[Sequence[Person], Frame], list[Person]]
Stride = int | Literal["auto"]


def results(
    source: Iterable[Frame],
    detector: Detector,
    tracker: Tracker,
    engine: Engine,
    *,
    stride: Stride = 1,
    overlap: bool = False,
    select: Select = list,
    smooth: Smooth | None = None,
) -> Generator[tuple[FrameResult, Frame]]:
    """One result per frame, in order.

    The detector runs on every `stride`-th frame and on the first after a cut, or with `auto` as often as those who are
    followed need it (see `Lookout`). Between, the tracker predicts, and follows where the engine sees people.
    `overlap` detects on the next frame while this one is estimated: the results are the same, in less time but each a
    little older, because its frame was taken earlier; `auto` cannot know so early whether to detect. `select` says
    which tracks are estimated, `smooth` has the last word on the people.
    """
    if stride == "auto":
        with closing(Lookout(detector)) as lookout:
            yield from _results(lookout.detections(source), tracker, engine, select, smooth, lookout)
    else:
        detections = every(source, detector, stride)
        yield from _results(_one_ahead(detections) if overlap else detections, tracker, engine, select, smooth)


def _results(
    detections: Iterable[Detection],
    tracker: Tracker,
    engine: Engine,
    select: Select,
    smooth: Smooth | None,
    lookout: Lookout | None = None,
) -> Generator[tuple[FrameResult, Frame]]:
    run_id = uuid4().hex
    following = Following()
    for detection in detections:
        frame = detection.frame
        stages = {} if detection.found is None else {"detect": detection.seconds}
        began = time.perf_counter()
        tracks = _tracks(tracker, detection, following)
        tracked = time.perf_counter()
        people = engine.estimate(frame, select(tracks))
        tracker.follow(following(tracks, people))
        if lookout is not None:
            lookout.note(frame, tracks, people, following.whereabouts)
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
                published_at=frame.captured_at + frame.age,
                camera=frame.camera,
                people=people,
                stages=stages,
                dropped=frame.dropped,
            ),
            frame,
        )


def _tracks(tracker: Tracker, detection: Detection, following: Following) -> list[Track]:
    frame, found = detection.frame, detection.found
    ended = tracker.reset() if frame.cut else []
    if found is None:
        return ended + tracker.predict(frame.time)
    if detection.then:
        predicted = tracker.predict(frame.time)
        ended += [track for track in predicted if track.state is TrackState.ENDED]
        found = following.brought_up(found, detection.then, predicted)
    return ended + tracker.update(*found, frame.time)


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made on another thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detect") as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
