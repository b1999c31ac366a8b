"""Where up and the floor are, and which feet stand: what results say of it on rendered clips whose camera is known.

    python -m pymafx_live.bench.ground [--clips walk,front] [--seeds 100,101] [--json out.json]

Seeds 0 to 9 are tuned on. `up` is the error after five seconds and `level` that of a camera assumed level, in degrees;
`floor` is how high the true floor below the people is in the last second, in cm; `root` is by how much more the pelvis
leans forward than it does, on average. `slide` is how far a foot that truly stands (its sole is within 4 cm of the
floor and slower than 0.2 m/s) moves in a frame, as it comes and with `--foot-lock`, in mm; `told` the same of feet
that are said to stand in both frames. `hands` is how far the lock moves the upper body.
"""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
from pymafx_live.bench.accuracy import Figures, Parts, play
from pymafx_live.bench.mannequin.clip import cached_clip
from pymafx_live.bench.mannequin.scene import stance
from pymafx_live.bench.mannequin.truth import TruePerson, Truth
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import LiveError
from pymafx_live.core.rotations import to_matrices
from pymafx_live.core.skeleton import JOINT, SIDES
from pymafx_live.core.types import FrameResult, Origin, Part, Person, TrackState, pose_parameters
from pymafx_live.core.world import LEVEL, World, tilt
from pymafx_live.pipeline.foot_lock import FootLock
from pymafx_live.pipeline.history import History
from pymafx_live.pipeline.legs import has_legs, legs_of
from pymafx_live.pipeline.smoothing import Smoother

FRAMES, FPS, AFTER = 150, 25.0, 125
STANDS, STILL = 0.04, 0.2
_UPPER = slice(JOINT["neck"], JOINT["right_wrist"] + 1)
COLUMNS: Mapping[str, str] = {
    "pitch": "pitch", "roll": "roll", "up": "up", "level": "level", "floor": "floor", "root": "root",
    "contact": "contact", "slide": "slide", "slide_locked": "locked", "told": "told", "told_locked": "locked told",
    "hands": "hands", "lock_ms": "lock ms",
}  # fmt: skip


@dataclass(slots=True)
class Step:
    """One person in one frame of a clip, in the true world.

    Soles (2, 2, 3) as they come, held, and true; `contact` (2,), NaN where it is not told; how much more the pelvis
    leans forward than it does, in degrees; how far the lock moves the upper body, in mm.
    """

    frame: int
    soles: Reals
    locked: Reals
    true: Reals
    contact: Reals
    root: float
    hands: float


@dataclass(slots=True)
class Record:
    """A clip's results and truths, and the seconds of each call of the lock."""

    results: list[FrameResult] = field(default_factory=list)
    locked: list[FrameResult] = field(default_factory=list)
    truths: list[Truth] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _lock: FootLock = field(default_factory=FootLock)

    def __call__(self, result: FrameResult, truth: Truth, image: Any) -> None:
        """Takes a frame."""
        began = time.perf_counter()
        self.locked.append(self._lock(result))
        self.seconds.append(time.perf_counter() - began)
        self.results.append(result)
        self.truths.append(truth)

    def steps(self, world: World) -> dict[int, list[Step]]:
        """What each id did, with the nearest true person beside it."""
        out: dict[int, list[Step]] = {}
        for frame, (result, locked, truth) in enumerate(zip(self.results, self.locked, self.truths, strict=True)):
            for person, held in zip(result.people, locked.people, strict=True):
                if has_legs(person) and person.state != TrackState.ENDED and truth.people:
                    out.setdefault(person.id, []).append(_step(frame, person, held, truth, world))
        return out


def _step(frame: int, person: Person, held: Person, truth: Truth, world: World) -> Step:
    true = min(truth.people, key=lambda other: float(np.linalg.norm(other.joints[0] - person.pelvis)))
    raw, locked, real = (world.points(legs_of([one]).soles[0]) for one in (person, held, _as_person(true)))
    lean = [
        float(np.degrees(np.arcsin((world.rotation @ to_matrices(turn.astype(np.float64)))[1, 2])))
        for turn in (person.global_orient, true.pose[0])
    ]
    contact = np.full(2, np.nan) if person.contact is None else person.contact
    hands = np.abs(person.joints[_UPPER] - held.joints[_UPPER]).max()
    return Step(frame, raw, locked, real, contact, lean[1] - lean[0], float(1000 * hands))


