"""The embedded engine: person boxes in, SMPL-X parameters out, with nothing to download and no GPU."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from time import perf_counter
from typing import Self

import numpy as np
from pymafx_live.configs.schema import Settings
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import (
    Camera,
    Estimate,
    Floats,
    Frame,
    Origin,
    Part,
    Person,
    Scene,
    Track,
    pose_parameters,
)
from pymafx_live.engines.body.model import BodyModel, Skeleton
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks import parts, rig
from pymafx_live.engines.landmarks.easing import ease, rest_pose, standing, step
from pymafx_live.engines.landmarks.face import gaze, jaw
from pymafx_live.engines.landmarks.fit import Fit, FitOptions, Fitter, Gravity, Subject
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.sight import Sight


@dataclass(frozen=True, slots=True)
class LandmarkOptions:
    """`threads` per network (0: the runtime's choice), `runtime` that runs them; `fit` the evidence's deviations.

    `hands_every` and `face_every`: a followed hand or face is looked at in every n-th frame, held between, as long as
    that is no longer than anything is held.
    """

    threads: int = 0
    runtime: str = "auto"
    fit: FitOptions = field(default_factory=FitOptions)
    hands_every: int = 1
    face_every: int = 1


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


GAP = 1.5
"""Seconds after which somebody who is seen, and was not estimated meanwhile, starts anew: nothing is held so long."""


WITHIN = 0.9
"""The share of the time that unseen parts are held in which those are looked at again that rest."""
SIZE = 0.056
"""The deviation of adults' heights, as a share: 95 of 1690 mm, men and women together."""
ALIKE = 3.0
"""How much larger the variance of a place is than the landmarks' deviations say, as their errors are alike: on rendered
people (seeds 100 and 101 of `bench.trust`)."""
WANDER = 1.0
"""Metres per second by which somebody may have gone elsewhere who is not seen."""


@dataclass(slots=True)
class _Subject:
    """One person in one frame."""

    frame: Frame
    track: Track
    memory: Memory
    sight: Sight | None = None

    @property
    def dt(self) -> float:
        """Seconds since the person was last estimated."""
        return max(self.frame.time - self.memory.time, 1e-3)


class LandmarkEngine:
    """Body, hand and face landmarks for all people of all cameras at once, then one fit of them all."""

    name = "landmarks"

    def __init__(self, options: LandmarkOptions | None = None, pictures: Pictures | None = None) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        self.options = options or LandmarkOptions()
        body = BodyModel.embedded()
        rest = body.rest_joints
        self._skeleton = Skeleton(rest_joints=rest, joint_shape_dirs=body.joint_shape_dirs)
        self._perception = Perception(self.options.threads, self.options.runtime, pictures)
        self._fitter = Fitter(rest, self.options.fit)
        self._gravity: dict[str, Gravity] = {}
        self._rest_pelvis = np.asarray(rest[0], np.float32)
        joint = self._fitter.body.joint
        self._knees = [int(np.nonzero(joint == JOINT[f"{s}_knee"])[0][0]) for s in ("left", "right")]
        self._memory: dict[tuple[str, int], Memory] = {}

    @classmethod
    def open(cls, settings: Settings, pictures: Pictures) -> Self:
        """The engine, warm."""
        run, engine = settings.run, settings.engine
        options = LandmarkOptions(run.threads, run.runtime, FitOptions(), engine.hands_every, engine.face_every)
        return cls(options, pictures)

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._perception.body.networks[0].about

    def close(self) -> None:
        """Forgets all tracks and frees the networks."""
        self._memory.clear()
        self._perception.close()

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        """See `Engine.forget`."""
        over = [key for key in self._memory if key[0] == source and (ids is None or key[1] in ids)]
        for key in over:
            del self._memory[key]
        if ids is None:
            self._gravity.pop(source, None)

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        """See `Engine.estimate`."""
        for scene in scenes:
            if scene.frame.cut or scene.frame.source not in self._gravity:
                self._gravity[scene.frame.source] = Gravity()
        present = [[self._subject(scene, track) for track in scene.tracks] for scene in scenes]
        subjects = [subject for members in present for subject in members]
        images = ImageBatch(
            [scene.frame.image for scene in scenes],
            np.repeat(np.arange(len(scenes)), [len(members) for members in present]),
        )
        boxes = np.array([s.track.box for s in subjects]).reshape(-1, 4)
        sights, stages = self._perception.look(images, boxes, [s.memory.gaze for s in subjects])
        start = perf_counter()
        for subject, sight in zip(subjects, sights, strict=True):
            subject.sight = sight
        self._fit(subjects)
        for subject in subjects:
            self._remember(subject)
        people = [[self._person(s) for s in members] for members in present]
        return Estimate(people, {**stages, "fit": perf_counter() - start})

    def _subject(self, scene: Scene, track: Track) -> _Subject:
        frame, options = scene.frame, self.options
        memory = self._memory.setdefault((frame.source, track.id), Memory(frame.time, track.box))
        if frame.time - memory.time > GAP:
            memory.gaze = Gaze()
        subject = _Subject(frame, track, memory)
        most = 1 + int(WITHIN * options.fit.hold / subject.dt)
        hands, face = max(options.hands_every, scene.hands_every), max(options.face_every, scene.face_every)
        memory.gaze.at_most(min(hands, most), min(face, most))
        return subject

    def _fit(self, subjects: Sequence[_Subject]) -> None:
        """Brings the skeletons of those who are seen up to their frames."""
        problems, found = [], [s for s in subjects if s.sight is not None]
        for subject in found:
            memory, frame = subject.memory, subject.frame
            seen = parts.measured(subject.sight)
            memory.since.update({part: frame.time for part in seen if seen[part]})
            unseen = {part: memory.unseen(part, frame.time) for part in parts.BODY_PARTS}
            up = self._gravity[frame.source].up
            if subject.dt > GAP:
                memory.fit = None
            assert subject.sight is not None
            problems.append(Subject(subject.sight, frame.camera, up, subject.dt, unseen, memory.fit))
        before = [None if p.fit is None else replace(p.fit, hands=dict(p.fit.hands)) for p in problems]
        for subject, fit, known in zip(found, self._fitter.fit(problems), before, strict=True):
            memory, frame = subject.memory, subject.frame
            if not _is_sound(fit):  # or it would stay so: the next fit begins with this one
                memory.fit, subject.sight = known, None
                continue
            memory.fit = fit
            if memory.since.get("left_leg") == memory.since.get("right_leg") == frame.time:
                self._gravity[frame.source].learn(fit.joints, fit.body.angle[0, self._knees], subject.dt)

    def _remember(self, subject: _Subject) -> None:
        """Takes over the face and the landmarks of this frame, or lets them go."""
        memory, sight, frame, box = subject.memory, subject.sight, subject.frame, subject.track.box
        if sight is not None:
            memory.extra["keypoints"] = np.column_stack([sight.xy, sight.visibility]).astype(np.float32)
            if sight.face is not None:
                memory.jaw, memory.eyes = jaw(sight.face), gaze(sight.face)
                memory.extra["blendshapes"] = sight.face.blendshapes
        elif memory.fit is not None:
            # held: the tracker still follows whom the networks do not find
            unseen = {part: memory.unseen(part, frame.time) for part in parts.BODY_PARTS}
            ease(self._fitter, memory.fit, unseen, subject.dt)
            memory.fit.move(step(frame.camera, memory.box, box, memory.fit.pelvis[2]))
        self._relax_face(memory, frame.time)
        memory.box, memory.time = box, frame.time

    def _relax_face(self, memory: Memory, time: float) -> None:
        """Jaw and eyes return to rest when the face has not been seen for longer than they are held."""
        if memory.unseen("jaw", time) > self.options.fit.hold:
            memory.jaw = np.zeros(3, np.float32)
            memory.eyes = (np.zeros(3, np.float32), np.zeros(3, np.float32))
            memory.extra.pop("blendshapes", None)

    def _person(self, subject: _Subject) -> Person:
        """The published form of a track's memory."""
        fit, memory, track, frame = self.options.fit, subject.memory, subject.track, subject.frame
        described = parts.origins(subject.sight, memory.since, frame.time, fit.hold + 2 * fit.ease)
        for name in ("keypoints", "blendshapes"):
            if name not in memory.extra:
                described[name] = Part(described[name].confidence, Origin.DEFAULT)
        if memory.fit is None:
            return never_seen(track, frame.camera, self.name, described, self._rest_pelvis)
        pose = self._fitter.rotations(memory.fit)
        pose[22:25] = memory.jaw, *memory.eyes
        pelvis = memory.fit.pelvis.astype(np.float32)
        transl = pelvis - self._rest_pelvis
        bones = rig.bones(memory.fit.body.shape)[0].astype(np.float32)
        joints, _ = self._skeleton.joints(pose, transl, None, bones)
        return Person(
            track.id, track.state, track.box, track.score, self.name, described,
            **pose_parameters(pose),
            transl=transl, pelvis=pelvis, joints=joints[0],
            pelvis_covariance=covariance(memory.fit, memory.unseen("transl", frame.time)),
            extra={**memory.extra, "bones": bones},
        )  # fmt: skip


def never_seen(track: Track, camera: Camera, engine: str, described: Mapping[str, Part], rest_pelvis: Reals) -> Person:
    """Somebody in whose box nothing was ever seen: at rest, where an adult would fill it, and all of it `default`."""
    pelvis = standing(track.box, camera)
    return Person(
        track.id, track.state, track.box, track.score, engine, described,
        **pose_parameters(rest_pose()), transl=(pelvis - rest_pelvis).astype(np.float32), pelvis=pelvis,
    )  # fmt: skip


def covariance(fit: Fit, unseen: float) -> Floats:
    """The covariance (3, 3) of the pelvis in m², which was measured `unseen` seconds ago.

    It is what the evidence leaves open, and that nobody knows the person's size: a taller one stands farther away.
    """
    place = fit.pelvis
    strayed = (WANDER * min(unseen, GAP)) ** 2 * np.eye(3)
    return np.asarray(ALIKE * fit.spread + SIZE**2 * np.outer(place, place) + strayed, np.float32)


def _is_sound(fit: Fit) -> bool:
    """Whether all numbers of a skeleton are numbers."""
    poses = [getattr(pose, f.name) for pose in (fit.body, *fit.hands.values()) for f in fields(pose)]
    return all(np.isfinite(values).all() for values in (*poses, fit.information, fit.joints, fit.turns, fit.spread))
