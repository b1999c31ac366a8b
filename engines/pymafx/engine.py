"""The PyMAF-X engine: tracked people in, SMPL-X with shape, hands and expression out."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Self, cast

import numpy as np
from numpy.typing import NDArray
from pymafx_live.configs.schema import EngineSettings, Settings
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.heap import give_back_freed
from pymafx_live.core.interfaces import log_progress
from pymafx_live.core.skeleton import SIDES
from pymafx_live.core.types import Estimate, Floats, Frame, Person, Scene, Seen, Track, TrackState, pose_parameters
from pymafx_live.engines.body.model import Skeleton
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.landmarks.easing import rest_pose
from pymafx_live.engines.landmarks.engine import never_seen
from pymafx_live.engines.landmarks.perception import Perception
from pymafx_live.engines.landmarks.regions import together
from pymafx_live.engines.pymafx.crops import (
    FACE_MARGIN,
    HAND_MARGIN,
    CropBoxes,
    concatenate,
    crop_to_image,
    translations,
)
from pymafx_live.engines.pymafx.estimator import REST_FACE, Estimator, Found, Known, Parts
from pymafx_live.engines.pymafx.files.assets import prepare
from pymafx_live.engines.pymafx.files.bundle import is_current
from pymafx_live.engines.pymafx.graphs.open import open_graphs
from pymafx_live.engines.pymafx.joints import read_skeleton
from pymafx_live.engines.pymafx.mesh_views import MeshViews
from pymafx_live.engines.pymafx.spec import HIDDEN, SIZE, UNDECIDED
from pymafx_live.engines.pymafx.track import (
    HOLD,
    FaceEstimate,
    HandEstimate,
    MeanShape,
    TrackMemory,
    held_origins,
    origins,
)
from pymafx_live.engines.pymafx.views import Key, LandmarkViews, View, Views, body_boxes, drop, part_boxes
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.interface import Array
from scipy.spatial.transform import Rotation

logger = logging.getLogger(__name__)


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
    """One person in one frame, of the `index`-th scene."""

    index: int
    scene: Scene
    track: Track
    memory: TrackMemory
    view: View | None
    measured: set[str] = field(default_factory=set)
    """Of `left`, `right` and `face`, what was estimated in this frame."""

    @property
    def frame(self) -> Frame:
        """The scene's."""
        return self.scene.frame


@dataclass(frozen=True, slots=True, eq=False)
class _Seen(Seen):
    """A scene with the view of each of its tracks, and the seconds of the stages of that look."""

    views: Sequence[View | None]
    stages: Mapping[str, float]
    over: list[tuple[str, Collection[int] | None]]
    """What `forget` was told between the look before and this one, until that is done."""


