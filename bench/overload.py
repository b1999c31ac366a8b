"""What the overload policy makes of ages and rates: the same crowd, played as a camera would, with it and without.

    python -m pymafx_live.bench.overload [--people 6] [--seconds 60] [--rounds 2] [--share 0.6] [--threads N]

A run without any limit comes first; what is then asked for is that share of the age that its results have in the
middle, or with `--rate` so many times as many results. Runs with and without the limit follow in turn. The first
`SETTLING` seconds, in which the steps are taken, are counted apart.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.latency import FPS, Figures, write_crowd
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.core.errors import LiveError
from pymafx_live.pipeline.recordings.lines import read_results
from pymafx_live.pipeline.run import run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics

SETTLING = 20.0
"""Seconds: the whole ladder takes no longer."""
REDUCED = ("detect_every", "hands_every", "face_every", "max_people")
COLUMNS: Mapping[str, str] = {
    "p50": "p50 ms", "p95": "p95 ms", "older": "older, %", "fps": "results/s", "less": "steps less",
    "more": "steps more", "detect_every": "detector", "hands_every": "hands", "face_every": "face",
    "max_people": "people",
}  # fmt: skip
_ONCE = 50
"""Frames of the clip that are rendered; they are played forwards and backwards."""


@dataclass(frozen=True, slots=True)
class Played:
    """Ages in milliseconds and times in seconds of a run's results (N,), and what it says of the steps."""

    ages: NDArray[np.float64]
    times: NDArray[np.float64]
    steps: Mapping[str, Any]

    def rate(self, begin: float) -> float:
        """Results per second from `begin` on."""
        late = self.times[self.times >= begin]
        return (len(late) - 1) / float(np.ptp(late))

    def figures(self, begin: float, limit: float) -> Figures:
        """Percentiles of the age, the share that is older than `limit`, and the rate, from `begin` on; the steps."""
        ages, now = self.ages[self.times >= begin], self.steps.get("now", {})
        return {
            "p50": float(np.percentile(ages, 50)), "p95": float(np.percentile(ages, 95)),
            "older": 100 * float((ages > limit).mean()), "fps": self.rate(begin),
            "less": self.steps.get("steps_less", math.nan), "more": self.steps.get("steps_more", math.nan),
            **{name: now.get(name, math.nan) for name in REDUCED},
        }  # fmt: skip


def play(clip: Path, folder: Path, threads: int, asked: Mapping[str, float]) -> Played:
    """Runs the whole pipeline on a clip in real time, with what is `asked` of it."""
    out = folder / "out.jsonl"
    given: dict[str, dict[str, object]] = {
        "source": {"uri": str(clip), "realtime": True}, "run": {"threads": threads, **asked},
        "output": {"bind": "", "jsonl": str(out), "overwrite": True},
    }  # fmt: skip
    statistics = Statistics()
    run(load(None, given, run_settings()), statistics)
    results = [result for result in read_results(out) if not result.final]
    times = np.array([result.published_at for result in results])
    return Played(
        np.array([result.age * 1000 for result in results]), times - times[0],
        statistics.summary().get("overload", {}),
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pymafx_live.bench.overload", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--people", type=int, default=6, help="people side by side (default 6)")
    parser.add_argument("--seconds", type=float, default=60, help="of each run (default 60)")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each kind (default 2)")
    parser.add_argument("--share", type=float, default=0.6, help="of the age without a limit (default 0.6)")
    parser.add_argument("--rate", type=float, help="ask for so many times as many results instead")
    parser.add_argument("--threads", type=int, default=0, help="of each network (default: as many as cores)")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    if options.seconds < 1.5 * SETTLING:
        parser.error(f"--seconds must be {1.5 * SETTLING:.0f} or more: {SETTLING:.0f} are for the steps")
    try:
        asked, rows = compare(options)
        print_table(f"{options.people} people, asked for: {asked}", rows, COLUMNS, decimals=1)
        if options.json:
            write_json(Path(options.json), "overload", rows, vars(options) | {"asked": asked})
    except LiveError as error:
        print(f"overload: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def compare(options: argparse.Namespace) -> tuple[str, dict[str, Figures]]:
    """What was asked for, and the figures of each run."""
    with tempfile.TemporaryDirectory() as name:
        folder, clip = Path(name), Path(name) / "crowd.mp4"
        write_crowd(clip, options.people, _ONCE, round(options.seconds * FPS / _ONCE))
        usual = play(clip, folder, options.threads, {})
        median = float(np.median(usual.ages[usual.times >= SETTLING]))
        limit = math.inf if options.rate else round(options.share * median)
        rate = round(options.rate * usual.rate(SETTLING), 1) if options.rate else 0.0
        asked = {"target_fps": rate} if options.rate else {"max_age_ms": float(limit)}
        said = ", ".join(f"{key} {value:g}" for key, value in asked.items())
        rows = {"without": usual.figures(SETTLING, limit)}
        for k in range(options.rounds):
            for kind, wanted in (("with", asked), ("without", {})):
                row = f"{kind} {k + 1}"
                rows[row] = play(clip, folder, options.threads, wanted).figures(SETTLING, limit)
                print(f"{row}: {rows[row]}", file=sys.stderr)
    return said, rows


if __name__ == "__main__":
    sys.exit(main())
