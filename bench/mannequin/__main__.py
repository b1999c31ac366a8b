"""Rendered people with known truth: render clips, or run the whole pipeline on them and print its errors.

    python -m pymafx_live.bench.mannequin --render walk.mp4 --clip walk --seed 3
    python -m pymafx_live.bench.mannequin --bake-demo
    python -m pymafx_live.bench.mannequin --evaluate --clips front,walk --seeds 100,101 --json out.json

Tune on the seeds of `TUNING_SEEDS` only, and report on those of `REPORT_SEEDS`: what was tuned on flatters.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.accuracy import Figures, Outcome, Parts, figures, play
from pymafx_live.bench.mannequin.clip import DEMO_FPS, cached_clip, demo_scenes, write_clip, write_video
from pymafx_live.bench.mannequin.motions import MOTIONS
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.bench.report import numbers, print_table, write_json
from pymafx_live.configs.load import load
from pymafx_live.configs.schema import Settings, number_or_word
from pymafx_live.core.errors import LiveError, UsageError
from pymafx_live.core.files import whole_files
from pymafx_live.core.types import FrameResult
from pymafx_live.engines.body.model import BodyModel

TUNING_SEEDS = range(10)
REPORT_SEEDS = range(100, 103)

ERRORS: Mapping[str, str] = {
    "body": "body", "body_pa": "PA", "upper": "upper", "left_hand": "L hand", "right_hand": "R hand",
    "left_hand_measured": "L seen", "right_hand_measured": "R seen",
    "left_fingers": "L fingers", "right_fingers": "R fingers", "pelvis": "pelvis", "depth": "depth",
}  # fmt: skip
ANGLES: Mapping[str, str] = {
    f"angle_{name}": name for name in
    ("pelvis", "chest", "head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "fingers")
}  # fmt: skip
COUNTS: Mapping[str, str] = {"required": "people", "missed": "missed", "false": "false", "switches": "switches"}
FAULTS: Mapping[str, str] = {
    "missed_share": "missed", "unmeasured_share": "not measured", "invented_legs": "invented legs",
    "wrong_way": "wrong way", "mixed_up": "mixed up",
}  # fmt: skip
WITH_LEGS = ("body", "body_pa", "pelvis", "depth", "angle_hip", "angle_knee", "angle_ankle")
"""Figures that say nothing about people whose legs are not in the picture."""
RATES: Mapping[str, str] = {
    "hands_measured": "measured", "hands_held": "held", "hands_default": "default",
    "jitter": "m/s²", "jitter_true": "true m/s²",
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    options = _parse(arguments)
    try:
        if options.render:
            _render(Path(options.render), options)
        if options.bake_demo:
            _bake_demo()
        if options.evaluate:
            _evaluate(options)
    except LiveError as error:
        print(f"mannequin: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m pymafx_live.bench.mannequin", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--render", metavar="OUT.mp4", help="write one clip, and its truth beside it as .npz")
    parser.add_argument("--clip", default="front", help=f"the motion to render: {', '.join(MOTIONS)}")
    parser.add_argument("--seed", type=int, default=0, help="the performance to render")
    parser.add_argument("--bake-demo", action="store_true", help="write the clip of --source demo into engines/data")
    parser.add_argument("--evaluate", action="store_true", help="run the pipeline on clips and print its errors")
    parser.add_argument("--clips", default=",".join(m for m in MOTIONS if m != "demo"), help="motions, by comma")
    seeds = f"{REPORT_SEEDS[0]}-{REPORT_SEEDS[-1]}"
    parser.add_argument("--seeds", default=seeds, help=f"performances of each motion (default {seeds})")
    parser.add_argument("--frames", type=int, default=75, help="frames per clip, at 25 a second (default 75)")
    parser.add_argument("--stride", type=number_or_word, default=1, help="the detector's: auto or a number (default 1)")
    parser.add_argument("--background", default="room", help="room, plain, or a picture file")
    parser.add_argument("--proportions", action="store_true", help="people of other builds than the embedded body's")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    parser.add_argument("--overlay", metavar="DIR", help="write every 10th frame with the estimate drawn over it")
    options = parser.parse_args(arguments)
    if not (options.render or options.evaluate or options.bake_demo):
        parser.error("say --render OUT.mp4, --evaluate or --bake-demo")
    if options.frames < 3:
        parser.error("--frames must be 3 or more")
    return options


def _render(path: Path, options: argparse.Namespace) -> None:
    scenes = render_clip(options.clip, options.seed, options.frames, 25.0, options.background, options.proportions)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_clip(path, scenes, 25.0)
    except OSError as error:
        raise UsageError(f"The clip cannot be written to {path} ({error}): name another file.") from error
    print(path)


def _bake_demo() -> None:
    """The same file wherever it is made: one thread, as x264's pictures depend on how many share the work."""
    path = Path(str(resources.files("pymafx_live.engines.data"))) / "demo.mp4"
    with whole_files(path.parent, path.name) as part:
        images = (image for image, _ in demo_scenes())
        write_video(part / path.name, images, DEMO_FPS, crf="20", preset="slow", threads="1")
    print(path)