class PymafxEngine:
    """Finds the parts, cuts the crops, runs the graphs, and remembers each track."""

    name = "pymafx"

    def __init__(
        self,
        estimator: Estimator,
        views: Views,
        skeleton: Skeleton,
        options: PymafxOptions = PymafxOptions(),
        pictures: Pictures | None = None,
    ) -> None:
        """`pictures` is shared with whoever else looks at the same frames."""
        self.options = options
        self._estimator, self._views, self._skeleton = estimator, views, skeleton
        self._pictures = pictures or Pictures()
        self._lane = self._pictures.lane(estimator.device)
        self._at_once = estimator.on_one_device and not self._pictures.stay_on_host(estimator.device)
        self._at_once &= estimator.device != "cpu"
        self._memory: dict[Key, TrackMemory] = {}
        self._over: list[tuple[str, Collection[int] | None]] = []

    @classmethod
    def open(cls, settings: Settings, pictures: Pictures) -> Self:
        """The engine, warm; its files are prepared and exported first where they have not been.

        Raises `AssetError` for a file that is missing, damaged or of another kind, `UsageError` for a missing extra.
        """
        engine, run, assets = settings.engine, settings.run, Path(settings.engine.assets)
        if not assets.is_dir():
            raise AssetError(f"{assets} is not a folder; give --assets the one that holds the PyMAF-X files.")
        if find_spec("safetensors") is None:
            raise UsageError(
                "the engine pymafx needs safetensors; install the extra: pip install 'pymafx-live[torch]'."
            )
        if not is_current(assets):
            for warning in prepare(assets, log_progress):
                logger.warning("%s", warning)
        skeleton = read_skeleton(assets)
        views = _views(engine, skeleton, lambda: Perception(run.threads, run.runtime, pictures))
        options = RunnerOptions(threads=run.threads, max_batch=engine.max_batch, progress=log_progress)
        graphs = open_graphs(assets, run.runtime, run.precision, options, log_progress)
        estimator = Estimator(graphs, engine.max_batch)
        give_back_freed()
        every = PymafxOptions(engine.hands_every, engine.face_every, engine.freeze_shape)
        return cls(estimator, views, skeleton, every, pictures)

    @property
    def about(self) -> str:
        """See `Runner.about`."""
        return self._estimator.about

    def close(self) -> None:
        """Forgets all tracks and frees the networks."""
        self._memory.clear()
        self._views.close()
        self._estimator.close()

    @property
    def looks_ahead(self) -> bool:
        """See `LookingEngine.looks_ahead`."""
        return not self._views.learns

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        """See `Engine.forget`. What the graphs found is kept until the next look: some of it may still be needed."""
        self._views.forget(source, ids)
        self._over.append((source, ids))

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        """See `Engine.estimate`."""
        return self.estimate_seen(self.look(scenes))

    def look(self, scenes: Sequence[Scene]) -> list[Seen]:
        """See `LookingEngine.look`."""
        began = perf_counter()
        views, looked = self._views.look(scenes)
        over, self._over = self._over, []
        stages = {**looked, "look": perf_counter() - began}
        return [
            _Seen(scene, _keypoints(scene, seen), seen, stages, over)
            for scene, seen in zip(scenes, views, strict=True)
        ]  # fmt: skip

    def estimate_seen(self, seen: Sequence[Seen]) -> Estimate:
        """See `LookingEngine.estimate_seen`."""
        began, looks = perf_counter(), cast(Sequence[_Seen], seen)
        for look in looks:
            while look.over:  # shared by all that were seen at once
                drop(self._memory, *look.over.pop())
        scenes = [look.scene for look in looks]
        present = [
            [_Subject(i, look.scene, t, self._recall(look.scene, t), v)
             for t, v in zip(look.scene.tracks, look.views, strict=True)]
            for i, look in enumerate(looks)
        ]  # fmt: skip
        with self._lane:
            measured = self._measure(
                scenes, [s for subjects in present for s in subjects if _is_shown(s.track, s.view)]
            )
        people = [[measured.get(id(s)) or self._held(s.track, s.memory, s.frame) for s in each] for each in present]
        self._views.learn(scenes, people)
        graphs = self._estimator.take_stages()
        stages = {name: seconds for look in looks for name, seconds in look.stages.items()}
        return Estimate(people, {**stages, **graphs, "other": perf_counter() - began - sum(graphs.values())})

    def _recall(self, scene: Scene, track: Track) -> TrackMemory:
        memory = TrackMemory(MeanShape(self.options.freeze_shape))
        return self._memory.setdefault((scene.frame.source, track.id), memory)

    def _measure(self, scenes: Sequence[Scene], subjects: list[_Subject]) -> dict[int, Person]:
        """Cuts all crops at once and runs the graphs; people by their subject's `id`."""
        if not subjects:
            return {}
        hands, faces = self._due(subjects)
        kinds = [
            part_boxes([points for *_, points in hands], HAND_MARGIN),
            part_boxes([points for _, points in faces], FACE_MARGIN),
            body_boxes([s.view for s in subjects], np.array([s.track.box for s in subjects])),
        ]
        whose = [s for s, *_ in hands] + [s for s, _ in faces] + subjects
        crops = self._cut(scenes, concatenate(kinds), np.array([s.index for s in whose]))
        after_hands, after_faces = np.cumsum([len(boxes) for boxes in kinds])[:-1]
        parts = crops[:after_hands], crops[after_hands:after_faces], crops[after_faces:]
        found = (self._run_at_once if self._at_once else self._run_in_turn)(*parts, hands, faces, subjects)
        good = np.nonzero(self._estimator.sound(found))[0]
        found = {name: values[good] for name, values in found.items()}
        poses = full_poses(found)
        people = {}
        for i, k in enumerate(good.tolist()):
            row, box, subject = {name: values[i] for name, values in found.items()}, kinds[2][k : k + 1], subjects[k]
            (place,) = translations(found["pred_cam"][i : i + 1], box, subject.frame.camera)
            people[id(subject)] = self._person(subject, row, poses[i], place, box)
        return people

    def _cut(self, scenes: Sequence[Scene], boxes: CropBoxes, scene: NDArray[np.intp]) -> Array:
        """The crops (N, 224, 224, 3) of boxes in the pictures of the scenes (N,), lying where the networks run."""
        maps = crop_to_image(boxes.corners())
        cuts = {
            k: self._pictures.on(scenes[k].frame.image, self._estimator.device).warp(maps[scene == k], SIZE, True)
            for k in np.unique(scene).tolist()
        }
        return together(cuts, scene)

    def _due(self, subjects: list[_Subject]) -> "tuple[_Hands, _Faces]":
        """The hands and faces that are seen and have to be estimated, with their points; drops what is too old."""
        hands: _Hands = []
        faces: _Faces = []
        for subject in subjects:
            memory, view = subject.memory, subject.view
            memory.forget_stale(subject.frame.time)
            if view is None:
                continue
            hands_every = max(self.options.hands_every, subject.scene.hands_every)
            face_every = max(self.options.face_every, subject.scene.face_every)
            for side, points in view.hands.items():
                if memory.is_due(memory.hands.get(side), hands_every, subject.frame.time):
                    hands.append((subject, side, points))
            if view.face is not None and memory.is_due(memory.face, face_every, subject.frame.time):
                faces.append((subject, view.face))
        return hands, faces

    def _run_in_turn(
        self, of_hands: Array, of_faces: Array, of_bodies: Array, hands: "_Hands", faces: "_Faces",
        subjects: list[_Subject],
    ) -> Found:  # fmt: skip
        """What is found of the bodies, after the hands and faces that are looked at are remembered."""
        if hands:
            self._note_hands(self._estimator.hands(of_hands, np.array([side == "left" for _, side, _ in hands])), hands)
        if faces:
            self._note_faces(self._estimator.faces(of_faces), faces)
        return self._estimator.bodies(of_bodies, self._known_parts(subjects))

    def _run_at_once(
        self, of_hands: Array, of_faces: Array, of_bodies: Array, hands: "_Hands", faces: "_Faces",
        subjects: list[_Subject],
    ) -> Found:  # fmt: skip
        """The same on a GPU, where what is found of hands and faces does not come down first."""
        place = {id(subject): k for k, subject in enumerate(subjects)}
        hand_rows = np.array([2 * place[id(s)] + SIDES.index(side) for s, side, _ in hands], np.intp)
        face_rows = np.array([place[id(s)] for s, _ in faces], np.intp)
        known = self._known_parts(subjects)
        known.visibility.reshape(-1)[hand_rows] = UNDECIDED
        found_hands, found_faces, found = self._estimator.all_at_once(
            Parts(of_hands, hand_rows), Parts(of_faces, face_rows), of_bodies, known
        )
        self._note_hands(found_hands, hands)
        self._note_faces(found_faces, faces)
        if sum(len(s.measured) for s in subjects) < len(hands) + len(faces):  # what is no number has reached a body
            return self._estimator.bodies(of_bodies, self._known_parts(subjects))
        return found

    def _note_hands(self, found: Found, jobs: "_Hands") -> None:
        if not jobs:
            return
        for k in np.nonzero(self._estimator.sound(found))[0]:
            (subject, side, _), state, votes = jobs[k], found["hand_state"][k], found["hand_votes"][k]
            subject.memory.hands[side] = HandEstimate(state, votes, subject.frame.time, subject.memory.frame)
            subject.measured.add(side)

    def _note_faces(self, found: Found, jobs: "_Faces") -> None:
        if not jobs:
            return
        for k in np.nonzero(self._estimator.sound(found))[0]:
            (subject, _), poses, expression = jobs[k], found["face_poses"][k], found["pred_exp"][k]
            subject.memory.face = FaceEstimate(poses, expression, subject.frame.time, subject.memory.frame)
            subject.measured.add("face")

    def _known_parts(self, subjects: list[_Subject]) -> Known:
        """What is known of the people, new or carried on."""
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
        return Known(faces, states, votes, visibility)

    def _person(self, subject: _Subject, row: Found, pose: Reals, place: Reals, box: CropBoxes) -> Person:
        """The published form of what was just estimated."""
        track, memory, view = subject.track, subject.memory, subject.view
        betas = memory.shape.add(row["pred_shape"])
        face = memory.face
        extra = {} if view is None else dict(view.extra)
        joints, _ = self._skeleton.joints(pose, place, betas[None])
        extra["crop_camera"] = row["pred_cam"]
        extra["crop_box"] = np.array([*(box.centres[0] - 0.5), box.sides[0]], np.float32)
        person = Person(
            track.id, track.state, track.box, track.score, self.name,
            origins(track, view, memory, subject.measured, row["pred_vis_hands"]),
            **pose_parameters(pose),
            betas=betas,
            expression=np.zeros(50, np.float32) if face is None else face.expression,
            transl=place, pelvis=joints[0, 0], joints=joints[0],
            extra=extra,
        )  # fmt: skip
        memory.person, memory.measured = person, subject.frame.time
        memory.frame += 1
        return person

    def _held(self, track: Track, memory: TrackMemory, frame: Frame) -> Person:
        """A person as last estimated, moved along with its box: the tracker still follows whom nobody finds."""
        if memory.person is None:
            rest_pelvis = self._skeleton.rest(np.zeros((1, 10), np.float32))[0, 0]
            return never_seen(track, frame.camera, self.name, held_origins({}, False), rest_pelvis)
        last, recent = memory.person, frame.time - memory.measured <= HOLD
        step = frame.camera.shift(last.box, track.box, last.pelvis[2])
        parts = held_origins(last.parts, recent)
        if not recent:  # as `default` says; the heading and the place stay
            rest = rest_pose().copy()
            rest[0] = last.global_orient
            joints, _ = self._skeleton.joints(rest, last.transl, last.betas[None])
            last = replace(last, **pose_parameters(rest), joints=joints[0])
        memory.person = replace(
            last, state=track.state, box=track.box, score=track.score, parts=parts,
            transl=last.transl + step, pelvis=last.pelvis + step, joints=last.joints + step,
            extra={k: v for k, v in last.extra.items() if k not in ("keypoints", "blendshapes")},
        )  # fmt: skip
        return memory.person


