"""What each preset of the smoothing does to rendered people: how much they tremble, and how late they are.

    python -m pymafx_live.bench.smoothing [--presets raw,responsive,smooth,2] [--seeds 100,101] [--json out.json]

Each clip is played once without smoothing; then what was estimated is smoothed by each preset. Only joints that are
seen count, where they are measured for 20 frames on end.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from pymafx_live.bench import metrics
from pymafx_live.bench.accuracy import Outcome, Pairs, Parts, estimated_joints, pair, play, true_rotations
from pymafx_live.bench.mannequin.clip import cached_clip
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.bench.matching import Matcher
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings, number_or_word
from pymafx_live.core.errors import LiveError
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import Frame, FrameResult, Origin, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.smoothing import Smoother
from scipy.interpolate import CubicSpline
from scipy.ndimage import uniform_filter1d

TORSO = [
    JOINT[name] for name in ("spine3", "neck", "head", *(f"{s}_{j}" for s in SIDES for j in ("collar", "shoulder")))
]
LIMBS = [JOINT[f"{side}_{joint}"] for side in SIDES for joint in ("elbow", "wrist", "knee", "ankle")]
SHORTEST = 20
"""Frames on end in which a joint must be measured to count."""
WINDOW = 9
"""Frames over which an error's mean is taken, about which it trembles."""
SHIFTS = np.arange(-0.1, 0.301, 0.005)
"""Seconds of delay that are tried."""
STILL: Mapping[str, str] = {
    f"{part}_{unit}": f"{part}, {shown}"
    for part in ("body", "hands", "place")
    for unit, shown in (("jitter", "m/s²"), ("mm", "mm"))
}
MOVING: Mapping[str, str] = {
    **{f"{part}_lag": f"{part}, ms" for part in ("body", "torso", "limbs", "hands", "place")},
    "body_error": "body off, mm", "body_jitter": "m/s²",
}  # fmt: skip

Recording = list[tuple[FrameResult, Truth]]


@dataclass(frozen=True, slots=True, eq=False)
class Path3:
    """Where a joint was estimated, and where it was (T, 3), in successive frames."""

    estimated: metrics.Values
    true: metrics.Values


@click.command(help=__doc__)
@click.option("--presets", default="raw,responsive,smooth", show_default=True, help="and numbers, by comma")
@click.option("--still", default="front,desk,portrait", show_default=True, help="clips of people who stay in place")
@click.option("--moving", default="wave,walk,squat,turn,hands", show_default=True, help="clips for the lag")
@click.option("--seeds", default="100,101", show_default=True, help="performances of each")
@click.option("--json", "output", type=Path, help="file for the figures")
def main(presets: str, still: str, moving: str, seeds: str, output: Path | None) -> None:
    """The command."""
    try:
        pipeline, body = Parts.make(load(None, {"engine": {"smoothing": "raw"}}, Settings)), BodyModel.embedded()
        recorded = {
            names: [record(cached_clip(name, seed), pipeline) for name in names.split(",") for seed in numbers(seeds)]
            for names in (still, moving)
        }
        rows = {
            preset: {
                kind: figures([replay(one, _smoother(preset)) for one in recorded[names]], body)
                for kind, names in (("still", still), ("moving", moving))
            }
            for preset in presets.split(",")
        }
        print_table(f"jitter: {still}", {name: row["still"] for name, row in rows.items()}, STILL, 1)
        print_table(f"lag: {moving}", {name: row["moving"] for name, row in rows.items()}, MOVING, 1)
        if output:
            flat = {f"{name} {kind}": found for name, row in rows.items() for kind, found in row.items()}
            write_json(output, "smoothing", flat, {"still": still, "moving": moving, "seeds": seeds})
    except LiveError as error:
        click.echo(f"smoothing: {error}", err=True)
        sys.exit(error.exit_code)


def _smoother(preset: str) -> Smoother:
    how: Any = number_or_word(preset)
    return Smoother(how)


def record(clip: Path, pipeline: Parts) -> Recording:
    """What the pipeline made of each frame of a clip, and the truth."""
    recorded: Recording = []
    play(clip, pipeline, lambda result, truth, image: recorded.append((result, truth)))
    return recorded


def replay(recorded: Recording, smoother: Smoother) -> Outcome:
    """The recorded results, smoothed, beside the truth: as a run with that smoother has them."""
    first, second = (truth for _, truth in recorded[:2])
    outcome = Outcome(1 / (second.time - first.time), first.camera, Pairs(), Matcher())
    nothing = np.zeros((1, 1, 3), np.uint8)
    for number, (result, truth) in enumerate(recorded):
        frame = Frame(nothing, result.source, number, result.time, result.captured_at, truth.camera, cut=number == 0)
        there = [person for person in result.people if person.state is not TrackState.ENDED]
        pair(replace(result, people=smoother(there, frame)), truth, number, outcome)
        smoother.forget([person.id for person in result.people if person.state is TrackState.ENDED])
    return outcome


