"""What an Ultralytics ONNX file takes and gives, read from its input, its metadata and its first output.

Two output layouts exist (https://docs.ultralytics.com/guides/end2end-detection): v8, v9, v11 and v12 give
every anchor, (batch, 4 + classes, anchors) with centre, width and height, and want non-maximum suppression;
v10, v26 and any export with `nms=True` give (batch, detections, 6) with corners, score and class, and want
none. Pose and segmentation networks add rows to the first and columns to the second.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.core.types import Floats
from pymafx_live.engines.runtime.interface import TensorSpec
from pymafx_live.engines.runtime.validation import shown

DEFAULT_SIZE = 640
DEFAULT_STRIDE = 32
TASKS = ("detect", "pose", "segment")
DTYPES: Mapping[str, type[np.floating]] = {"float32": np.float32, "float16": np.float16}
EXPECTED = (
    "give an Ultralytics YOLO, which takes images (batch, 3, height, width) "
    "and gives (batch, 4 + classes, anchors) or (batch, detections, 6)"
)


@dataclass(frozen=True, slots=True)
class Input:
    """The tensor that goes in: `batch` is None where any will do, `size` is (height, width).

    `stride` is None where the size is fixed.
    """

    name: str
    dtype: type[np.floating]
    batch: int | None
    size: tuple[int, int]
    stride: int | None


@dataclass(frozen=True, slots=True)
class Labels:
    """What the network finds: `person` is that class's index; `classes` is 0 where the file is silent."""

    task: str
    classes: int
    person: int


def read_input(path: Path, inputs: Mapping[str, TensorSpec], metadata: Mapping[str, str], size: int | None) -> Input:
    """The input of the network of `path`, which takes `inputs`, to be run at `size` pixels (None: its own).

    Raises `AssetError` if this is no YOLO, `UsageError` if it cannot be run at this size.
    """
    name, tensor = next(iter(inputs.items()), ("", TensorSpec((), "")))
    dims = tensor.shape
    if len(inputs) != 1 or len(dims) != 4 or dims[1] != 3 or tensor.dtype not in DTYPES:
        found = ", ".join(f"{n} {shown(t.shape)} {t.dtype}" for n, t in inputs.items())
        raise AssetError(f"{path} is not a YOLO: found the input {found}; {EXPECTED}.")
    batch, _, height, width = dims
    if height and width:
        if size not in (None, height, width):
            raise UsageError(
                f"{path} takes {width} x {height} pixels only, not {size}: "
                "leave the detector's size out, or export the network with dynamic=True."
            )
        return Input(name, DTYPES[tensor.dtype], batch, (height, width), None)
    stride = _literal(metadata, "stride", DEFAULT_STRIDE)
    side = size or max(_literal(metadata, "imgsz", [DEFAULT_SIZE]))
    if side % stride:
        raise UsageError(f"the detector's size is {side}, but must be a multiple of its stride, {stride}.")
    return Input(name, DTYPES[tensor.dtype], batch, (side, side), stride)


def read_labels(path: Path, metadata: Mapping[str, str]) -> Labels:
    """What the network finds, from its metadata; raises `AssetError` for a task without upright boxes."""
    task = metadata.get("task", "detect")
    if task not in TASKS:
        raise AssetError(f'{path} is a YOLO for the task "{task}": give one for {" or ".join(TASKS)}.')
    names: dict[int, str] = _literal(metadata, "names", {})
    person = next((index for index, name in names.items() if name == "person"), 0)
    return Labels(task, len(names), person)


def is_end_to_end(path: Path, shape: tuple[int, ...], labels: Labels) -> bool:
    """Whether an output of this `shape` is (batch, detections, 6), or else (batch, 4 + classes, anchors).

    Raises `AssetError` if it is neither.
    """
    if len(shape) == 3:
        _, rows, columns = shape
        extra = labels.task != "detect"
        if columns == 6 or (extra and 6 < columns < rows):
            return True
        wanted = 4 + max(labels.classes, 1)
        if rows == wanted or (rows > wanted and (extra or not labels.classes) and rows < columns):
            return False
    raise AssetError(f"{path} is not a YOLO: found an output of shape {shape}; {EXPECTED}.")


def finite(output: NDArray[np.floating], along: int) -> NDArray[np.floating]:
    """An output (detections, 6), `along` 1, or the rows (5, anchors), `along` 0, without boxes that are no numbers."""
    good = np.isfinite(output).all(axis=along)
    return output if good.all() else np.compress(good, output, axis=1 - along)


def from_anchors(rows: NDArray[np.floating], confidence: float) -> tuple[Floats, Floats]:
    """Boxes (N, 4) x1, y1, x2, y2 and scores (N,) of the people in the `rows` (5, anchors) of an output that count."""
    found = np.flatnonzero(rows[4] >= confidence)
    columns: Floats = rows[:, found].astype(np.float32)
    centre, half = columns[:2], columns[2:4] * np.float32(0.5)
    boxes: Floats = np.concatenate((centre - half, centre + half)).T
    return boxes, columns[4]


def from_detections(output: NDArray[np.floating], person: int, confidence: float) -> tuple[Floats, Floats]:
    """Boxes (N, 4) x1, y1, x2, y2 and scores (N,) of the people in an output (detections, 6)."""
    rows = output[(output[:, 4] >= confidence) & (output[:, 5] == person)].astype(np.float32)
    return rows[:, :4], rows[:, 4]


def _literal(metadata: Mapping[str, str], key: str, default: Any) -> Any:
    """A value that Ultralytics wrote as a Python literal, or `default` if it is absent or of another type."""
    try:
        value = ast.literal_eval(metadata[key])
    except (KeyError, ValueError, SyntaxError):
        return default
    return value if value and isinstance(value, type(default)) else default
