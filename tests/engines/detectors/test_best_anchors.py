"""A YOLO's best anchors, chosen in its graph: what is found is what is found of all of them, and little comes down."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.engines.detectors import yolo_onnx
from pymafx_live.engines.detectors.best_anchors import BEST, OUTPUT, with_best_anchors
from pymafx_live.engines.detectors.demo_weights import demo_weights
from pymafx_live.engines.detectors.yolo_layout import Labels
from pymafx_live.engines.detectors.yolo_onnx import YoloOnnx
from pymafx_live.engines.runtime import RunnerOptions, open_runner
from support import colour_yolo as colours
from support import small_graphs

PEOPLE = Path(__file__).resolve().parents[2] / "data"
LABELS = Labels("detect", 3, 1)
Found = tuple[NDArray[np.float32], NDArray[np.float32]]


def open_plain(path: Path, confidence: float = 0.1, iou: float = 0.7, max_people: int = 20) -> YoloOnnx:
    return YoloOnnx(path, size=None, confidence=confidence, iou=iou, max_people=max_people, threads=1)


@pytest.fixture
def choosing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Opens a detector that chooses, on the processor, where it would have none."""

    def opened(path: Path, runtime: str, options: RunnerOptions, labels: Labels) -> Any:
        return open_runner(with_best_anchors(path, labels, tmp_path), "onnxruntime", options)

    def made(path: Path, *args: Any) -> YoloOnnx:
        with monkeypatch.context() as patch:
            patch.setattr(yolo_onnx, "_open", opened)
            return open_plain(path, *args)

    yield made


def demo() -> Path:
    try:
        return demo_weights()
    except AssetError as error:
        pytest.skip(str(error))


def assert_same(found: Found, expected: Found) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("confidence", "iou", "most", "whole"),
    [(0.1, 0.7, 20, False), (0.001, 0.5, 100, True), (0.001, 0.95, 3, False), (0.5, 0.3, 1, False)],
)
def test_the_demo_network_finds_the_same_people(
    choosing: Any, confidence: float, iou: float, most: int, whole: bool
) -> None:
    """`whole`: more anchors score enough than come down, and too few people are found in these: then all come down."""
    images = [cv2.imread(str(PEOPLE / f"{name}.jpg")) for name in ("astronaut", "hopper")]
    images.append(np.concatenate([cv2.resize(image, (400, 480)) for image in images] * 2, axis=1))
    plain, detector = open_plain(demo(), confidence, iou, most), choosing(demo(), confidence, iou, most)
    wholes, best = [], detector._best

    def watched(*given: Any) -> Any:
        kept = best(*given)
        wholes.append(kept is None)
        return kept

    detector._best = watched
    for image in images:
        ((boxes, scores),) = plain.detect([image])
        assert_same(detector.detect([image])[0], (boxes, scores))
    assert len(boxes) >= min(most, 4) and len(wholes) == 3 and any(wholes) == whole


class Given:
    """The runner of a detector whose network finds what it is told."""

    device = "cpu"

    def __init__(self, outputs: dict[str, NDArray[Any]]) -> None:
        self.outputs = outputs

    def run(self, inputs: Any) -> dict[str, NDArray[Any]]:
        return self.outputs


