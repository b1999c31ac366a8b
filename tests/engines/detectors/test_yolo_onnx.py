"""YOLO networks of every layout, on pictures that hold their own truth, and the demo network on people."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.engines.detectors import demo_weights, yolo_onnx
from pymafx_live.engines.detectors.yolo_onnx import YoloOnnx
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.runtime import Runner
from pymafx_live.engines.runtime.interface import Array
from support import colour_yolo as colours
from support.parts import create_detector

PEOPLE = Path(__file__).resolve().parents[2] / "data"
Box = tuple[int, int, int, int]


def picture(width: int, height: int, **boxes: Box) -> NDArray[np.uint8]:
    image = np.full((height, width, 3), 200, np.uint8)
    for colour, (x1, y1, x2, y2) in boxes.items():
        image[y1:y2, x1:x2] = getattr(colours, colour)
    return image


def check(found: tuple[NDArray[np.float32], NDArray[np.float32]], red: Box, blue: Box, tolerance: float) -> None:
    """The red person, then the blue one, each once, and no car."""
    boxes, scores = found
    assert boxes.dtype == scores.dtype == np.float32
    np.testing.assert_allclose(scores, (0.9, 0.6), atol=1e-3)
    np.testing.assert_allclose(boxes, (red, blue), atol=tolerance)


@pytest.mark.parametrize("end_to_end", [False, True], ids=["anchors", "end-to-end"])
@pytest.mark.parametrize("half", [False, True], ids=["float32", "float16"])
@pytest.mark.parametrize("batch", [1, 2, "batch"])
@pytest.mark.parametrize("size", [("height", "width"), (320, 320), (192, 320)], ids=["dynamic", "square", "rectangle"])
@pytest.mark.parametrize("shape", [(640, 360), (360, 500), (250, 141)])
def test_every_layout_finds_the_boxes(
    tmp_path: Path, end_to_end: bool, half: bool, batch: int | str, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    path = colours.save(tmp_path / "y.onnx", end_to_end=end_to_end, batch=batch, size=size, half=half)
    detector = create_detector(str(path))
    width, height = shape
    red = (width // 10, height // 8, width // 3, height // 2)
    blue = (width // 2, height // 4, width, height)
    green = (0, 3 * height // 4, width // 4, height)
    tolerance = 1.6 * max(width, height) / 180  # pixels of the network's input
    check(detector.detect([picture(width, height, RED=red, BLUE=blue, GREEN=green)])[0], red, blue, tolerance)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("end_to_end", [False, True], ids=["anchors", "end-to-end"])
def test_a_box_that_is_no_number_is_none_and_hides_no_other(tmp_path: Path, end_to_end: bool, value: float) -> None:
    """The best box of all is spoiled: as the first in non-maximum suppression it would take its neighbours along."""
    detector = create_detector(str(colours.save(tmp_path / "y.onnx", end_to_end=end_to_end)))
    assert isinstance(detector, YoloOnnx)
    runner = detector._runner

    class Spoiling:
        def __getattr__(self, name: str) -> object:
            return getattr(runner, name)

        def run(self, inputs: dict[str, object]) -> dict[str, NDArray[np.float32]]:
            made = {name: np.array(values) for name, values in runner.run(inputs).items()}
            (output,) = made.values()
            rows = output[0] if end_to_end else output[0].T  # a view of one detection or anchor each
            best = np.where(rows[:, 5] == 1, rows[:, 4], 0).argmax() if end_to_end else rows[:, 5].argmax()
            rows[best, 2] = value
            return made

    detector._runner = Spoiling()
    red, blue = (64, 45, 213, 180), (320, 90, 640, 360)
    boxes, scores = detector.detect([picture(640, 360, RED=red, BLUE=blue)])[0]
    left = slice(1, None) if end_to_end else slice(None)  # where nothing is suppressed red has one box only
    np.testing.assert_allclose(scores, (0.8, 0.6)[left], atol=1e-3)
    np.testing.assert_allclose(boxes, (red, blue)[left], atol=10)


@pytest.mark.parametrize("batch", [1, 2, "batch"])
@pytest.mark.parametrize("end_to_end", [False, True], ids=["anchors", "end-to-end"])
def test_a_batch_of_pictures_of_several_sizes_is_each_alone(tmp_path: Path, batch: int | str, end_to_end: bool) -> None:
    path = colours.save(tmp_path / "y.onnx", batch=batch, end_to_end=end_to_end)
    together, alone = create_detector(str(path), batch=4), create_detector(str(path))
    shapes = [(640, 360), (360, 500), (640, 360), (1280, 720), (250, 141)]
    pictures = [
        picture(w, h, RED=(w // 10, h // (8 - k), w // 3, h // 2), BLUE=(w // 2, h // 4, w, h))
        for k, (w, h) in enumerate(shapes)
    ]
    for _ in range(2):
        found = together.detect(pictures)
        assert len(found) == len(pictures) and together.detect([]) == []
        for (boxes, scores), image in zip(found, pictures, strict=True):
            ((expected, expected_scores),) = alone.detect([image])
            assert len(boxes) == 2
            np.testing.assert_array_equal(boxes, expected)
            np.testing.assert_array_equal(scores, expected_scores)


@pytest.fixture(scope="module")
def detector(dynamic: Path) -> YoloOnnx:
    made = create_detector(str(dynamic), iou=0.5)
    assert isinstance(made, YoloOnnx)
    return made


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = colours.save(tmp_path_factory.mktemp("yolo") / "dynamic.onnx")
    return path


share = st.floats(0.0, 0.2)


@given(width=st.integers(100, 900), aspect=st.floats(0.4, 2.5), left=share, top=share, right=share)
@settings(max_examples=30, deadline=None)
def test_boxes_come_back_at_any_picture_size(
    detector: YoloOnnx, width: int, aspect: float, left: float, top: float, right: float
) -> None:
    height = int(width / aspect)
    red = (int(left * width), int(top * height), int((0.3 + right) * width), height)
    blue = (width // 2, 0, width, int((0.4 + top) * height))
    scale = max(width, height) / 320
    check(detector.detect([picture(width, height, RED=red, BLUE=blue)])[0], red, blue, 1.6 * scale + 0.5)


def test_sizes_may_change_from_picture_to_picture(dynamic: Path) -> None:
    detector = create_detector(str(dynamic))
    for width, height in ((640, 480), (480, 640), (640, 480)):
        red, blue = (10, 10, 110, 210), (300, 50, 400, 300)
        check(detector.detect([picture(width, height, RED=red, BLUE=blue)])[0], red, blue, 3.5)


def test_it_is_warmed_up_for_the_frames_that_will_come(dynamic: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On TensorRT each shape of the input is an engine, which takes a while to build."""
    shapes, open_runner = [], yolo_onnx.open_runner

    def opened(*given: Any) -> Runner:
        runner = open_runner(*given)
        run = runner.run

        def noted(inputs: Mapping[str, Array]) -> dict[str, Array]:
            shapes.extend(values.shape for values in inputs.values())
            return run(inputs)

        monkeypatch.setattr(runner, "run", noted)
        return runner

    monkeypatch.setattr(yolo_onnx, "open_runner", opened)
    detector = create_detector(str(dynamic), pictures=Pictures(sizes={(640, 480), (1080, 1920)}))
    warm = list(shapes)
    assert len(set(warm)) == len(warm) == 2
    detector.detect([picture(640, 480)])
    detector.detect([picture(1080, 1920)])
    assert set(shapes) == set(warm)


