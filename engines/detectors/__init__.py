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
    batch: int = 1,
) -> YoloOnnx | UltralyticsYolo:
    """A detector of people, loaded and warm.

    `weights` is "demo" (YOLO11n of the extra `demo`), the path of an Ultralytics-layout `.onnx`, or a `.pt`
    or `.engine` file or official name for the `ultralytics` package; the prefix "ultralytics:" sends an
    `.onnx` there too. `size` is the longer side of the network's input in pixels, None the model's own.
    Boxes that score below `confidence` are dropped, which is low because ByteTrack makes use of doubtful ones;
    of two whose IoU exceeds `iou` the better is kept, and in the end the best `max_people`. `threads` are
    the `runtime`'s, 0 is one per core; the `ultralytics` package brings its own. `pictures` is what it shares with
    whoever else looks at the same frames, so that these go up to a GPU once; `ultralytics` brings them up itself.
    `batch` is how many pictures are expected at once, one per camera.

    Raises `AssetError` when weights are missing or no YOLO, `UsageError` for a missing extra. What values make
    sense is said in `configs.schema.DetectorSettings`.
    """
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
        batch=batch,
    )
