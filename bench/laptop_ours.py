"""This project's half of `bench.laptop`: the pipeline in a process of its own, which plays frames when it is told to.

Each line on standard input names a file of frames, (N, H, W, 3) RGB bytes as numpy saves them, and is answered by a
line of JSON: the seconds from one result to the next and from capture to publication, those that processors worked for
a frame, and the share of frames (of hands: of both in all frames) in which something was measured.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.laptop import FPS, Configuration
from pymafx_live.configs.schema import Settings
from pymafx_live.core.types import Frame, FrameResult, Origin
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline.camera import Lens
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.trackers import open_tracker

FOUND = {"person": ("transl",), "hands": ("left_hand", "right_hand"), "face": ("jaw",)}


class Player:
    """The pipeline, loaded once; every clip begins with a cut, and later on the frames' clock."""

    def __init__(self, configuration: Configuration) -> None:
        settings = Settings.model_validate(configuration.settings)
        pictures = Pictures()
        self._stride = settings.detector.stride or 1
        self.detector = open_detector(settings, pictures)
        self._tracker = open_tracker(settings.tracker)
        self.engine = open_engine(settings, pictures)
        self._smoother = Smoother(settings.engine.smoothing)
        self._output = ZmqOutput("inproc://laptop")
        self._now = 0.0

    def close(self) -> None:
        """Gives back what the parts hold."""
        for part in (self.engine, self.detector, self._output):
            part.close()

    def play(self, images: NDArray[np.uint8]) -> dict[str, Any]:
        """The seconds of every frame, and what was found in how many."""
        intervals, ages, found = [], [], dict.fromkeys(FOUND, 0.0)
        looped = results(
            self._frames(images), self.detector, self._tracker, self.engine, stride=self._stride, smooth=self._smoother
        )
        before, work = time.perf_counter(), time.process_time()
        with closing(looped):
            for result, frame in looped:
                self._output.write(result, frame)
                now = time.perf_counter()
                intervals.append(now - before)
                ages.append(frame.age)
                before = now
                for name, share in _measured(result).items():
                    found[name] += share / len(images)
        work = time.process_time() - work
        return {"frame": intervals, "age": ages, "work": work / len(images), "found": found}

    def _frames(self, images: NDArray[np.uint8]) -> Iterator[Frame]:
        camera = Lens().camera(images.shape[2], images.shape[1])
        for i, image in enumerate(images):
            self._now += 1 / FPS
            yield Frame(image, "laptop", i, self._now, time.time(), camera, cut=i == 0)


def _measured(result: FrameResult) -> dict[str, float]:
    """The share of people's parts that were measured in a frame, 0 where nobody is."""
    people = [person.parts for person in result.people if person.parts["transl"].origin is Origin.MEASURED]
    return {
        name: float(np.mean([parts[n].origin is Origin.MEASURED for parts in people for n in names])) if people else 0.0
        for name, names in FOUND.items()
    }


def main() -> None:
    """Answers until standard input ends."""
    with closing(Player(Configuration(**json.loads(sys.argv[1])))) as player:
        print(json.dumps("ready"), flush=True)
        for line in sys.stdin:
            images = np.ascontiguousarray(np.load(Path(line.strip()))[..., ::-1])
            print(json.dumps(player.play(images)), flush=True)


if __name__ == "__main__":
    main()