def test_a_picture_need_not_be_contiguous(dynamic: Path) -> None:
    red, blue = (10, 10, 110, 210), (300, 50, 400, 300)
    wide = np.zeros((480, 1280, 3), np.uint8)
    wide[:, ::2] = picture(640, 480, RED=red, BLUE=blue)
    check(create_detector(str(dynamic)).detect([wide[:, ::2]])[0], red, blue, 3.5)


def test_thresholds(dynamic: Path) -> None:
    image = picture(320, 320, RED=(10, 10, 110, 210), BLUE=(200, 50, 300, 300))

    def scores(**options: float) -> list[float]:
        found = create_detector(str(dynamic), **options).detect([image])[0][1]
        return [round(float(score), 2) for score in found]

    assert scores() == [0.9, 0.6]
    assert scores(confidence=0.7) == [0.9]
    assert scores(confidence=0.95) == []
    assert scores(iou=0.99) == [0.9, 0.8, 0.6]
    best = YoloOnnx(dynamic, size=None, confidence=0.1, iou=0.7, max_people=1, threads=1)
    assert best.detect([image])[0][1] == pytest.approx([0.9], abs=0.005)


def test_nobody_gives_empty_arrays(dynamic: Path) -> None:
    boxes, scores = create_detector(str(dynamic), confidence=0.95).detect([picture(320, 200)])[0]
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_without_names_class_0_is_a_person(tmp_path: Path) -> None:
    path = colours.save(tmp_path / "y.onnx", end_to_end=True, metadata={})
    boxes, scores = create_detector(str(path), size=320).detect([picture(320, 320, GREEN=(10, 20, 110, 220))])[0]
    assert scores == pytest.approx([0.95])
    np.testing.assert_allclose(boxes, [(10, 20, 110, 220)], atol=1)


