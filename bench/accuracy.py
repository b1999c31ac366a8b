"""The whole pipeline on a clip with truth: runs it, pairs people, and turns the pairs into figures."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench import metrics
from pymafx_live.bench.mannequin.clip import load_truth, truth_path
from pymafx_live.bench.mannequin.truth import TruePerson, Truth
from pymafx_live.bench.matching import SEEN, Matcher
from pymafx_live.configs.schema import Settings
from pymafx_live.core.interfaces import Detector, Engine, Tracker
from pymafx_live.core.types import Camera, Frame, FrameResult, Origin, Person, TrackState
from pymafx_live.engines import open_engine
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.lane import Smooth, Stride
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.trackers import open_tracker

Watch = Callable[[FrameResult, Truth, NDArray[np.uint8]], None]
"""Told of every frame's result, truth and image."""


@dataclass(slots=True)
class Parts:
    """The pipeline's parts, made once for all clips."""

    detector: Detector
    tracker: Tracker
    engine: Engine
    smooth: Smooth
    stride: Stride = 1
    clock: float = 0.0
    """Seconds of the clips that were played: trackers and engines want a time that never runs backwards."""

    @classmethod
    def make(cls, settings: Settings) -> "Parts":
        """What the settings ask for; raises `LiveError` where that cannot be had."""
        pictures = Pictures()
        return cls(
            open_detector(settings, pictures),
            open_tracker(settings.tracker),
            open_engine(settings, pictures),
            Smoother(settings.engine.smoothing),
            settings.detector.stride or 1,
        )


