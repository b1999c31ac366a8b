"""The whole pipeline on real people: plays clips and pictures, and holds what is published against MediaPipe.

Nobody knows the truth of real pictures. MediaPipe's shoulders and visible hands are good to a few pixels; elbows and
wrists in loose sleeves, hips and all that is hidden are guesses of the same networks that the embedded engine uses.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench import landmarks as marks
from pymafx_live.bench.accuracy import Figures, Parts, estimated_joints
from pymafx_live.bench.landmarks import Landmarks
from pymafx_live.bench.reference import STILL_FPS, film
from pymafx_live.core.boxes import iou
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Camera, Frame, FrameResult, Origin, Person, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.sources.images import names_images
from pymafx_live.pipeline.sources.reader import Shot

Watch = Callable[[FrameResult, Landmarks, NDArray[np.uint8]], None]
"""Told of every frame's result, its landmarks (75, 3) and its image."""


@dataclass(slots=True)
class Outcome:
    """What became of one file: per frame the landmarks (75, 3), who was published for them, and how many were."""

    still: bool
    fps: float
    camera: Camera
    landmarks: list[Landmarks] = field(default_factory=list)
    people: list[Person | None] = field(default_factory=list)
    published: list[int] = field(default_factory=list)


def play(file: Path, reference: Landmarks, pipeline: Parts, frames: int = 0, watches: Sequence[Watch] = ()) -> Outcome:
    """Run the pipeline over a file as `film` shows it, before a camera that nobody calibrated.

    `reference` (F, 75, 3) has the landmarks of all frames, or of the one picture.
    """
    still = names_images(str(file))
    shots = list(film(file, frames))
    if not still and len(reference) != len(shots) and (not frames or len(reference) < len(shots)):
        raise UsageError(
            f"{file.name} has {len(shots)} frames and its reference {len(reference)}: "
            "make the reference anew with --holistic."
        )
    height, width = shots[0].image.shape[:2]
    times = [shot.time for shot in shots]
    fps = 1 / float(np.median(np.diff(times))) if len(shots) > 1 else STILL_FPS
    outcome = Outcome(still, fps, Lens().camera(width, height))
    trio = pipeline.detector, pipeline.tracker, pipeline.engine
    source = _frames(shots, file.name, pipeline.clock + 10.0, outcome.camera)
    for result, frame in results(source, *trio, stride=pipeline.stride, smooth=pipeline.smooth):
        seen = reference[0 if still else frame.sequence]
        published = _published(result)
        outcome.landmarks.append(seen)
        outcome.people.append(_person(published, seen, outcome.camera))
        outcome.published.append(len(published))
        for watch in watches:
            watch(result, seen, frame.image)
        pipeline.clock = frame.time
    return outcome


def _frames(shots: Sequence[Shot], name: str, start: float, camera: Camera) -> Iterator[Frame]:
    for i, shot in enumerate(shots):
        time = start + shot.time
        yield Frame(shot.image, name, i, time, time, camera, cut=i == 0)


def _published(result: FrameResult) -> list[Person]:
    states = (TrackState.NEW, TrackState.TRACKED)
    return [p for p in result.people if p.state in states and p.extra]  # empty: not estimated yet


def _person(published: Sequence[Person], seen: Landmarks, camera: Camera) -> Person | None:
    """Whose box the landmarks (75, 3) fill best; None where they are in nobody's."""
    theirs = marks.box(seen, camera)
    if not published or not np.isfinite(theirs).all():
        return None
    shares = iou(theirs, np.stack([p.box for p in published]))
    return published[int(shares.argmax())] if shares.max() > 0 else None


def figures(outcome: Outcome, body: BodyModel) -> Figures:
    """One file's figures, over the frames in which MediaPipe found somebody.

    Errors are in percent of the shoulders' breadth, over frames with somebody published; shares in percent of all;
    `jitter` is in m/s². A figure that has no frame is not-a-number.
    """
    everything = np.array(outcome.landmarks, np.float32).reshape(-1, marks.COUNT, 3)
    counted = marks.known(everything)
    there = counted & np.array([p is not None for p in outcome.people], bool)
    people = [p for p, kept in zip(outcome.people, there, strict=True) if kept and p is not None]
    seen, frames = everything[there], np.flatnonzero(there)
    joints, rotations = estimated_joints(people, body)
    error = 100 * marks.arm_error(joints, seen, outcome.camera)
    late = frames - counted.argmax() >= (0 if outcome.still else outcome.fps)
    legs = marks.invented_legs(joints, seen, outcome.camera)
    measured = sum(p.parts["transl"].origin is Origin.MEASURED for p in people)
    total = int(counted.sum())
    per_frame = np.full(len(everything), np.nan)
    per_frame[there] = _mean_rows(error)
    return {
        "frames": float(total),
        "found": _share(measured, total),
        "error": _mean(error),
        **{name: _mean(error[:, 2 * k : 2 * k + 2]) for k, name in enumerate(marks.ARMS)},
        "first": float(per_frame[0]) if outcome.still else float("nan"),
        "last": float(per_frame[-1]) if outcome.still else float("nan"),
        "worst": float(np.nanmax(per_frame)) if np.isfinite(per_frame).any() else float("nan"),
        "invented_legs": _share(int(legs.sum()), total),
        "hands": _hands(people, everything[counted], seen),
        "wrong_way": 100 * _mean(marks.wrong_way(rotations, seen)[late]),
        "jitter": _jitter(joints, seen, frames, outcome.fps),
        "people": float(np.mean(outcome.published)),
    }


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _mean_rows(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The means (N,) of the numbers in rows (N, K)."""
    counts = np.isfinite(values).sum(1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nansum(values, 1) / np.where(counts, counts, np.nan))


def _share(part: int, total: int) -> float:
    return 100 * part / total if total else float("nan")


def _hands(people: Sequence[Person], counted: Landmarks, seen: Landmarks) -> float:
    """The share of MediaPipe's hands, in frames `counted`, that were measured, of `people` in the frames `seen`."""
    total = sum(int(np.isfinite(counted[:, first, 0]).sum()) for first in marks.HAND.values())
    found = sum(
        bool(np.isfinite(one[first, 0])) and person.parts[f"{side}_hand"].origin is Origin.MEASURED
        for person, one in zip(people, seen, strict=True)
        for side, first in marks.HAND.items()
    )
    return _share(found, total)


def _jitter(joints: NDArray[np.float64], seen: Landmarks, frames: NDArray[np.intp], fps: float) -> float:
    """The jitter of still shoulders over every run of successive `frames` (N,)."""
    runs = np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) != 1) + 1)
    return _mean(np.concatenate([marks.still_jitter(joints[run], seen[run], fps) for run in runs]))


def mean_figures(rows: Sequence[Figures]) -> Figures:
    """The means over files, each weighing the same; `worst_hands` is the share of the worst of them."""
    means = {name: _mean(np.array([row[name] for row in rows])) for name in rows[0]}
    hands = [row["hands"] for row in rows if np.isfinite(row["hands"])]
    worst = {"worst": float(np.nanmax([row["worst"] for row in rows]))} if rows else {}
    return means | worst | {"worst_hands": min(hands, default=float("nan"))}