def constant_network(path: Path, inputs: list[int], outputs: tuple[int, ...], **metadata: str) -> Path:
    """A network that gives zeros of a shape."""
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Expand", ["m", "s"], ["y"]),
    ]
    shape = helper.make_tensor("s", TensorProto.INT64, [len(outputs)], outputs)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, inputs)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        [shape],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


PERSON = str({0: "person"})
IMAGE = [1, 3, 64, 64]


@pytest.mark.parametrize(
    ("inputs", "outputs", "metadata", "people"),
    [
        (IMAGE, (1, 5, 84), {"names": PERSON}, True),
        (IMAGE, (1, 5, 84), {}, True),
        (IMAGE, (1, 84, 8400), {}, True),
        (IMAGE, (1, 56, 84), {"names": PERSON, "task": "pose"}, True),
        (IMAGE, (1, 300, 57), {"names": PERSON, "task": "pose"}, True),
        (IMAGE, (1, 300, 6), {"names": PERSON}, True),
        (IMAGE, (1, 1000), {}, False),
        (IMAGE, (1, 25200, 85), {}, False),
        (IMAGE, (1, 9, 84), {"names": PERSON}, False),
        (IMAGE, (1, 300, 7), {"names": PERSON, "task": "obb"}, False),
        ([1, 64, 64, 3], (1, 5, 84), {}, False),
        ([1, 3], (1, 5, 84), {}, False),
    ],
)
def test_what_is_a_yolo(
    tmp_path: Path, inputs: list[int], outputs: tuple[int, ...], metadata: dict[str, str], people: bool
) -> None:
    path = str(constant_network(tmp_path / "n.onnx", inputs, outputs, **metadata))
    if people:
        assert create_detector(path).detect([picture(50, 60)])[0][0].shape == (0, 4)
    else:
        with pytest.raises(AssetError, match=r"n\.onnx is (not )?a YOLO.*") as told:
            create_detector(path)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x07"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"broken\.onnx") as told:
        create_detector(str(path))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: create_detector("absent.onnx"), "absent.onnx is missing"),
        (lambda: create_detector("absent.jpg"), r'no detector "absent\.jpg": choose one of .*\*\.onnx'),
        (lambda: create_detector(size=300), "multiple of its stride"),
    ],
)
def test_wrong_values_are_told(make: Callable[[], object], told: str) -> None:
    with pytest.raises((UsageError, AssetError), match=told):
        make()


def test_a_network_of_one_size_says_so(tmp_path: Path) -> None:
    path = colours.save(tmp_path / "fixed.onnx", size=(320, 320))
    create_detector(str(path), size=320)
    with pytest.raises(UsageError, match="320 x 320 pixels only, not 640"):
        create_detector(str(path), size=640)


def test_demo_weights_that_are_missing_or_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_weights, "SHA256", "0" * 64)
    with pytest.raises(AssetError, match=r"not the file that was checked"):
        create_detector()
    monkeypatch.setattr(demo_weights, "PACKAGE", "no-such-package-at-all")
    with pytest.raises(AssetError, match=r"pymafx-live\[demo\]"):
        create_detector()


@pytest.mark.parametrize(("name", "box"), [("astronaut", (13, 17, 365, 512)), ("hopper", (11, 48, 508, 598))])
def test_the_person_of_a_picture(name: str, box: Box) -> None:
    """Boxes were checked by eye: the person, and nobody else."""
    boxes, scores = create_detector().detect([cv2.imread(str(PEOPLE / f"{name}.jpg"))])[0]
    assert (scores > 0.5).sum() == 1
    np.testing.assert_allclose(boxes[scores.argmax()], box, atol=25)
