"""How far a message's own numbers of doubt hold: `pelvis_covariance` and `velocity` on rendered people.

    python -m pymafx_live.bench.trust [--clips front,walk] [--seeds 100,101] [--proportions] [--json out.json]

Errors of measured pelvises in units of the deviation that is told: along the line of sight, to the side, up and down.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from pymafx_live.bench.accuracy import Figures, Outcome, Parts, play
from pymafx_live.bench.mannequin.clip import cached_clip
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import Origin
from pymafx_live.pipeline.history import History
from pymafx_live.pipeline.smoothing import Smoother

SHARES: Mapping[str, str] = {
    "frames": "frames",
    **{f"{way}_{n}": f"{way} {n}" for n in (1, 2, 3) for way in ("depth", "side", "up")},
}
SPEEDS: Mapping[str, str] = {
    "speed_depth": "depth", "speed_across": "across", "speed_depth_99": "depth, 99 %",
    "step_depth": "steps, depth", "step_across": "steps, across", "fastest": "fastest", "fastest_true": "truly",
}  # fmt: skip
SETTLED = 5
"""Frames of a person after which its velocity is looked at."""


@click.command(help=__doc__)
@click.option("--clips", default="front,walk,side", show_default=True, help="motions, by comma")
@click.option("--seeds", default="100,101", show_default=True, help="performances of each")
@click.option("--proportions", is_flag=True, help="people of other builds than the embedded body's")
@click.option("--json", "output", type=Path, help="file for the figures")
def main(clips: str, seeds: str, proportions: bool, output: Path | None) -> None:
    """The command."""
    try:
        pipeline = Parts.make(load(None, {}, Settings))
        pipeline.smooth = History(Smoother())
        played = {
            name: [play(cached_clip(name, seed, proportions=proportions), pipeline) for seed in numbers(seeds)]
            for name in clips.split(",")
        }
        rows = {name: figures(outcomes) for name, outcomes in played.items()}
        rows["all"] = figures([outcome for outcomes in played.values() for outcome in outcomes])
        print_table("share of frames within so many deviations", rows, SHARES, 2)
        print_table("velocity, m/s: errors, root mean square; and of differences of places", rows, SPEEDS, 2)
        if output:
            write_json(output, "trust", rows, {"clips": clips, "seeds": seeds, "proportions": proportions})
    except LiveError as error:
        click.echo(f"trust: {error}", err=True)
        sys.exit(error.exit_code)


def figures(outcomes: Sequence[Outcome]) -> Figures:
    """The figures of several clips, each frame of a measured person weighing the same."""
    tables = [{**_places(outcome), **_speeds(outcome)} for outcome in outcomes]
    joined: dict[str, Any] = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    shares = {f"{way}_{n}": _mean(joined[way] < n) for way in ("depth", "side", "up") for n in (1, 2, 3)}
    speeds = {name: _mean(joined[name] ** 2) ** 0.5 for name in list(SPEEDS)[:2] + list(SPEEDS)[3:5]}
    return {
        "frames": float(len(joined["depth"])), **shares, **speeds,
        "speed_depth_99": float(np.quantile(np.abs(joined["speed_depth"]), 0.99)) if len(joined["depth"]) else np.nan,
        "fastest": max(joined["told"], default=np.nan), "fastest_true": max(joined["true"], default=np.nan),
    }  # fmt: skip


def _mean(values: Reals) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _places(outcome: Outcome) -> dict[str, Reals]:
    """How far (N,) each measured pelvis is off in three directions, in units of the deviation that is told."""
    pairs = [
        (person, true) for person, true in zip(outcome.pairs.estimated, outcome.pairs.true, strict=True)
        if person.parts["transl"].origin is Origin.MEASURED and person.pelvis_covariance is not None
    ]  # fmt: skip
    place = np.array([person.pelvis for person, _ in pairs], np.float64).reshape(-1, 3)
    error = place - np.array([true.joints[0] for _, true in pairs], np.float64).reshape(-1, 3)
    spread = np.array([person.pelvis_covariance for person, _ in pairs], np.float64).reshape(-1, 3, 3)
    ray = place / np.linalg.norm(place, axis=1, keepdims=True)
    side = np.cross(ray, [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    ways = {"depth": ray, "side": side, "up": np.cross(ray, side)}
    return {
        name: np.abs((error * way).sum(1)) / np.sqrt(np.einsum("ni,nij,nj->n", way, spread, way))
        for name, way in ways.items()
    }


def _speeds(outcome: Outcome) -> dict[str, Reals]:
    """The errors (N,) of velocities and of differences of places in m/s, along the line of sight and across."""
    out: dict[str, list[float]] = {name: [] for name in ("speed_depth", "speed_across", "step_depth", "step_across",
                                                        "told", "true")}  # fmt: skip
    last: dict[int, list[Any]] = {}
    for frame, track, person, true in zip(*(getattr(outcome.pairs, key) for key in
                                            ("frame", "track", "estimated", "true")), strict=True):  # fmt: skip
        known = last.setdefault(track, [])
        if known and frame - known[-1][0] == 1 and person.velocity is not None and len(known) > SETTLED:
            speed = (true.joints[0] - known[-1][2]) * outcome.fps
            ray = true.joints[0] / np.linalg.norm(true.joints[0])
            for name, velocity in (("speed", person.velocity), ("step", (person.pelvis - known[-1][1]) * outcome.fps)):
                error = velocity - speed
                out[f"{name}_depth"].append(error @ ray)
                out[f"{name}_across"].append(float(np.linalg.norm(error - error @ ray * ray)))
            out["told"].append(float(np.linalg.norm(person.velocity)))
            out["true"].append(float(np.linalg.norm(speed)))
        known.append((frame, person.pelvis, true.joints[0]))
    return {name: np.array(values) for name, values in out.items()}


if __name__ == "__main__":
    main()
