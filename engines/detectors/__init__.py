"""Person detectors. `create_detector` picks one by the name of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pymafx_live.core.errors import AssetError, UsageError

if TYPE_CHECKING:
    from pymafx_live.engines.detectors.ultralytics import UltralyticsYolo
    from pymafx_live.engines.detectors.yolo_onnx import YoloOnnx
    from pymafx_live.engines.imaging import Pictures

DEMO = "demo"
ULTRALYTICS = "ultralytics:"


def create_detector(
    weights: str = DEMO,
    *,
    size: int | None = None,
    confidence: float = 0.1,
    iou: float = 0.7,
    max_people: int = 20,
    threads: int = 0,
    runtime: str = "auto",
    pictures: Pictures | None = None,
) -> YoloOnnx | UltralyticsYolo:
    """A detector of people, loaded and warm.

    `weights` is "demo" (YOLO11n of the extra `demo`), the path of an Ultralytics-layout `.onnx`, or a `.pt`
    or `.engine` file or official name for the `ultralytics` package; the prefix "ultralytics:" sends an
    `.onnx` there too. `size` is the longer side of the network's input in pixels, None the model's own.
    Boxes that score below `confidence` are dropped, which is low because ByteTrack makes use of doubtful ones;
    of two whose IoU exceeds `iou` the better is kept, and in the end the best `max_people`. `threads` are
    the `runtime`'s, 0 is one per core; the `ultralytics` package brings its own. `pictures` is what it shares with
    whoever else looks at the same frames, so that these go up to a GPU once; `ultralytics` brings them up itself.

    Raises `AssetError` when weights are missing or no YOLO, `UsageError` for a wrong value or missing extra.
    """
    _check(size, confidence, iou, max_people, threads)
    name = weights.removeprefix(ULTRALYTICS)
    suffix = Path(name).suffix.lower()
    if weights != name or suffix in (".pt", ".engine"):
        from pymafx_live.engines.detectors.ultralytics import UltralyticsYolo

        return UltralyticsYolo(name, size=size, confidence=confidence, iou=iou, max_people=max_people)
    from pymafx_live.engines.detectors.yolo_onnx import YoloOnnx

    if weights == DEMO:
        from pymafx_live.engines.detectors.demo_weights import demo_weights

        path = demo_weights()
    elif suffix == ".onnx":
        path = Path(weights).expanduser()
    else:
        raise UsageError(
            f'the detector "{weights}" is of no known kind: '
            f'give "{DEMO}", an .onnx file, or .pt or .engine weights for the ultralytics package.'
        )
    if not path.is_file():
        raise AssetError(f'the detector {path} is missing: check the path, or use the detector "{DEMO}".')
    return YoloOnnx(
        path,
        size=size,
        confidence=confidence,
        iou=iou,
        max_people=max_people,
        threads=threads,
        runtime=runtime,
        pictures=pictures,
    )


def _check(size: int | None, confidence: float, iou: float, max_people: int, threads: int) -> None:
    """Raise `UsageError` for the first value that no detector can work with."""
    rules = (
        ("size", size, size is None or size >= 32, "at least 32 pixels"),
        ("confidence", confidence, 0 <= confidence < 1, "from 0 to below 1"),
        ("iou", iou, 0 < iou <= 1, "above 0 to 1"),
        ("max_people", max_people, max_people >= 1, "at least 1"),
        ("threads", threads, threads >= 0, "0 (one per core) or more"),
    )
    for key, value, good, wanted in rules:
        if not good:
            raise UsageError(f"the detector's {key} is {value}, but must be {wanted}.")