_Hands = list[tuple[_Subject, str, Reals]]
_Faces = list[tuple[_Subject, Reals]]


def _is_shown(track: Track, view: View | None) -> bool:
    """Whether there is something to look at: without a skeleton in it the box of a lost track is a guess."""
    return view is not None or track.state is not TrackState.LOST


def _keypoints(scene: Scene, views: Sequence[View | None]) -> dict[int, Floats | None]:
    """See `Seen.people`."""
    seen = [(track, view) for track, view in zip(scene.tracks, views, strict=True) if _is_shown(track, view)]
    return {track.id: None if view is None else view.extra.get("keypoints") for track, view in seen}


def full_poses(found: Mapping[str, Reals]) -> Reals:
    """The 55 rotations of B people in SMPL-X's joint order as axis-angle vectors, (B, 55, 3), of `Network.join`'s."""
    hands = found["pred_lhand_rotmat"], found["pred_rhand_rotmat"]
    R = np.concatenate([found["rotmat"][:, :22], found["pred_face_rotmat"], *hands], 1)
    vectors = Rotation.from_matrix(R.reshape(-1, 3, 3)).as_rotvec()
    return np.asarray(vectors.reshape(len(R), 55, 3), np.float32)


def _views(settings: EngineSettings, skeleton: Skeleton, perception: Callable[[], Perception]) -> Views:
    if settings.parts == "rtmlib":
        from pymafx_live.engines.pymafx.rtmlib_views import RtmlibViews

        return RtmlibViews(Path(settings.rtmlib_pose) if settings.rtmlib_pose else None)
    networks = LandmarkViews(perception())
    return MeshViews(networks, skeleton) if settings.parts == "mesh" else networks