@pytest.fixture(scope="module", params=["float32", "float16"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("raw")
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(request.param))
    path = with_best_anchors(small_graphs.raw_yolo(folder / "raw.onnx", kind), LABELS, folder)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> YoloOnnx:
    return open_plain(colours.save(tmp_path_factory.mktemp("yolo") / "y.onnx"), 0.3, 0.6, 20)


@given(
    anchors=st.integers(1, 2 * BEST + 40),
    seed=st.integers(0, 10_000),
    steps=st.sampled_from((3, 20, 10_000)),
    spread=st.sampled_from((20.0, 900.0)),
    spoilt=st.sampled_from((np.nan, np.inf, -np.inf, 0.9)),
    share=st.sampled_from((0.0, 0.02, 0.3)),
    most=st.sampled_from((1, 20, 1000)),
)
@settings(max_examples=100)
def test_any_output_gives_the_same_people(
    session: Any, detector: YoloOnnx, anchors: int, seed: int, steps: int, spread: float, spoilt: float, share: float,
    most: int,
) -> None:  # fmt: skip
    """With ties, values that are no numbers, fewer anchors than come down, and many more that count."""
    rng = np.random.default_rng(seed)
    kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16}[session.get_inputs()[0].type]
    raw = np.empty((2, 7, anchors))
    raw[:, :2], raw[:, 2:4] = rng.uniform(0, spread, (2, 2, anchors)), rng.uniform(20, 80, (2, 2, anchors))
    raw[:, 4:] = rng.integers(0, steps + 1, (2, 3, anchors)) / steps
    raw = np.where(rng.random(raw.shape) < share, spoilt, raw).astype(kind)
    whole, best = session.run(None, {"x": raw})
    assert best.shape == (2, BEST, 6) and best.dtype == np.float32
    best = best[:, rng.permutation(BEST)]  # a GPU may give those that score the same in any order
    detector._labels, detector._max_people = LABELS, most
    images = [np.zeros((240, 320, 3), np.uint8)] * 2
    found = []
    for outputs in ({"output0": whole}, {"output0": whole, OUTPUT: best}):
        detector._runner, detector._output, detector._chooses = Given(outputs), "output0", OUTPUT in outputs
        found.append(detector.detect(images))
    for one, other in zip(*found, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("layout", ["end-to-end", "old", "garbage", "read-only"])
def test_what_cannot_choose_stays_as_it_is(layout: str, tmp_path: Path) -> None:
    path, cache = tmp_path / "y.onnx", tmp_path
    match layout:
        case "end-to-end":
            colours.save(path, end_to_end=True)
        case "old":
            small_graphs.raw_yolo(path, opset=11)
        case "garbage":
            path.write_bytes(b"no network")
        case _:
            cache = small_graphs.raw_yolo(path)  # no folder
    assert with_best_anchors(path, LABELS, cache) == path


def test_the_file_is_written_once_and_again_where_it_is_damaged(tmp_path: Path) -> None:
    path = small_graphs.raw_yolo(tmp_path / "y.onnx")
    made = with_best_anchors(path, LABELS, tmp_path / "cache")
    content, written = made.read_bytes(), made.stat().st_mtime_ns
    assert with_best_anchors(path, LABELS, tmp_path / "cache") == made and made.stat().st_mtime_ns == written
    made.write_bytes(content[:100])
    assert with_best_anchors(path, LABELS, tmp_path / "cache") == made and made.read_bytes() == content
    other = with_best_anchors(path, Labels("detect", 3, 2), tmp_path / "cache")
    assert other != made
    onnx.checker.check_model(onnx.load(made), full_check=True)


@pytest.mark.parametrize("ends", ["refused", "on the processor", "on a GPU"])
def test_only_a_gpu_runs_what_chooses(ends: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where no runtime takes the further nodes, or only the processor does, the network runs as it is."""
    path, opened, closed = small_graphs.raw_yolo(tmp_path / "y.onnx"), [], []

    class Opened:
        device = "cuda:0" if ends == "on a GPU" else "cpu"

        def close(self) -> None:
            closed.append(self)

    def open_one(model: Path, runtime: str, options: RunnerOptions) -> Any:
        opened.append(model)
        if ends == "refused" and model != path:
            raise NetworkError("it refuses the node TopK.")
        return Opened()

    monkeypatch.setattr(yolo_onnx, "open_runner", open_one)
    for there in (False, True):
        monkeypatch.setattr(yolo_onnx, "may_use_gpu", lambda runtime, there=there: there)
        opened.clear()
        yolo_onnx._open(path, "auto", RunnerOptions(cache=tmp_path), LABELS)
        assert (opened == [path]) == (not there) and len(opened) <= 2
    assert (opened[-1] == path) == (ends != "on a GPU")
    assert len(closed) == (ends == "on the processor")