def _evaluate(options: argparse.Namespace) -> None:
    names, seeds = options.clips.split(","), numbers(options.seeds)
    unknown = [name for name in names if name not in MOTIONS]
    if unknown:
        raise UsageError(f"There is no mannequin motion {unknown[0]!r}: choose some of {', '.join(MOTIONS)}.")
    pipeline = Parts.make(load(None, {"detector": {"stride": options.stride}}, Settings))
    body = BodyModel.embedded()
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for name in names:
        for seed in seeds:
            start = time.monotonic()
            clip = cached_clip(
                name, seed, options.frames, background=options.background, proportions=options.proportions
            )
            watch = Pictures(Path(options.overlay), f"{name}-{seed}", 10) if options.overlay else None
            outcomes[name].append(play(clip, pipeline, watch))
            print(f"{name} {seed}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    rows = {name: figures(found, body) for name, found in outcomes.items()}
    if len(rows) > 1:
        rows["all"] = figures((outcome for found in outcomes.values() for outcome in found), body)
    _print(rows, seeds)
    if options.json:
        settings = {key: value for key, value in vars(options).items() if key not in ("json", "overlay", "render")}
        write_json(Path(options.json), "mannequin", rows, settings)


def _print(rows: Mapping[str, Figures], seeds: Iterable[int]) -> None:
    tuned = ", tuned on" if set(seeds) & set(TUNING_SEEDS) else ""
    shown = {name: _meaningful(figures) for name, figures in rows.items()}
    print_table(f"joint errors, mm (seeds {', '.join(map(str, seeds))}{tuned})", shown, ERRORS)
    print_table("global rotation errors, degrees", shown, ANGLES)
    print_table("people", shown, COUNTS)
    print_table("share of people's frames; the wrong way: after the first second", shown, FAULTS, 3)
    print_table("hands, share of frames; jitter", shown, RATES, 2)


def _meaningful(figures: Figures) -> Figures:
    """The figures without those of the whole body where most legs are not seen."""
    if figures["legs_seen"] >= 0.5:
        return figures
    return {name: value for name, value in figures.items() if name not in WITH_LEGS}


class Pictures:
    """Writes every n-th frame of a clip with the estimate drawn over it."""

    def __init__(self, folder: Path, stem: str, every: int) -> None:
        from pymafx_live.engines.body.overlay import Overlay

        self._overlay, self._folder, self._stem, self._every = Overlay(), folder, stem, every
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, result: FrameResult, truth: Truth, image: NDArray[np.uint8]) -> None:
        """Draw one frame: the estimate, and the true joints as dots."""
        if result.sequence % self._every:
            return
        picture = self._overlay.draw(result, image)
        camera = truth.camera
        for person in truth.people:
            for x, y, z in person.joints:
                centre = (round(camera.fx * x / z + camera.cx), round(camera.fy * y / z + camera.cy))
                cv2.circle(picture, centre, 2, (255, 255, 255), -1)
        cv2.imwrite(str(self._folder / f"{self._stem}-{result.sequence:04d}.png"), picture)


if __name__ == "__main__":
    sys.exit(main())
