"""MediaPipe Holistic's half of `bench.laptop`: a script for the interpreter of an environment that has mediapipe.

It imports nothing of this project. Each line on standard input names a file of frames, (N, H, W, 3) RGB bytes as numpy
saves them, and is answered by a line of JSON; `laptop_ours` says the same of this project.
"""

import json
import sys
import time
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray


def main() -> None:
    """Answers until standard input ends."""
    mediapipe = import_module("mediapipe")
    holistic = mediapipe.solutions.holistic.Holistic(model_complexity=1)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(play(holistic, np.load(line.strip()))), flush=True)


def play(holistic: Any, frames: NDArray[np.uint8]) -> dict[str, Any]:
    """The seconds from each frame to its landmarks, and in how many frames what was found."""
    holistic.reset()
    seconds = []
    found, work = np.zeros(3), time.process_time()
    for frame in frames:
        began = time.perf_counter()
        result = holistic.process(frame)
        seconds.append(time.perf_counter() - began)
        hands = (result.left_hand_landmarks, result.right_hand_landmarks)
        parts = (result.pose_landmarks, *hands, result.face_landmarks)
        body, left, right, face = (part is not None for part in parts)
        found += (body, (left + right) / 2, face)
    work = (time.process_time() - work) / len(frames)
    shares = dict(zip(("person", "hands", "face"), (found / len(frames)).tolist(), strict=True))
    return {"frame": seconds, "age": seconds, "work": work, "found": shares}


if __name__ == "__main__":
    main()
