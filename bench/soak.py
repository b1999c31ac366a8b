"""Whether memory stays flat: the whole pipeline for many frames, its resident memory noted on the way.

    python -m pymafx_live.bench.soak [--frames 10000] [--people 2] [--stride 4] [--json out.json]

A rendered crowd is decoded from a file over and over and published to a real subscriber. Every thousandth frame is
a cut, which ends all tracks, so that identities come and go as in a long day.
"""

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import av
import numpy as np
from pymafx_live.bench.latency import FPS, HEIGHT, WIDTH, subscriber, write_crowd
from pymafx_live.bench.report import print_table, write_json
from pymafx_live.configs.schema import Settings, number_or_word
from pymafx_live.core.errors import LiveError
from pymafx_live.core.types import Frame
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.lane import Stride
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.trackers import open_tracker

CUT_EVERY = 1000


def resident() -> float:
    """This process' resident memory in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def frames(clip: Path, count: int) -> Iterator[Frame]:
    """`count` frames of the clip, from the start again whenever it ends."""
    camera = Lens().camera(WIDTH, HEIGHT)
    number = itertools.count()
    while True:
        with av.open(str(clip)) as container:
            for picture in container.decode(video=0):
                i = next(number)
                if i >= count:
                    return
                image = picture.to_ndarray(format="bgr24").astype(np.uint8, copy=False)
                yield Frame(image, "soak", i, i / FPS, time.time(), camera, cut=i % CUT_EVERY == 0)


def soak(clip: Path, count: int, stride: Stride) -> tuple[list[tuple[int, float]], Statistics]:
    """Runs; returns (frame, MB) at every fiftieth part of the run, and what the run counted."""
    settings = Settings()
    address = "tcp://127.0.0.1:5574"
    noted: list[tuple[int, float]] = []
    statistics = Statistics()
    pictures = Pictures()
    with (
        closing(open_detector(settings, pictures)) as detector,
        closing(open_engine(settings, pictures)) as engine,
        closing(ZmqOutput(address)) as output,
        subscriber(address),
    ):
        looped = results(
            frames(clip, count), detector, open_tracker(settings.tracker), engine, stride=stride, smooth=Smoother()
        )
        for result, frame in looped:
            output.write(result, frame)
            statistics.write(result)
            if result.sequence % max(count // 50, 1) == 0:
                noted.append((result.sequence, resident()))
    return noted, statistics


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m pymafx_live.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--frames", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--people", type=int, default=2, help="how many are in view (default 2)")
    parser.add_argument("--stride", type=number_or_word, default=4, help="the detector's: auto or a number (default 4)")
    parser.add_argument("--json", metavar="OUT.json", help="write the figures")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            clip = Path(folder, "crowd.mp4")
            write_crowd(clip, options.people, 50, 2)
            noted, statistics = soak(clip, options.frames, options.stride)
    except LiveError as error:
        print(f"soak: {error}", file=sys.stderr)
        return error.exit_code
    at, memory = np.array(noted).T
    settled = at >= 0.2 * options.frames
    slope = float(np.polyfit(at[settled], memory[settled], 1)[0]) if settled.sum() > 1 else float("nan")
    row = {
        "frames": float(statistics.frames),
        "identities": float(len(statistics.people)),
        "at 20 %": float(memory[settled][0]),
        "largest": float(memory.max()),
        "end": float(memory[-1]),
        "per 1000 frames": 1000 * slope,
    }
    print_table("resident memory, MB", {"": row}, {key: key for key in row}, 1)
    if options.json:
        write_json(Path(options.json), "soak", {"soak": row}, vars(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
