"""The embedded engine: person boxes in, SMPL-X parameters out, with nothing to download and no GPU."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Frame, Person, Track, TrackState, pose_parameters
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks import parts, rig
from pymafx_live.engines.landmarks.face import gaze, jaw
from pymafx_live.engines.landmarks.fit import Fit, FitOptions, Fitter, Gravity, Subject
from pymafx_live.engines.landmarks.perception import Gaze, Perception, Sight


@dataclass(frozen=True, slots=True)
class LandmarkOptions:
    """`threads` per network (0: the runtime's choice), `runtime` that runs them; `fit` the evidence's deviations."""

    threads: int = 0
    runtime: str = "auto"
    fit: FitOptions = field(default_factory=FitOptions)


@dataclass(slots=True)
class Memory:
    """What is kept of a track: where to look, the skeleton, the face, and when each part was last measured."""

    time: float
    box: Reals
    gaze: Gaze = field(default_factory=Gaze)
    fit: Fit | None = None
    since: dict[str, float] = field(default_factory=dict)
    jaw: Reals = field(default_factory=lambda: np.zeros(3, np.float32))
    eyes: tuple[Reals, Reals] = field(default_factory=lambda: (np.zeros(3, np.float32),) * 2)
    extra: dict[str, Reals] = field(default_factory=dict)

    def unseen(self, part: str, time: float) -> float:
        """Seconds since the part was last measured, infinity where it never was."""
        return time - self.since.get(part, -np.inf)


class LandmarkEngine:
    """Body, hand and face landmarks for all people at once, then one fit for all of them."""

    name = "landmarks"

    def __init__(self, options: LandmarkOptions | None = None, pictures: Pictures | None = None) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        self.options = options or LandmarkOptions()
        self.stages: Mapping[str, float] = {}
        rest = BodyModel.embedded().rest_joints
        self._perception = Perception(self.options.threads, self.options.runtime, pictures)
        self._fitter = Fitter(rest, self.options.fit)
        self._gravity = Gravity()
        self._rest_pelvis = np.asarray(rest[0], np.float32)
        joint = self._fitter.body.joint
        self._knees = [int(np.nonzero(joint == JOINT[f"{s}_knee"])[0][0]) for s in ("left", "right")]
        self._memory: dict[int, Memory] = {}

    def close(self) -> None:
        """Forgets all tracks and frees the networks."""
        self._memory.clear()
        self._perception.close()

    def estimate(self, frame: Frame, tracks: Sequence[Track]) -> list[Person]:
        """One person per track; those that ended come a last time, with their last pose, and are forgotten."""
        if frame.cut:
            self._gravity = Gravity()
        alive = [t for t in tracks if t.state is not TrackState.ENDED]
        for track in alive:
            self._memory.setdefault(track.id, Memory(frame.time, track.box))
        boxes = np.array([t.box for t in alive]).reshape(-1, 4)
        sights = self._perception.look(frame.image, boxes, [self._memory[t.id].gaze for t in alive])
        start = perf_counter()
        self._fit(frame, [self._memory[t.id] for t in alive], sights)
        for track, sight in zip(alive, sights, strict=True):
            memory = self._memory[track.id]
            self._remember(memory, sight, frame)
            if sight is None and memory.fit is not None:
                # held: the tracker still follows whom the networks do not find
                memory.fit.move(frame.camera.shift(memory.box, track.box, memory.fit.pelvis[2]))
            memory.box, memory.time = track.box, frame.time
        people = [self._person(t, s, frame.time) for t, s in zip(alive, sights, strict=True)]
        ended = [t for t in tracks if t.state is TrackState.ENDED and t.id in self._memory]
        people += [self._person(track, None, frame.time) for track in ended]
        known = {t.id for t in alive}
        self._memory = {i: m for i, m in self._memory.items() if i in known}
        self.stages = {**self._perception.stages, "fit": perf_counter() - start}
        return people

    def _fit(self, frame: Frame, memories: Sequence[Memory], sights: Sequence[Sight | None]) -> None:
        """Brings the skeletons of those who are seen up to this frame."""
        subjects = []
        for memory, sight in zip(memories, sights, strict=True):
            if sight is not None:
                seen = parts.measured(sight)
                memory.since.update({part: frame.time for part in seen if seen[part]})
                unseen = {part: memory.unseen(part, frame.time) for part in parts.BODY_PARTS}
                dt = max(frame.time - memory.time, 1e-3)
                subjects.append(Subject(sight, frame.camera, self._gravity.up, dt, unseen, memory.fit))
        fits = iter(self._fitter.fit(subjects))
        for memory, sight in zip(memories, sights, strict=True):
            if sight is not None:
                memory.fit = fit = next(fits)
                if memory.since.get("left_leg") == memory.since.get("right_leg") == frame.time:
                    dt = max(frame.time - memory.time, 1e-3)
                    self._gravity.learn(fit.joints, fit.body.angle[0, self._knees], dt)

    def _remember(self, memory: Memory, sight: Sight | None, frame: Frame) -> None:
        """Takes over the face and the landmarks of this frame, or lets them go."""
        if sight is not None:
            memory.extra["keypoints"] = np.column_stack([sight.xy, sight.visibility]).astype(np.float32)
            if sight.face is not None:
                memory.jaw, memory.eyes = jaw(sight.face), gaze(sight.face)
                memory.extra["blendshapes"] = sight.face.blendshapes
        self._relax_face(memory, frame.time)

    def _relax_face(self, memory: Memory, time: float) -> None:
        """Jaw and eyes return to rest when the face has not been seen for longer than they are held."""
        if memory.unseen("jaw", time) > self.options.fit.hold:
            memory.jaw = np.zeros(3, np.float32)
            memory.eyes = (np.zeros(3, np.float32), np.zeros(3, np.float32))
            memory.extra.pop("blendshapes", None)

    def _person(self, track: Track, sight: Sight | None, time: float) -> Person:
        """The published form of a track's memory."""
        memory, fit = self._memory[track.id], self.options.fit
        described = parts.origins(sight, memory.since, time, fit.hold + 2 * fit.ease)
        if memory.fit is None:
            return Person(track.id, track.state, track.box, track.score, self.name, described)
        pose = self._fitter.rotations(memory.fit)
        pose[22:25] = memory.jaw, *memory.eyes
        pelvis = memory.fit.pelvis.astype(np.float32)
        return Person(
            track.id, track.state, track.box, track.score, self.name, described,
            **pose_parameters(pose),
            transl=pelvis - self._rest_pelvis, pelvis=pelvis,
            extra={**memory.extra, "bones": rig.bones(memory.fit.body.shape)[0].astype(np.float32)},
        )  # fmt: skip
