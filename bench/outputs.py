"""What outputs cost: the loop's thread, and the threads of their own.

    python -m pymafx_live.bench.outputs robot=sonic robot=gmr,hands [--people 4] [--seconds 10] [--json out.json]

Each argument is a row: keys of the section `output` and their values, joined by `+` where a row has several. So many
people who move are handed to it 25 times a second; what the loop's thread takes for that is timed, and of all other
threads the processor time is counted.
"""

import argparse
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from pymafx_live.bench.latency import Figures
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.load import ConfigError, load
from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import (
    PARTS,
    Camera,
    Floats,
    Frame,
    FrameResult,
    Origin,
    Part,
    Person,
    TrackState,
    pose_parameters,
)  # fmt: skip
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.stop import Stop

FPS = 25
CAMERA = Camera(1280, 720, 1100, 1100, 640, 360)
COLUMNS = {
    "loop, median": "loop, median", "loop, 95 %": "loop, 95 %", "own threads, a frame": "own threads, a frame",
    "own threads, a second": "own threads, a second",
}  # fmt: skip


def people(count: int, frames: int) -> Iterator[tuple[Person, ...]]:
    """People who stand beside each other before the camera, and move all their joints a little."""
    body, rng, base = BodyModel.embedded(), np.random.default_rng(1), np.zeros((count, 55, 3), np.float32)
    base[:, 0, 0] = np.pi
    phase = rng.uniform(0, 6, base.shape)
    parts = {name: Part(0.9, Origin.MEASURED) for name in PARTS}
    for k in range(frames):
        pose = (base + 0.1 * np.sin(phase + k / 10)).astype(np.float32)
        pelvis = np.array([[n - count / 2, 0.5, 4] for n in range(count)], np.float32)
        joints, _ = body.joints(pose, pelvis - body.rest_joints[0])
        yield tuple(_person(n, pose[n], joints[n], body.rest_joints[0], parts) for n in range(count))


def _person(number: int, pose: Floats, joints: Floats, rest: Floats, parts: dict[str, Part]) -> Person:
    return Person(
        number + 1, TrackState.TRACKED, np.array([0, 0, 100 + number, 300], np.float32), 0.9, "landmarks", parts,
        transl=joints[0] - rest, pelvis=joints[0], joints=joints,
        extra={"bones": np.ones(55, np.float32), "blendshapes": np.zeros(52, np.float32)}, **pose_parameters(pose),
    )  # fmt: skip


def measure(keys: dict[str, Any], count: int, seconds: float) -> Figures:
    """Milliseconds of the loop's thread for a frame, and of the other threads for a frame and for a second."""
    settings = load(None, {"output": {"bind": "", **keys}}, run_settings())
    frames = list(people(count, round(seconds * FPS)))
    image = np.zeros((CAMERA.height, CAMERA.width, 3), np.uint8)
    stop, loop = Stop(), []
    delivery = Delivery(open_outputs(settings.output, Run(stop)), stop, live=True)
    began, before = time.monotonic(), others()
    for k, here in enumerate(frames):
        time.sleep(max(began + k / FPS - time.monotonic(), 0))
        frame = Frame(image, "cam", k, k / FPS, time.time(), CAMERA)
        result = FrameResult("cam", k, "bench", k / FPS, time.time(), time.time(), CAMERA, here)
        now = time.perf_counter()
        delivery.write(result, frame)
        loop.append(time.perf_counter() - now)
    spent, lasted = others() - before, time.monotonic() - began
    delivery.close()
    delivery.raise_error()
    return {
        "loop, median": 1e3 * float(np.median(loop)),
        "loop, 95 %": 1e3 * float(np.percentile(loop, 95)),
        "own threads, a frame": 1e3 * spent / len(frames),
        "own threads, a second": 1e3 * spent / lasted,
    }


def others() -> float:
    """Seconds of processor time of all threads but this one."""
    here = threading.get_native_id()
    return float(sum(t.user_time + t.system_time for t in psutil.Process(os.getpid()).threads() if t.id != here))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.outputs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="+", metavar="key=value[+key=value]", help="the outputs of a row")
    parser.add_argument("--people", type=int, default=4, help="how many (default 4)")
    parser.add_argument("--seconds", type=float, default=10, help="how long each row (default 10)")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    rows: dict[str, Figures] = {}
    try:
        for row in options.rows:
            keys = dict(pair.split("=", 1) for pair in row.split("+"))
            rows[row] = measure({k: yaml.safe_load(v) for k, v in keys.items()}, options.people, options.seconds)
    except (LiveError, ConfigError, ValueError) as error:
        print(f"outputs: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 2)
    print_table(f"{options.people} people, {FPS} frames a second, ms", rows, COLUMNS, 3)
    if options.json:
        write_json(Path(options.json), "outputs", rows, vars(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
