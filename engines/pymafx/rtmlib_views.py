"""Where a person's parts are, by a whole-body network of the package rtmlib (Apache-2.0): 133 COCO-WholeBody keypoints.

The layout is Jin et al., "Whole-Body Human Pose Estimation in the Wild" (ECCV 2020): 17 body, 6 foot, 68 face,
21 left-hand and 21 right-hand keypoints.
"""

import io
from collections.abc import Collection, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.types import Person, Scene
from pymafx_live.engines.pymafx.views import Looks, View
from pymafx_live.engines.runtime.ort import OnnxRuntimeRunner

BODY, FACE = slice(0, 17), slice(23, 91)
HANDS = {"left": slice(91, 112), "right": slice(112, 133)}
SCORE = 0.3
"""rtmlib's own threshold for drawing a keypoint; here it stands for a visibility of one half."""
LIMBS = {
    "torso": (5, 6, 11, 12), "left_arm": (7, 9), "right_arm": (8, 10), "left_leg": (13, 15), "right_leg": (14, 16),
}  # fmt: skip


class RtmlibViews:
    """One whole-body network, run for each person."""

    learns = False

    def __init__(self, model: Path | None = None) -> None:
        """`model` is an RTMPose, DWPose or RTMW file of 133 keypoints; None: rtmlib's own, which it downloads.

        Raises `UsageError` without the package, `AssetError` for a file that is no such network.
        """
        self._network = _open(model)

    def look(self, scenes: Sequence[Scene]) -> Looks:
        """See `Views.look`."""
        began = perf_counter()
        views = [self._look(scene) for scene in scenes]
        return views, {"look/rtmlib": perf_counter() - began}

    def _look(self, scene: Scene) -> list[View | None]:
        if not scene.tracks:
            return []
        keypoints, scores = self._network(scene.frame.image, bboxes=[t.box.tolist() for t in scene.tracks])
        return [view_of(xy, score) for xy, score in zip(keypoints, scores, strict=True)]

    def learn(self, scenes: Sequence[Scene], people: Sequence[Sequence[Person]]) -> None:
        """Every frame is looked at anew."""

    def forget(self, source: str, ids: Collection[int] | None) -> None:
        """Nothing is remembered."""

    def close(self) -> None:
        """Frees the network."""
        del self._network


def view_of(xy: Reals, scores: Reals) -> View | None:
    """133 keypoints (133, 2) in pixels with their scores (133,) as a view; None where no body is found."""
    known = np.isfinite(np.column_stack([xy, scores])).all(1)
    xy, visibility = np.where(known[:, None], xy, 0), np.clip(np.where(known, scores, 0) / (2 * SCORE), 0, 1)
    if float(np.sort(visibility[BODY])[-4:].mean()) < 0.5:
        return None
    parts = {**HANDS, "face": FACE}
    seen = {name: float(visibility[where].mean()) for name, where in parts.items()}
    confidence = {name: float(visibility[list(points)].min()) for name, points in LIMBS.items()}
    confidence["head"] = max(seen["face"], float(visibility[:3].min()))
    confidence |= {f"{side}_hand": seen[side] for side in HANDS}
    confidence |= {"jaw": seen["face"], "eyes": seen["face"], "transl": float(visibility[BODY].mean())}
    return View(
        body=np.column_stack([xy[BODY], visibility[BODY]]).astype(np.float32),
        hands={side: xy[where] for side, where in HANDS.items() if seen[side] >= 0.5},
        face=xy[FACE] if seen["face"] >= 0.5 else None,
        confidence=confidence,
    )


def _open(model: Path | None) -> Any:
    try:
        from rtmlib import RTMPose, Wholebody
    except ImportError as error:
        raise UsageError(
            "--parts rtmlib needs the package rtmlib; install the extra: pip install 'pymafx-live[rtmlib]'."
        ) from error
    if model is None:
        source, size = Wholebody.MODE["balanced"]["pose"], Wholebody.MODE["balanced"]["pose_input_size"]
    else:
        source, size = str(model), _input_size(model)
    try:
        with redirect_stdout(io.StringIO()):  # it prints what it loads, where JSON lines may go
            return RTMPose(source, model_input_size=size, backend="onnxruntime")
    except Exception as error:  # a download fails in many ways
        raise AssetError(
            f"rtmlib's whole-body network cannot be had ({type(error).__name__}: {error}); "
            "download it elsewhere and name the file as engine.rtmlib_pose."
        ) from error


def _input_size(model: Path) -> tuple[int, int]:
    """The (width, height) that a network is made for; raises `AssetError` where it is no whole-body network."""
    if not model.is_file():
        raise AssetError(f"there is no file {model}: name a whole-body network of RTMPose's as engine.rtmlib_pose.")
    runner = OnnxRuntimeRunner(model)
    shapes = [s.shape for s in runner.inputs.values()]
    points = [s.shape[1] for s in runner.outputs.values() if len(s.shape) == 3]
    runner.close()
    if len(shapes) != 1 or len(shapes[0]) != 4 or len(points) != 2 or set(points) != {133}:
        raise AssetError(f"{model} is no whole-body network of RTMPose's: it must give SimCC x and y of 133 keypoints.")
    height, width = shapes[0][2:]
    if height is None or width is None:
        raise AssetError(f"{model} does not say the size of its input: export it with a fixed height and width.")
    return width, height