def figures(outcomes: Sequence[Outcome], body: BodyModel) -> dict[str, float]:
    """Of each part its jitter in m/s² and mm, its lag in ms and its error in mm; see `docs/performance.md`."""
    paths: dict[str, list[tuple[Path3, float]]] = {}
    for outcome in outcomes:
        for part, path in _paths(outcome, body):
            paths.setdefault(part, []).append((path, outcome.fps))
    found: dict[str, float] = {}
    for part, given in paths.items():
        found[f"{part}_jitter"] = float(np.concatenate([jitter(path, fps) for path, fps in given]).mean())
        found[f"{part}_mm"] = float(np.sqrt((np.concatenate([tremble(path) for path, _ in given]) ** 2).mean()))
        found[f"{part}_lag"] = 1e3 * lag(given)
        found[f"{part}_error"] = float(np.concatenate([error(path) for path, _ in given]).mean())
    return found


def _paths(outcome: Outcome, body: BodyModel) -> Iterator[tuple[str, Path3]]:
    """The paths of every joint, by part: `body` and `place` in the camera's frame, `torso` and `limbs` from the pelvis,
    `hands` as seen from the wrist."""
    pairs = outcome.pairs
    joints, rotations = estimated_joints(pairs.estimated, body)
    true = np.array([person.joints for person in pairs.true], np.float64).reshape(-1, 55, 3)
    turned = true_rotations(pairs.true, body)
    seen = np.array([person.seen for person in pairs.true], bool).reshape(-1, 55)
    placed = np.array([person.parts["transl"].origin is Origin.MEASURED for person in pairs.estimated], bool)
    seen &= placed[:, None]
    both, rooted = (joints, true), (metrics.aligned_at(joints, 0), metrics.aligned_at(true, 0))
    parts: list[tuple[str, tuple[metrics.Values, metrics.Values], metrics.Mask, Any]] = [
        ("body", both, seen, range(22)), ("place", both, seen | placed[:, None], [0]),
        ("torso", rooted, seen, TORSO), ("limbs", rooted, seen, LIMBS),
    ]  # fmt: skip
    for side, (wrist, hand) in metrics.HANDS.items():
        measured = np.array([p.parts[f"{side}_hand"].origin is Origin.MEASURED for p in pairs.estimated], bool)
        held = (metrics.seen_from(joints, rotations, wrist), metrics.seen_from(true, turned, wrist))
        parts.append(("hands", held, np.repeat(measured[:, None], 55, 1), range(hand.start, hand.stop)))
    for rows in unbroken(np.array(pairs.frame), np.array(pairs.track)):
        for part, (estimated, actual), counted, indices in parts:
            for joint in indices:
                for stretch in _stretches(counted[rows, joint]):
                    yield part, Path3(estimated[rows[stretch], joint], actual[rows[stretch], joint])


def unbroken(frame: metrics.Values, track: metrics.Values) -> Iterator[Any]:
    """The rows of each person in successive frames."""
    for person in np.unique(track):
        rows = np.flatnonzero(track == person)
        yield from np.split(rows, np.flatnonzero(np.diff(frame[rows]) != 1) + 1)


def _stretches(counted: metrics.Mask) -> Iterator[Any]:
    rows = np.flatnonzero(counted)
    for stretch in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        if len(stretch) >= SHORTEST:
            yield stretch


def jitter(path: Path3, fps: float) -> metrics.Values:
    """The error (T - 2,) of the acceleration, in m/s²."""
    return metrics.jitter((path.estimated - path.true)[:, None], fps)


def tremble(path: Path3) -> metrics.Values:
    """How far (T - 8,) the error is from its mean over the `WINDOW` frames about, in mm."""
    off, edge = path.estimated - path.true, WINDOW // 2
    return np.asarray(1e3 * np.linalg.norm((off - uniform_filter1d(off, WINDOW, axis=0))[edge:-edge], axis=1))


def error(path: Path3) -> metrics.Values:
    """The distance (T,) from the truth in mm."""
    return np.asarray(1e3 * np.linalg.norm(path.estimated - path.true, axis=1))


def lag(paths: Sequence[tuple[Path3, float]]) -> float:
    """The delay in seconds of the truth with which it fits the estimates best, least squares over all paths.

    Each with its rate; a path's constant error does not count, so that who moves more counts more.
    """
    total = np.zeros(len(SHIFTS))
    for path, fps in paths:
        time = np.arange(len(path.true)) / fps
        rows = np.flatnonzero((time >= SHIFTS[-1]) & (time <= time[-1] + SHIFTS[0]))
        delayed = CubicSpline(time, path.true)(time[rows] - SHIFTS[:, None])
        off = path.estimated[rows] - delayed
        total += ((off - off.mean(1, keepdims=True)) ** 2).sum((1, 2))
    best = int(np.clip(np.argmin(total), 1, len(SHIFTS) - 2))
    before, at, after = total[best - 1 : best + 2]
    bend = before - 2 * at + after
    return float(SHIFTS[best] + (SHIFTS[1] - SHIFTS[0]) * (0.5 * (before - after) / bend if bend > 0 else 0.0))


if __name__ == "__main__":
    main()
