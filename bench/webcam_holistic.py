"""MediaPipe Holistic's landmarks of films: a script for the interpreter of an environment that has mediapipe.

It imports nothing of this project. On standard input every frame is three 32-bit integers, its height, its width and
whether a new film begins, and then its (H, W, 3) RGB bytes; it is answered by (75, 3) 32-bit floats: the body's 33
landmarks, the left hand's 21 and the right hand's 21; x and y in pixels, and visibility (of hands: 1), NaN where
nothing was found.
"""

import sys
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray


def main() -> None:
    """Answers until standard input ends."""
    mediapipe = import_module("mediapipe")
    holistic = mediapipe.solutions.holistic.Holistic(model_complexity=1)
    given, out = sys.stdin.buffer, sys.stdout.buffer
    while len(header := given.read(12)) == 12:
        height, width, begins = np.frombuffer(header, np.int32).tolist()
        frame = np.frombuffer(given.read(3 * height * width), np.uint8).reshape(height, width, 3)
        if begins:
            holistic.reset()
        out.write(landmarks(holistic.process(frame), width, height).tobytes())
        out.flush()


def landmarks(result: Any, width: int, height: int) -> NDArray[np.float32]:
    """One frame's landmarks, (75, 3)."""
    found = np.full((75, 3), np.nan, np.float32)
    parts = (result.pose_landmarks, 0), (result.left_hand_landmarks, 33), (result.right_hand_landmarks, 54)
    for part, first in parts:
        for k, point in enumerate(part.landmark if part else ()):
            found[first + k] = point.x * width, point.y * height, 1 if first else point.visibility
    return found


if __name__ == "__main__":
    main()
