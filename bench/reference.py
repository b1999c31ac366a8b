"""What MediaPipe Holistic has on films and pictures: the file of it, and how it is made.

A reference is a .npz with an array per media file, by its name: (frames, 75, 3), the body's 33 landmarks, the left
hand's 21 and the right hand's 21; x and y in pixels, and visibility (of hands: 1); NaN where nothing was found.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pymafx_live.bench.landmarks import COUNT, Landmarks
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.sources.files import FileReader
from pymafx_live.pipeline.sources.images import ImagesReader, names_images
from pymafx_live.pipeline.sources.reader import Shot

STILL_FRAMES, STILL_FPS = 8, 25.0
"""A picture is shown so often, as a film would show it: what is found at once, and what becomes of it."""
VIDEOS = frozenset({".avi", ".mkv", ".mov", ".mp4", ".webm"})
_UNITS = np.array([8, 8, 64])
"""Steps to a pixel, and to a visibility of 1, that the file is rounded to."""


def is_media(file: Path) -> bool:
    """Whether the file is a picture or a video, by its name."""
    return names_images(str(file)) or file.suffix.lower() in VIDEOS


def film(file: Path, frames: int = 0) -> Iterator[Shot]:
    """A video's frames, `frames` at most where that is not 0, or as many of a picture (0: `STILL_FRAMES`).

    Raises `SourceError` for what is neither.
    """
    reader: FileReader | ImagesReader
    reader = ImagesReader(str(file)) if names_images(str(file)) else FileReader(file)
    reader.open()
    try:
        for i, shot in enumerate(reader.shots()):
            if isinstance(reader, ImagesReader):
                yield from (replace(shot, time=k / STILL_FPS) for k in range(frames or STILL_FRAMES))
            elif frames and i == frames:
                return
            else:
                yield shot
    finally:
        reader.close()


def load_reference(file: Path) -> dict[str, Landmarks]:
    """The landmarks (F, 75, 3) of each media file, by its name; raises `UsageError` for any other file."""
    try:
        with np.load(file, allow_pickle=False) as data:
            arrays = {name: data[name].astype(np.float32) for name in data.files}
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the reference {file} cannot be read ({error}): name another, or make it with --holistic."
        ) from error
    for name, array in arrays.items():
        if array.ndim != 3 or array.shape[1:] != (COUNT, 3) or not len(array):
            raise UsageError(f"the reference {file} has {array.shape} for {name}, not (frames, {COUNT}, 3).")
    return arrays


def save_reference(file: Path, reference: Mapping[str, Landmarks]) -> None:
    """Write what `load_reference` reads; raises `UsageError` where that cannot be done."""
    rounded: dict[str, Any] = {
        name: (np.round(array * _UNITS) / _UNITS).astype(np.float32) for name, array in reference.items()
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **rounded)
    except OSError as error:
        raise UsageError(
            f"the reference cannot be written to {file} ({error}): name another with --reference."
        ) from error


def holistic_reference(python: str, files: Sequence[Path]) -> dict[str, Landmarks]:
    """The landmarks (F, 75, 3) of videos and pictures as MediaPipe Holistic finds them, frame by frame, in order.

    `python` is the interpreter of an environment with mediapipe==0.10.21. Raises `UsageError` where it cannot do it.
    """
    command = [python, str(Path(__file__).with_name("webcam_holistic.py"))]
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise UsageError(f"MediaPipe cannot be started ({error}): check {python}.") from error
    try:
        return {file.name: np.stack(list(_asked(process, file))) for file in files}
    except BrokenPipeError as error:
        raise UsageError(f"MediaPipe has ended with exit code {process.wait()}: its own message is above.") from error
    finally:
        process.kill()
        process.communicate()


def _asked(process: subprocess.Popen[bytes], file: Path) -> Iterator[Landmarks]:
    """The landmarks (75, 3) of each frame, or of the one picture; raises `BrokenPipeError` where nobody answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    for i, shot in enumerate(film(file, int(names_images(str(file))))):
        header = np.array([*shot.image.shape[:2], i == 0], np.int32)
        process.stdin.write(header.tobytes() + shot.image[..., ::-1].tobytes())
        process.stdin.flush()
        answer = process.stdout.read(COUNT * 3 * 4)
        if len(answer) < COUNT * 3 * 4:
            raise BrokenPipeError
        yield np.frombuffer(answer, np.float32).reshape(COUNT, 3)
