"""The PyMAF-X engine: tracked people in, SMPL-X with shape, hands and expression out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from pymafx_live.engines.arrays import Reals
from pymafx_live.engines.pymafx.crops import (
    FACE_MARGIN,
    HAND_MARGIN,
    CropBoxes,
    CropCutter,
    translations,
)
from pymafx_live.engines.pymafx.estimator import REST_FACE, Estimator, Found
from pymafx_live.engines.pymafx.memory import HOLD, FaceEstimate, HandEstimate, MeanShape, TrackMemory
from pymafx_live.engines.pymafx.origins import Looked, held_origins, origins
from pymafx_live.engines.pymafx.skeleton import Skeleton
from pymafx_live.engines.pymafx.views import SIDES, View, Views, body_boxes, part_boxes
from pymafx_live.pipeline.types import Frame, Person, Track, TrackState
from scipy.spatial.transform import Rotation

UNDECIDED, HIDDEN = -1.0, 0.0
"""Hand visibilities: the network decides, or the hand is not there."""


@dataclass(frozen=True, slots=True)
class PymafxOptions:
    """`hands_every` and `face_every`: a seen hand or face is estimated in every n-th frame, held between.

    `freeze_shape`: after so many frames a track's mean shape stays as it is; 0: never.
    """

    hands_every: int = 1
    face_every: int = 1
    freeze_shape: int = 0


@dataclass(slots=True)
class _Subject:
    """One person in one frame."""

    track: Track
    memory: TrackMemory
    view: View | None

    def due(self, frame: int | None, every: int) -> bool:
        """Whether a part that was last estimated in `frame` of this track is to be estimated again."""
        return frame is None or self.memory.frame - frame >= every


class PymafxEngine:
    """Finds the parts, cuts the crops, runs the graphs, and remembers each track."""

    name = "pymafx"

    def __init__(
        self, estimator: Estimator, views: Views, skeleton: Skeleton, options: PymafxOptions = PymafxOptions()
    ) -> None:
        self.options = options
        self.stages: Mapping[str, float] = {}
        self._estimator, self._views, self._skeleton = estimator, views, skeleton
        self._memory: dict[int, TrackMemory] = {}

    def close(self) -> None:
        """Forgets all tracks and frees the networks."""
        self._memory.clear()
        self._views.close()
        self._estimator.close()

    def estimate(self, frame: Frame, tracks: Sequence[Track]) -> list[Person]:
        """One person per track; those that ended come a last time, as they last were, and are forgotten."""
        began = perf_counter()
        alive = [t for t in tracks if t.state is not TrackState.ENDED]
        ended = [t for t in tracks if t.state is TrackState.ENDED and t.id in self._memory]
        kept = {t.id: self._memory.get(t.id) or self._new_memory() for t in alive}
        last = [self._held(t, self._memory[t.id], frame) for t in ended]
        self._memory = kept
        views = self._views.look(frame, alive)
        subjects = [_Subject(t, kept[t.id], v) for t, v in zip(alive, views, strict=True)]
        looking = perf_counter() - began
        # A lost track's box is a guess: without a skeleton in it there is nothing to look at.
        present = [s for s in subjects if s.view is not None or s.track.state is not TrackState.LOST]
        measured = self._measure(frame, present) if present else {}
        people = [measured.get(s.track.id) or self._held(s.track, s.memory, frame) for s in subjects]
        self._views.learn(frame, people)
        graphs = self._estimator.take_stages()
        inside = sum(graphs.values()) + looking
        self.stages = {**self._views.stages, **graphs, "other": perf_counter() - began - inside}
        return people + last

    def _new_memory(self) -> TrackMemory:
        return TrackMemory(MeanShape(self.options.freeze_shape))

    def _measure(self, frame: Frame, subjects: list[_Subject]) -> dict[int, Person]:
        """Runs the graphs for these people; by track id."""
        cutter = CropCutter(frame.image)
        looked = [Looked() for _ in subjects]
        self._measure_hands(frame, cutter, subjects, looked)
        self._measure_faces(frame, cutter, subjects, looked)
        boxes = body_boxes([s.view for s in subjects], np.array([s.track.box for s in subjects]))
        faces, states, votes, visibility = self._known_parts(subjects, looked)
        found = self._estimator.bodies(cutter.cut(boxes), faces, states, votes, visibility)
        places = translations(found["pred_cam"], boxes, frame.camera)
        poses = full_poses(found)
        people = {}
        for k, subject in enumerate(subjects):
            row = {name: values[k] for name, values in found.items()}
            box = boxes[k : k + 1]
            people[subject.track.id] = self._person(frame, subject, looked[k], row, poses[k], places[k], box)
        return people

    def _measure_hands(
        self, frame: Frame, cutter: CropCutter, subjects: list[_Subject], looked: list["Looked"]
    ) -> None:
        """Estimates the hands that are seen and due, all in one batch."""
        jobs, points = [], []
        for subject, look in zip(subjects, looked, strict=True):
            subject.memory.forget_stale(frame.time)
            for side, hand in ({} if subject.view is None else subject.view.hands).items():
                known = subject.memory.hands.get(side)
                look.seen.add(side)
                if subject.due(None if known is None else known.frame, self.options.hands_every):
                    jobs.append((subject, look, side))
                    points.append(hand)
        if not jobs:
            return
        found = self._estimator.hands(
            cutter.cut(part_boxes(points, HAND_MARGIN)), np.array([side == "left" for *_, side in jobs])
        )
        for (subject, look, side), state, votes in zip(jobs, found["hand_state"], found["hand_votes"], strict=True):
            subject.memory.hands[side] = HandEstimate(state, votes, frame.time, subject.memory.frame)
            look.measured.add(side)

    def _measure_faces(
        self, frame: Frame, cutter: CropCutter, subjects: list[_Subject], looked: list["Looked"]
    ) -> None:
        """Estimates the faces that are seen and due, all in one batch."""
        jobs, points = [], []
        for subject, look in zip(subjects, looked, strict=True):
            if subject.view is None or subject.view.face is None:
                continue
            known = subject.memory.face
            look.seen.add("face")
            if subject.due(None if known is None else known.frame, self.options.face_every):
                jobs.append((subject, look))
                points.append(subject.view.face)
        if not jobs:
            return
        found = self._estimator.faces(cutter.cut(part_boxes(points, FACE_MARGIN)))
        for (subject, look), poses, expression in zip(jobs, found["face_poses"], found["pred_exp"], strict=True):
            subject.memory.face = FaceEstimate(poses, expression, frame.time, subject.memory.frame)
            look.measured.add("face")

    def _known_parts(self, subjects: list[_Subject], looked: list["Looked"]) -> tuple[Reals, Reals, Reals, Reals]:
        """Faces (B, 4, 18), hands' states (B, 2, 109), votes (B, 2, 4) and visibilities (B, 2), new or carried on."""
        count = len(subjects)
        faces = np.repeat(REST_FACE[None], count, 0)
        states = np.repeat(self._estimator.unseen_state[None], count, 0)
        votes = np.repeat(self._estimator.unseen_votes[None], count, 0)
        visibility = np.full((count, 2), HIDDEN, np.float32)
        for k, subject in enumerate(subjects):
            if subject.memory.face is not None:
                faces[k] = subject.memory.face.poses
            for h, side in enumerate(SIDES):
                known = subject.memory.hands.get(side)
                if known is not None:
                    states[k, h], votes[k, h], visibility[k, h] = known.state, known.votes, UNDECIDED
        return faces, states, votes, visibility

    def _person(
        self, frame: Frame, subject: _Subject, looked: "Looked", row: Found, pose: Reals, place: Reals, box: CropBoxes
    ) -> Person:
        """The published form of what was just estimated."""
        track, memory, view = subject.track, subject.memory, subject.view
        betas = memory.shape.add(row["pred_shape"])
        face = memory.face
        extra = {} if view is None else dict(view.extra)
        extra["crop_camera"] = row["pred_cam"]
        extra["crop_box"] = np.array([*(box.centres[0] - 0.5), box.sides[0]], np.float32)
        person = Person(
            track.id, track.state, track.box, track.score, self.name,
            origins(track, view, memory, looked, row["pred_vis_hands"]),
            global_orient=pose[0], body_pose=pose[1:22].ravel(),
            jaw_pose=pose[22], leye_pose=pose[23], reye_pose=pose[24],
            left_hand_pose=pose[25:40].ravel(), right_hand_pose=pose[40:].ravel(),
            betas=betas,
            expression=np.zeros(50, np.float32) if face is None else face.expression,
            transl=place, pelvis=place + self._skeleton.rest(betas[None])[0, 0],
            extra=extra,
        )  # fmt: skip
        memory.person, memory.measured = person, frame.time
        memory.frame += 1
        return person

    def _held(self, track: Track, memory: TrackMemory, frame: Frame) -> Person:
        """A person as last estimated, moved along with its box: the tracker still follows whom nobody finds."""
        if memory.person is None:
            return Person(track.id, track.state, track.box, track.score, self.name, held_origins({}, False))
        last = memory.person
        pixels = ((track.box - last.box)[:2] + (track.box - last.box)[2:]) / 2
        step = np.zeros(3, np.float32)
        step[:2] = pixels / (frame.camera.fx, frame.camera.fy) * last.pelvis[2]
        parts = held_origins(last.parts, frame.time - memory.measured <= HOLD)
        memory.person = replace(
            last, state=track.state, box=track.box, score=track.score, parts=parts,
            transl=last.transl + step, pelvis=last.pelvis + step,
            extra={k: v for k, v in last.extra.items() if k not in ("keypoints", "blendshapes")},
        )  # fmt: skip
        return memory.person


def full_poses(found: Mapping[str, Reals]) -> Reals:
    """The 55 rotations of B people in SMPL-X's joint order as axis-angle vectors, (B, 55, 3), of `Network.join`'s."""
    hands = found["pred_lhand_rotmat"], found["pred_rhand_rotmat"]
    R = np.concatenate([found["rotmat"][:, :22], found["pred_face_rotmat"], *hands], 1)
    vectors = Rotation.from_matrix(R.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(vectors.reshape(len(R), 55, 3), np.float32)
