"""The live loop: the frames of all cameras are detected, tracked and estimated, and leave as one `FrameResult` each."""

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

from pymafx_live.core.interfaces import Detector, Engine, Found, LookingEngine, Tracker
from pymafx_live.core.types import OVER, Frame, FrameResult, Person, Scene, Seen, SourceEvent, SourceGone, SourceRemoved
from pymafx_live.pipeline.cameras import Batch, Cameras, Item
from pymafx_live.pipeline.faults import Faults, Strict
from pymafx_live.pipeline.halves import in_halves
from pymafx_live.pipeline.lane import Lane, Smooth, Step, Stride
from pymafx_live.pipeline.lookout import Detection, SharedDetector
from pymafx_live.pipeline.selection import Selection

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")
Result = tuple[FrameResult, Frame | None]
"""A result and its frame; one that is `final` has none."""
Detected = list[tuple[Lane, Detection | SourceEvent]]
Look = tuple[Seen, float] | Exception
"""What the engine has seen in a scene, and in how many seconds; or why it has failed."""
Answer = tuple[Sequence[Person], float, Mapping[str, float]]
"""The people of one scene, and the seconds that the engine and its stages took."""


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
    need it (see `Lookout`). Between, the tracker predicts, and follows where the engine sees people.

    `overlap` works on the next frames while results are made of these: it detects, tracks, and has the engine look,
    where that can look ahead (see `LookingEngine`); otherwise it detects only, and `auto` cannot know so early whether
    to. The results are the same, in less time but each a little older, because its frame was taken earlier.

    Before the event that a source is over, or has been gone for too long, a `final` result ends who is still there.

    What a part raises on a frame goes to `faults`, and on where that lets it: a frame on which the detector failed is
    as one on which it did not run, on one on which the engine failed all who are known are held. Without `faults`
    every error is raised.
    """
    run_id, faults, halves = uuid4().hex, Strict() if faults is None else faults, in_halves(engine)
    with closing(SharedDetector(detector)) as shared, closing(cameras):
        for batch in _looked_at(cameras, shared, halves, overlap, faults):
            yield from _estimate(batch, halves, run_id, faults)


def _looked_at(
    cameras: Cameras[Lane], detector: SharedDetector, engine: LookingEngine, overlap: bool, faults: Faults
) -> "Iterator[_Looked]":
    """The batches after the first half of the work, which is done one ahead where stages `overlap`."""
    detected: Iterator[Detected] = (_detect(batch, detector, faults) for batch in cameras)
    if overlap and not engine.looks_ahead:
        detected = _one_ahead(detected)
    looked = (_look(batch, engine, faults) for batch in detected)
    return _one_ahead(looked) if overlap and engine.looks_ahead else looked


def _detect(batch: Batch[Lane], detector: SharedDetector, faults: Faults) -> Detected:
    """What is found in those frames of a batch that have to be looked at now, all at once."""
    asked = [item if isinstance(item, SourceEvent) else _ask(lane, item, detector, faults) for lane, item in batch]
    due = [item for (_, item), known in zip(batch, asked, strict=True) if known is None and isinstance(item, Frame)]
    began = time.perf_counter()
    found = _tried(due, lambda frames: detector.detect([f.image for f in frames]), faults)
    seconds = time.perf_counter() - began
    fresh = iter(zip(due, found, strict=True))

    def made(lane: Lane, frame: Frame, outcome: Found | Exception) -> Detection:
        boxes = _settled("detector", frame.source, outcome, faults)
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


@dataclass(frozen=True, slots=True)
class _Looked:
    """A batch in which the engine has seen people, and what became of its sources before and after their frames."""

    before: Sequence[tuple[Lane, SourceEvent]]
    frames: Sequence[tuple[Lane, Step, Look]]
    after: Sequence[tuple[Lane, SourceEvent]]


def _look(batch: Detected, engine: LookingEngine, faults: Faults) -> _Looked:
    """Brings the tracks up to a batch, and moves them to where the engine sees people: one look for all.

    Of a source that was lost and has come back since the last batch, the event is before the frame.
    """
    before: list[tuple[Lane, SourceEvent]] = []
    after: list[tuple[Lane, SourceEvent]] = []
    steps: list[tuple[Lane, Step]] = []
    for lane, item in batch:
        if isinstance(item, Detection):
            steps.append((lane, lane.begin(item, faults)))
        elif any(lane is other for other, _ in steps):
            after.append((lane, item))
        else:
            _restart(item, lane, engine)
            before.append((lane, item))

    def look(scenes: Sequence[Scene]) -> list[tuple[Seen, float]]:
        began = time.perf_counter()
        seen = engine.look(scenes)
        seconds = time.perf_counter() - began
        return [(one, seconds) for one in seen]

    looks = _tried([step.scene for _, step in steps], look, faults)
    for (lane, step), found in zip(steps, looks, strict=True):
        lane.follow(step, {} if isinstance(found, Exception) else found[0].people)
        if step.ended:
            engine.forget(step.scene.frame.source, step.ended)
    for lane, event in after:
        _restart(event, lane, engine)
    return _Looked(before, [(*known, found) for known, found in zip(steps, looks, strict=True)], after)


def _restart(event: SourceEvent, lane: Lane, engine: LookingEngine) -> None:
    """Forgets who was there where the event ends that."""
    if _ends(event):
        engine.forget(event.source)
        lane.restart()


def _ends(event: SourceEvent) -> bool:
    return isinstance(event, SourceGone | SourceRemoved) or event.state in OVER


def _estimate(batch: _Looked, engine: LookingEngine, run_id: str, faults: Faults) -> Iterator[Result | SourceEvent]:
    """The results of a batch: one call of the engine for all."""
    for lane, event in batch.before:
        yield from _heard(event, lane)
    answers = _people([look for *_, look in batch.frames], engine, faults)
    for (lane, step, _), answer in zip(batch.frames, answers, strict=True):
        source = step.scene.frame.source
        people, seconds, stages = _settled(f"engine {engine.name}", source, answer, faults) or (None, 0.0, {})
        yield lane.finish(step, people, run_id, seconds, stages), step.scene.frame
    for lane, event in batch.after:
        yield from _heard(event, lane)


def _heard(event: SourceEvent, lane: Lane) -> Iterator[Result | SourceEvent]:
    """The event, after the goodbye of who is still there where it ends that."""
    if _ends(event) and (last := lane.goodbye()) is not None:
        yield last, None
    yield event


def _people(looks: Sequence[Look], engine: LookingEngine, faults: Faults) -> list[Answer | Exception]:
    """What the engine makes of what it has seen."""

    def estimate(some: Sequence[tuple[Seen, float]]) -> list[Answer]:
        began = time.perf_counter()
        made = engine.estimate_seen([seen for seen, _ in some])
        seconds = time.perf_counter() - began
        return [
            (people, looking + seconds, made.stages) for people, (_, looking) in zip(made.people, some, strict=True)
        ]

    made = iter(_tried([look for look in looks if not isinstance(look, Exception)], estimate, faults))
    return [look if isinstance(look, Exception) else next(made) for look in looks]


def _tried(items: Sequence[In], call: Callable[[Sequence[In]], Sequence[Out]], faults: Faults) -> list[Out | Exception]:
    """What `call` makes of a batch, the error for an item that is to blame for one.

    After an error of several the items are tried one by one: that of another source is not to blame.
    """
    if not items:
        return []
    try:
        return list(call(items))
    except Exception as error:
        if len(items) > 1 and not isinstance(faults, Strict):
            return [one for item in items for one in _tried([item], call, faults)]
        return [error] * len(items)


def _settled(part: str, source: str, made: Out | Exception, faults: Faults) -> Out | None:
    """What a part has made of a frame of the source, None for an error; tells `faults` which."""
    if isinstance(made, Exception):
        faults.add(part, source, made)
        return None
    faults.worked(part, source)
    return made


def _one_ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items, each made on another thread while the one before it is used."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="detect") as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
