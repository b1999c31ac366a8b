"""One camera's way through the loop: who is followed, who is estimated, how that is smoothed."""

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from pymafx_live.core.arrays import Image
from pymafx_live.core.interfaces import Tracker
from pymafx_live.core.types import Floats, Frame, FrameResult, Person, Scene, Smoothing, Track, TrackState
from pymafx_live.pipeline.faults import Faults
from pymafx_live.pipeline.following import Following
from pymafx_live.pipeline.ground import Ground
from pymafx_live.pipeline.lookout import Detection, Every, Later, Lookout, Schedule
from pymafx_live.pipeline.overload import Reduction
from pymafx_live.pipeline.presence import Presence, finite
from pymafx_live.pipeline.selection import Selection
from pymafx_live.trackers.looks import looks

logger = logging.getLogger(__name__)

Look = Callable[[Image, Floats], Floats]
"""What people look like in boxes (N, 4) of a picture, (N, D): see `trackers.looks.looks`."""
Stride = int | Literal["auto"]


class Smooth(Protocol):
    """Has the last word on a camera's people."""

    @property
    def smoothing(self) -> Smoothing:
        """What is told of it."""

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed."""

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""


@dataclass(slots=True, eq=False)
class Step:
    """A frame on its way through a lane: whom the engine is to estimate in it, and what else its result needs."""

    scene: Scene
    ended: list[int]
    """The ids of the tracks that are over, or whose place others have taken."""
    stages: dict[str, float]


class Lane:
    """What belongs to one camera, in two halves. Each has all frames, in order, on a thread of its own.

    The first half says where people are: for each frame `ask`, `begin` and `follow`, and `restart` between frames. The
    second half makes results: `finish`, and `goodbye` between frames. `ask` and `missed` may be called ahead of the
    first half, on a third thread, where the detector's `stride` is a number.
    """

    def __init__(
        self,
        tracker: Tracker,
        stride: Stride = 1,
        *,
        select: Selection | None = None,
        smooth: Smooth | None = None,
        ground: Ground | None = None,
        look: Look = looks,
        run_id: str = "",
    ) -> None:
        """`select` says which of the tracks that have not ended are estimated (None: all), `ground` where the camera
        stands, `look` what the tracker sees of them. `run_id` is that of its results, where it is not the loop's."""
        self._tracker, self._select, self._smooth, self._look = tracker, select or Selection(), smooth, look
        self._run_id, self._reduction = run_id, Reduction()
        self._schedule: Schedule = Lookout() if stride == "auto" else Every(stride)
        self._ground = ground or Ground()
        self._following = Following()
        self._presence = Presence()
        self._tracks: list[Track] = []
        self._chosen: set[int] = set()
        self._told = False

    def reduce(self, reduction: Reduction) -> None:
        """From the next frame on does less than was asked for, or all of it again."""
        self._reduction = reduction
        self._schedule.at_most, self._select.limit = reduction.detect_every, reduction.max_people

    def ask(self, frame: Frame, later: Later) -> Detection | None:
        """See `Schedule.ask`."""
        return self._schedule.ask(frame, later)

    def missed(self, frame: Frame) -> Detection:
        """What there is of a frame on which the detector failed: it is asked again on the next one."""
        self._schedule.missed(frame)
        return Detection(frame)

    def begin(self, detection: Detection, faults: Faults) -> Step:
        """Brings the tracks up to a frame, and chooses those that are to be estimated."""
        began, frame = time.perf_counter(), detection.frame
        stages = {} if detection.found is None else {"detect": detection.seconds}
        try:
            listed = self._track(detection)
            faults.worked("tracker", frame.source)
        except Exception as error:
            faults.add("tracker", frame.source, error)
            listed = [] if frame.cut else [replace(track, seen=False) for track in self._tracks]
        self._tracks = [track for track in listed if track.state is not TrackState.ENDED]
        ended = [track.id for track in listed if track.state is TrackState.ENDED]
        scene = Scene(
            frame, self._select(self._tracks, frame.camera), self._reduction.hands_every, self._reduction.face_every
        )
        stages["track"] = time.perf_counter() - began
        return Step(scene, ended, stages)

    def follow(self, step: Step, seen: Mapping[int, Floats | None]) -> None:
        """Moves the tracks to where the engine sees people, see `Seen.people`: one that has failed sees nobody."""
        began, scene = time.perf_counter(), step.scene
        self._tracker.follow(self._following(self._tracks, seen))
        self._schedule.note(scene, self._tracks, seen.keys(), self._following.whereabouts)
        before, self._chosen = self._chosen, {track.id for track in scene.tracks}
        step.ended = sorted({*step.ended, *before} - self._chosen)
        left_out = {track.id for track in self._tracks}.intersection(step.ended)
        if left_out:
            self._tracker.renew(left_out)
        step.stages["track"] += time.perf_counter() - began

    def restart(self) -> None:
        """Ends all tracks: whoever is in a frame after this is somebody else."""
        self._tracker.reset()
        self._tracks, self._chosen = [], set()

    def finish(
        self, step: Step, people: Sequence[Person] | None, run_id: str, seconds: float, inside: Mapping[str, float]
    ) -> FrameResult:
        """The result of a frame whose `people` took the engine so many seconds, of those `inside` its stages.

        `people` is None where the engine has failed: who is known is held.
        """
        began, frame, asked = time.perf_counter(), step.scene.frame, step.scene.tracks
        present = self._presence.held(asked, frame.camera) if people is None else self._sound(people, step.scene)
        if self._smooth is not None and people is not None:
            present = self._smooth(present, frame)
        present, world = self._ground(present, frame)
        gone = self._say_goodbye(step)
        stages = step.stages | {"estimate": seconds + time.perf_counter() - began}
        result = FrameResult(
            source=frame.source,
            sequence=frame.sequence,
            run_id=self._run_id or run_id,
            time=frame.time,
            captured_at=frame.captured_at,
            published_at=frame.captured_at + frame.age,
            camera=frame.camera,
            people=[*present, *gone],
            stages=stages | {f"estimate/{name}": took for name, took in inside.items()},
            dropped=frame.dropped,
            capture_origin=frame.capture_origin,
            nominal_fps=frame.nominal_fps,
            world=world,
            smoothing=None if self._smooth is None else self._smooth.smoothing,
        )
        self._presence.note(result)
        return result

    def goodbye(self) -> FrameResult | None:
        """The last result of a source that is gone, or of the run, which ends who is still there: None if nobody is."""
        last = self._presence.goodbye()
        if last is not None and self._smooth is not None:
            self._smooth.forget([person.id for person in last.people])
        return last

    def _sound(self, people: Sequence[Person], scene: Scene) -> list[Person]:
        """The people, held where an engine gave what is no number: filters and trackers would keep that for good."""
        bad = {person.id for person in people if not finite(person)}
        if not bad:
            return list(people)
        if not self._told:
            logger.warning(
                "the engine gave what is no number for somebody in %s, who is held instead", scene.frame.source
            )
            self._told = True
        held = self._presence.held([track for track in scene.tracks if track.id in bad], scene.frame.camera)
        return [person for person in people if person.id not in bad] + held

    def _say_goodbye(self, step: Step) -> list[Person]:
        """Who was there and is no more: the track is over, or others have taken the place among those estimated."""
        gone = self._presence.gone({track.id for track in step.scene.tracks})
        over = sorted({*step.ended, *(person.id for person in gone)})
        self._ground.forget(over)
        if self._smooth is not None:
            self._smooth.forget(over)
        return gone

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
        return ended + tracker.update(boxes, scores, frame.time, self._look(frame.image, boxes) if company else None)
