"""What a second camera costs the engine: two with one person each, against one with two people.

    python -m pymafx_live.bench.cameras [--people 2] [--frames 100] [--runtime auto] [--json out.json]

Both are estimated in turn, frame by frame in one run, by one engine, which keeps their people apart. The boxes are the
detector's on the first frame: the rendered people wave and stay where they are.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.latency import FPS, HEIGHT, WIDTH, Figures, crowd, percentiles
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import LiveError
from pymafx_live.core.interfaces import Detector
from pymafx_live.core.types import Frame, Scene, Track, TrackState
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.camera import Lens

WARM_UP = 10
"""Frames that are not counted: people are searched there."""
CAMERA = Lens().camera(WIDTH, HEIGHT)


def tracks(detector: Detector, image: NDArray[np.uint8], people: int) -> list[Track]:
    """The tracks of so many people as the detector finds them."""
    ((boxes, scores),) = detector.detect([image])
    if len(boxes) < people:
        raise LiveError(f"the detector finds {len(boxes)} of {people} people: give fewer --people")
    return [Track(k, TrackState.TRACKED, boxes[k], float(scores[k])) for k in range(people)]


def measure(settings: Settings, people: int, frames: int) -> dict[str, Figures]:
    """Milliseconds of a call of the engine: one person, `people` in one picture, and as many pictures of one each."""
    samples: dict[str, list[float]] = {}
    alone, together = (list(crowd(count, frames)) for count in (1, people))
    pictures = Pictures(people)
    with (
        closing(open_detector(settings, pictures)) as detector,
        closing(open_engine(settings, pictures)) as engine,
    ):
        one, all_ = tracks(detector, alone[0], 1), tracks(detector, together[0], people)
        for k in range(frames):
            at = k / FPS
            batches = {
                "1 camera, 1 person": [Scene(Frame(alone[k], "alone", k, at, 0.0, CAMERA), one)],
                f"1 camera, {people} people": [Scene(Frame(together[k], "crowd", k, at, 0.0, CAMERA), all_)],
                f"{people} cameras, 1 person each": [
                    Scene(Frame(alone[k].copy(), f"camera{c}", k, at, 0.0, CAMERA), one) for c in range(people)
                ],
            }
            for name, scenes in batches.items():
                began = time.perf_counter()
                engine.estimate(scenes)
                if k >= WARM_UP:
                    samples.setdefault(name, []).append(time.perf_counter() - began)
    return {name: percentiles(seconds) for name, seconds in samples.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.cameras",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--people", type=int, default=2, help="people, and cameras (default 2)")
    parser.add_argument("--frames", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--runtime", default="auto", help="what runs the networks (default auto)")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    if options.frames <= WARM_UP:
        parser.error(f"--frames must be more than the {WARM_UP} of the warm-up")
    settings = Settings.model_validate(
        {"run": {"runtime": options.runtime}, "sources": [{"uri": "x"}] * options.people}
    )
    try:
        rows = measure(settings, options.people, options.frames)
    except LiveError as error:
        print(f"cameras: {error}", file=sys.stderr)
        return error.exit_code
    print_table("a call of the engine, ms", rows, {key: key for key in next(iter(rows.values()))}, 1)
    if options.json:
        write_json(Path(options.json), "cameras", rows, vars(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