@dataclass(slots=True)
class Pairs:
    """The frames of one clip in which a person was found: estimated and true bodies, side by side (N, ...).

    `track` names the true person of each row and `frame` its frame; `everyone` is all true people of that frame.
    """

    frame: list[int] = field(default_factory=list)
    track: list[int] = field(default_factory=list)
    estimated: list[Person] = field(default_factory=list)
    true: list[TruePerson] = field(default_factory=list)
    everyone: list[tuple[TruePerson, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One clip's pairs and counts."""

    fps: float
    camera: Camera
    pairs: Pairs
    matcher: Matcher
    first: dict[int, int] = field(default_factory=dict)
    """The frame in which each true person is seen first."""

    @property
    def measured(self) -> int:
        """In how many of the frames the person was not only found but measured."""
        return sum(p.parts["transl"].origin is Origin.MEASURED for p in self.pairs.estimated)


def play(clip: Path, pipeline: Parts, watch: Watch | None = None) -> Outcome:
    """Run the pipeline over a clip of `bench.mannequin.clip`, with the clip's own intrinsics."""
    truths = load_truth(truth_path(clip))
    fps = round(1 / (truths[1].time - truths[0].time), 3) if len(truths) > 1 else 1.0
    start = pipeline.clock + 10.0
    frames = _frames(clip, truths, start)
    outcome = Outcome(fps, truths[0].camera, Pairs(), Matcher())
    trio = pipeline.detector, pipeline.tracker, pipeline.engine
    for result, frame in results(frames, *trio, stride=pipeline.stride, smooth=pipeline.smooth):
        truth = truths[frame.sequence]
        pair(result, truth, frame.sequence, outcome)
        if watch is not None:
            watch(result, truth, frame.image)
        pipeline.clock = frame.time
    return outcome


def _frames(clip: Path, truths: list[Truth], start: float) -> Iterator[Frame]:
    with av.open(str(clip)) as container:
        for i, picture in enumerate(container.decode(video=0)):
            image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
            time = start + truths[i].time
            yield Frame(image, clip.stem, i, time, time, truths[i].camera, cut=i == 0)


def pair(result: FrameResult, truth: Truth, frame: int, outcome: Outcome) -> None:
    """Take the people of one result, and the true ones they are, into the outcome."""
    states = (TrackState.NEW, TrackState.TRACKED)
    reported = {p.id: p for p in result.people if p.state in states and p.extra}  # empty: not estimated yet
    true = {p.id: p for p in truth.people if p.visible > 0}
    for t, person in true.items():
        if person.visible >= SEEN:
            outcome.first.setdefault(t, frame)
    found = outcome.matcher.match(
        {t: p.box for t, p in true.items()},
        {t: p.visible for t, p in true.items()},
        {i: p.box for i, p in reported.items()},
    )
    for t, i in found.items():
        if true[t].visible >= SEEN:
            outcome.pairs.frame.append(frame)
            outcome.pairs.track.append(t)
            outcome.pairs.estimated.append(reported[i])
            outcome.pairs.true.append(true[t])
            outcome.pairs.everyone.append(truth.people)


Figures = dict[str, float]


def figures(outcomes: Iterable[Outcome], body: BodyModel) -> Figures:
    """The figures of several clips of one motion, each frame of a found person weighing the same.

    Lengths are in mm, angles in degrees, accelerations in m/s², counts per clip summed; a figure that has no
    frame is not-a-number.
    """
    outcomes = list(outcomes)
    tables = [_errors(outcome, body) for outcome in outcomes]
    names = tables[0].keys()
    joined = {name: np.concatenate([table[name] for table in tables]) for name in names}
    joined = {name: values[np.isfinite(values)] for name, values in joined.items()}
    means = {name: float(values.mean()) if len(values) else float("nan") for name, values in joined.items()}
    counts = [outcome.matcher for outcome in outcomes]
    required, missed = sum(c.required for c in counts), sum(c.missed for c in counts)
    measured = sum(o.measured for o in outcomes)
    return means | {
        "required": float(required),
        "missed": float(missed),
        "missed_share": missed / required if required else float("nan"),
        "unmeasured_share": 1 - measured / required if required else float("nan"),
        "false": float(sum(c.false for c in counts)),
        "switches": float(sum(c.switches for c in counts)),
    }


def _errors(outcome: Outcome, body: BodyModel) -> dict[str, NDArray[np.float64]]:
    """Each figure's values over the pairs of one clip."""
    pairs = outcome.pairs
    joints, rotations = estimated_joints(pairs.estimated, body)
    true_joints = np.array([p.joints for p in pairs.true], np.float64).reshape(-1, 55, 3)
    true_turns = true_rotations(pairs.true, body)
    offset = joints[:, 0] - true_joints[:, 0]
    angles = metrics.rotation_error(rotations, true_turns)
    visible = np.array([p.seen for p in pairs.true], bool).reshape(-1, 55)
    table = {
        "upper": metrics.upper_error(joints, true_joints, visible),
        "invented_legs": metrics.invented_legs(joints, true_joints, visible, outcome.camera).astype(np.float64),
        "legs_seen": visible[:, metrics.LEGS].mean(1),
        "wrong_way": _wrong_way(rotations, true_turns, outcome),
        "mixed_up": _mixed_up(joints, outcome),
        "body": metrics.body_error(joints, true_joints),
        "body_pa": metrics.body_shape_error(joints, true_joints),
        "pelvis": np.linalg.norm(offset, axis=1) * 1e3,
        "depth": np.abs(offset[:, 2]) * 1e3,
        **{f"angle_{name}": angles[:, list(group)].mean(1) for name, group in metrics.GROUPS.items()},
        "jitter": _jitter(joints, pairs, outcome.fps),
        "jitter_true": _jitter(true_joints, pairs, outcome.fps),
    }
    for side in metrics.HANDS:
        table[f"{side}_hand"] = metrics.hand_error(joints, true_joints, side)
        table[f"{side}_fingers"] = metrics.finger_error(joints, true_joints, rotations, true_turns, side)
    for origin in Origin:
        table[f"hands_{origin}"] = np.array(
            [p.parts[f"{side}_hand"].origin is origin for p in pairs.estimated for side in metrics.HANDS], np.float64
        )
    seen = _seen_hands(pairs)
    for side, column in zip(metrics.HANDS, seen.T, strict=True):
        table[f"{side}_hand_measured"] = table[f"{side}_hand"][column]
    return table


def _wrong_way(estimated: metrics.Values, true: metrics.Values, outcome: Outcome) -> metrics.Values:
    """Whether the trunk faces away from where it does, in the frames after the first second of each person."""
    pairs = outcome.pairs
    late = [f - outcome.first[t] >= outcome.fps for f, t in zip(pairs.frame, pairs.track, strict=True)]
    wrong = metrics.facing_error(estimated, true) > 90
    return np.asarray(wrong[np.array(late, bool)], np.float64)


def _mixed_up(estimated: metrics.Values, outcome: Outcome) -> metrics.Values:
    """Whether a person's skeleton lies on another person; no values where nobody else is."""
    pairs = outcome.pairs
    if not pairs.everyone or len(pairs.everyone[0]) < 2:
        return np.empty(0)
    people = np.array([[p.joints for p in everyone] for everyone in pairs.everyone], np.float64)
    return metrics.mixed_up(estimated, people, np.array(pairs.track), outcome.camera).astype(np.float64)


def _seen_hands(pairs: Pairs) -> NDArray[np.bool_]:
    """Whether the left and the right hand (N, 2) were measured."""
    origins = [[p.parts[f"{side}_hand"].origin is Origin.MEASURED for side in metrics.HANDS] for p in pairs.estimated]
    return np.array(origins, bool).reshape(-1, 2)


def estimated_joints(people: list[Person], body: BodyModel) -> tuple[metrics.Values, metrics.Values]:
    """Joints (N, 55, 3) and global rotations (N, 55, 3, 3) of estimated people on the embedded body."""
    pose = np.array([p.full_pose for p in people]).reshape(-1, 55, 3)
    transl = np.array([p.transl for p in people]).reshape(-1, 3)
    bones = np.array([p.extra.get("bones", np.ones(55)) for p in people]).reshape(-1, 55)
    joints, rotations = body.joints(pose, transl, None, bones)
    return joints.astype(np.float64), rotations.astype(np.float64)


def true_rotations(people: list[TruePerson], body: BodyModel) -> metrics.Values:
    """The global rotations (N, 55, 3, 3) of true people."""
    pose = np.array([p.pose for p in people]).reshape(-1, 55, 3)
    _, rotations = body.joints(pose, np.zeros((len(pose), 3)))
    return rotations.astype(np.float64)


def _jitter(joints: metrics.Values, pairs: Pairs, fps: float) -> metrics.Values:
    """Accelerations of the body's joints over every run of frames in which a person was found."""
    frame, track = np.array(pairs.frame), np.array(pairs.track)
    runs: list[metrics.Values] = []
    for person in np.unique(track):
        rows = np.flatnonzero(track == person)
        unbroken = np.split(rows, np.flatnonzero(np.diff(frame[rows]) != 1) + 1)
        runs.extend(metrics.jitter(joints[run, metrics.BODY], fps) for run in unbroken if len(run) > 2)
    return np.concatenate(runs) if runs else np.empty(0)
