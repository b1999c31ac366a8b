"""Mannequin clips as files: a video and, beside it, the truth; made once and kept in the user's cache folder."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.bench.mannequin.truth import TruePerson, Truth
from pymafx_live.core.errors import AssetError
from pymafx_live.core.files import user_cache, whole_files
from pymafx_live.core.types import Camera

VERSION = 7
"""Raised whenever the same arguments give other pixels or another truth: no stale clip is found in the cache."""

DEMO_SEED, DEMO_FRAMES, DEMO_FPS, DEMO_FOV = 5, 250, 25.0, 60.0
"""The demo's field of view is the one that the pipeline assumes when nobody names another."""

FIELDS = ("pose", "transl", "betas", "bones", "joints", "box", "seen")
"""What `TruePerson` holds as arrays."""


def demo_scenes() -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    """What `--source demo` shows: ten seconds of 1280 x 720 at 25 fps."""
    return render_clip("demo", DEMO_SEED, DEMO_FRAMES, DEMO_FPS, fov=DEMO_FOV)


def cached_clip(
    name: str,
    seed: int,
    frames: int = 75,
    fps: float = 25.0,
    *,
    background: str = "room",
    proportions: bool = False,
    fov: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """The video file of `scene.render_clip` with these arguments, rendered unless the cache has it.

    `progress` is told the frames that are done and how many there are. `truth_path` names the file of its truth.
    Both appear whole or not at all, whoever else makes them too.
    """
    look = "" if background == "room" else f"-{Path(background).stem}"
    build = "-proportions" if proportions else ""
    view = "" if fov is None else f"-fov{fov:g}"
    path = user_cache() / f"mannequin-v{VERSION}-{name}-{seed}-{frames}x{fps:g}{look}{build}{view}.mp4"
    if path.exists() and truth_path(path).exists():
        return path
    scenes = render_clip(name, seed, frames, fps, background, proportions, fov)
    try:
        with whole_files(path.parent, truth_path(path).name, path.name) as part:
            write_clip(part / path.name, _counted(scenes, frames, progress), fps)
    except OSError as error:
        raise AssetError(
            f"The clip {path.name} cannot be kept in {path.parent} ({error.strerror}): "
            "make room there or set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    return path


def truth_path(video: Path) -> Path:
    """The file that holds the truth of a clip."""
    return video.with_suffix(".npz")


def _counted(
    scenes: Iterable[tuple[NDArray[np.uint8], Truth]], frames: int, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[NDArray[np.uint8], Truth]]:
    for done, scene in enumerate(scenes, 1):
        yield scene
        if progress is not None:
            progress(done, frames)


def write_clip(path: Path, scenes: Iterable[tuple[NDArray[np.uint8], Truth]], fps: float) -> None:
    """Write a video (H.264, visually lossless) and its truth beside it."""
    truths: list[Truth] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for image, truth in scenes:
            truths.append(truth)
            yield image

    write_video(path, pictures(), fps, crf="16", preset="veryfast")
    save_truth(truth_path(path), truths)


def write_video(path: Path, images: Iterable[NDArray[np.uint8]], fps: float, **options: str) -> None:
    """Write (H, W, 3) BGR pictures as H.264 with x264's `options`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(images):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode())


def save_truth(path: Path, truths: Sequence[Truth]) -> None:
    """Write the truth of T frames with P people: arrays named like the fields of `TruePerson`."""
    camera = truths[0].camera
    people = {name: np.array([[getattr(p, name) for p in t.people] for t in truths]) for name in (*FIELDS, "visible")}
    intrinsics = np.array([camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy])
    arrays: dict[str, Any] = {"time": [t.time for t in truths], "camera": intrinsics, **people}
    np.savez_compressed(path, **arrays)


def load_truth(path: Path) -> list[Truth]:
    """What `save_truth` wrote; raises `AssetError` for any other file."""
    try:
        with np.load(path) as data:
            arrays = {name: data[name] for name in data.files}
        width, height, fx, fy, cx, cy = arrays["camera"].tolist()
        camera = Camera(int(width), int(height), fx, fy, cx, cy, assumed=False)
        return [
            Truth(float(time), camera, tuple(_person(arrays, i, k) for k in range(arrays["pose"].shape[1])))
            for i, time in enumerate(arrays["time"])
        ]
    except (OSError, KeyError, ValueError) as error:
        raise AssetError(f"{path} is no truth of a mannequin clip: delete it, it will be made again.") from error


def _person(arrays: dict[str, NDArray[np.float32]], i: int, k: int) -> TruePerson:
    fields: dict[str, Any] = {name: arrays[name][i, k] for name in FIELDS}
    return TruePerson(id=k, visible=float(arrays["visible"][i, k]), **fields)