def _as_person(true: TruePerson) -> Person:
    legs = {f"{side}_leg": Part(1.0, Origin.MEASURED) for side in SIDES}
    return Person(true.id, TrackState.TRACKED, true.box, 1.0, "truth", legs, pelvis=true.joints[0], joints=true.joints,
                  **pose_parameters(true.pose))  # fmt: skip


@click.command(help=__doc__)
@click.option("--clips", default="walk,front,side,turn,squat,bow,ceiling,low", show_default=True)
@click.option("--seeds", default="100,101", show_default=True, help="performances of each")
@click.option("--json", "output", type=Path, help="file for the figures")
def main(clips: str, seeds: str, output: Path | None) -> None:
    """The command."""
    try:
        pipeline = Parts.make(load(None, {"detector": {"stride": "auto"}}, Settings))
        rows: dict[str, Figures] = {}
        for name in clips.split(","):
            for seed in numbers(seeds):
                record = Record()
                pipeline.smooth = History(Smoother())
                play(cached_clip(name, seed, FRAMES, FPS), pipeline, record)
                rows[f"{name} {seed}"] = figures(record, stance(name, seed, FRAMES, FPS))
        print_table("where the camera stands, and feet", rows, COLUMNS, 1)
        if output:
            write_json(output, "ground", rows, {"clips": clips, "seeds": seeds})
    except LiveError as error:
        click.echo(f"ground: {error}", err=True)
        sys.exit(error.exit_code)


def figures(record: Record, true: World) -> Figures:
    """The figures of one clip."""
    pitch, roll = np.degrees(tilt(true.up.astype(np.float64)))
    found = record.results[AFTER].world
    below = [true.points(p.joints[0]) * [1, 0, 1] for truth in record.truths[AFTER:] for p in truth.people]
    heights = found.points(true.seen(np.array(below)))[:, 1]
    steps = record.steps(true)
    everything = [step for taken in steps.values() for step in taken]
    return {
        "pitch": float(pitch), "roll": float(roll), "up": _between(found.up, true.up),
        "level": _between(LEVEL.up, true.up), "floor": float(100 * heights.mean()),
        "root": _mean([step.root for step in everything]), "hands": max(step.hands for step in everything),
        "lock_ms": 1e3 * float(np.quantile(record.seconds, 0.2)), **_slides(steps.values()),
    }  # fmt: skip


def _slides(people: Iterable[Sequence[Step]]) -> Figures:
    """How often `contact` is right, and how far feet slide; of a foot that rolls, its stillest corner."""
    right: list[Reals] = []
    slides: dict[str, list[Reals]] = {"slide": [], "told": [], "slide_locked": [], "told_locked": []}
    for taken in people:
        frames = np.array([step.frame for step in taken])
        soles, locked, true = (np.array([getattr(s, name) for s in taken]) for name in ("soles", "locked", "true"))
        contact = np.array([step.contact for step in taken])
        next_to = np.diff(frames) == 1
        lowest = true[1:, ..., 1].argmin(-1)[..., None]
        speed = np.take_along_axis(np.linalg.norm(np.diff(true, axis=0), axis=-1), lowest, -1)[..., 0] * FPS
        stands = (speed < STILL) & (true[1:, ..., 1].min(-1) < STANDS)
        told = (contact[1:] > 0.5) & (contact[:-1] > 0.5)
        known = next_to[:, None] & ~np.isnan(contact[1:])
        right.append(((contact[1:] > 0.5) == stands)[known])
        for name, places in (("", soles), ("_locked", locked)):
            moved = 1e3 * np.linalg.norm(np.diff(places, axis=0)[..., [0, 2]], axis=-1).min(-1)
            slides["slide" + name].append(moved[stands & next_to[:, None]])
            slides["told" + name].append(moved[told & next_to[:, None]])
    return {"contact": _mean(np.concatenate(right))} | {k: _mean(np.concatenate(v)) for k, v in slides.items()}


def _between(up: Reals, true: Reals) -> float:
    """Degrees between two directions (3,)."""
    a, b = up.astype(np.float64), true.astype(np.float64)
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


def _mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


if __name__ == "__main__":
    main()
