"""One camera's way through the loop: who is followed, who is estimated, how that is smoothed."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from pymafx_live.core.interfaces import Tracker
from pymafx_live.core.types import Frame, FrameResult, Person, Scene, Track, TrackState
from pymafx_live.pipeline.following import Following
from pymafx_live.pipeline.lookout import Detection, Every, Later, Lookout, Schedule
from pymafx_live.trackers.looks import looks

Select = Callable[[Sequence[Track]], list[Track]]
Stride = int | Literal["auto"]


class Smooth(Protocol):
    """Has the last word on a camera's people."""

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed."""

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""


class Lane:
    """What belongs to one camera. For each frame `ask`, `begin` and `finish` are called, in this order.

    `ask` may be called ahead, on another thread, where the detector's `stride` is a number.
    """

    def __init__(
        self, tracker: Tracker, stride: Stride = 1, *, select: Select = list, smooth: Smooth | None = None
    ) -> None:
        """`select` says which tracks are estimated."""
        self._tracker, self._select, self._smooth = tracker, select, smooth
        self._schedule: Schedule = Lookout() if stride == "auto" else Every(stride)
        self._following = Following()
        self._tracks: list[Track] = []
        self._stages: dict[str, float] = {}

    def ask(self, frame: Frame, later: Later) -> Detection | None:
        """See `Schedule.ask`."""
        return self._schedule.ask(frame, later)

    def begin(self, detection: Detection) -> Scene:
        """Brings the tracks up to a frame; returns those that are to be estimated."""
        began = time.perf_counter()
        self._stages = {} if detection.found is None else {"detect": detection.seconds}
        self._tracks = self._track(detection)
        scene = Scene(detection.frame, self._select(self._tracks))
        self._stages["track"] = time.perf_counter() - began
        return scene

    def finish(
        self, frame: Frame, people: Sequence[Person], run_id: str, seconds: float, inside: Mapping[str, float]
    ) -> FrameResult:
        """The result of a frame whose `people` took the engine so many seconds, of those `inside` its stages."""
        began = time.perf_counter()
        self._tracker.follow(self._following(self._tracks, people))
        self._schedule.note(frame, self._tracks, people, self._following.whereabouts)
        if self._smooth is not None:
            people = self._smooth(people, frame)
            self._smooth.forget(self.ended)
        stages = self._stages | {"estimate": seconds + time.perf_counter() - began}
        return FrameResult(
            source=frame.source,
            sequence=frame.sequence,
            run_id=run_id,
            time=frame.time,
            captured_at=frame.captured_at,
            published_at=frame.captured_at + frame.age,
            camera=frame.camera,
            people=people,
            stages=stages | {f"estimate/{name}": took for name, took in inside.items()},
            dropped=frame.dropped,
            capture_origin=frame.capture_origin,
        )

    @property
    def ended(self) -> list[int]:
        """The ids of the tracks that are over since the last frame."""
        return [track.id for track in self._tracks if track.state is TrackState.ENDED]

    def _track(self, detection: Detection) -> list[Track]:
        frame, found, tracker = detection.frame, detection.found, self._tracker
        ended = tracker.reset() if frame.cut else []
        if found is None:
            return ended + tracker.predict(frame.time)
        if detection.then:
            predicted = tracker.predict(frame.time)
            ended += [track for track in predicted if track.state is TrackState.ENDED]
            found = self._following.brought_up(found, detection.then, predicted)
        boxes, scores = found
        company = max(len(boxes), len(self._tracks)) > 1  # who is alone cannot be taken for somebody else
        return ended + tracker.update(boxes, scores, frame.time, looks(frame.image, boxes) if company else None)
