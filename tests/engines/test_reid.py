"""A network whose embedding is known: the mean of each channel, of RGB less ImageNet's mean and over its deviation."""

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from pymafx_live.core.errors import AssetError
from pymafx_live.core.types import Camera, Frame
from pymafx_live.engines.reid import Reid
from pymafx_live.pipeline.faults import Faults
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.lookout import Detection
from support.parts import create_tracker
from support.small_graphs import save

COLOURS = {"red": (20, 20, 220), "green": (20, 200, 20), "blue": (220, 20, 20)}
"""BGR."""


def network(path: Path, rows: int | None = None, channels: int = 3) -> Path:
    nodes = [helper.make_node("ReduceMean", ["crops", "axes"], ["look"], keepdims=0)]
    take = helper.make_tensor_value_info("crops", TensorProto.FLOAT, [rows or "n", channels, 32, 16])
    give = helper.make_tensor_value_info("look", TensorProto.FLOAT, [rows or "n", channels])
    return save(path, nodes, [take], [give], [numpy_helper.from_array(np.array([2, 3], np.int64), "axes")])


def expected(bgr: tuple[int, int, int]) -> np.ndarray:
    look = (np.array(bgr[::-1]) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return look / np.linalg.norm(look)


@pytest.mark.parametrize("rows", [None, 1, 2])
def test_what_the_network_gives_of_unit_length(tmp_path, rows):
    image = np.zeros((100, 300, 3), np.uint8)
    for k, colour in enumerate(COLOURS.values()):
        image[10:90, 100 * k + 20 : 100 * k + 60] = colour
    boxes = np.float32([[20, 10, 60, 90], [120, 10, 160, 90], [400, 10, 440, 90], [220, 10, 260, 90]])
    reid = Reid(network(tmp_path / "reid.onnx", rows))
    looks = reid(image, boxes)
    reid.close()
    np.testing.assert_allclose(looks[[0, 1, 3]], [expected(c) for c in COLOURS.values()], atol=1e-5)
    assert not looks[2].any()  # it is outside


@pytest.mark.parametrize(
    ("file", "sentence"), [("none.onnx", "there is no network"), ("text.onnx", "--reid: "), ("five.onnx", "no re-id")]
)
def test_what_is_no_such_network(tmp_path, file, sentence):
    (tmp_path / "text.onnx").write_text("a text")
    network(tmp_path / "five.onnx", channels=5)
    with pytest.raises(AssetError, match=sentence):
        Reid(tmp_path / file)


@pytest.mark.parametrize("swapped", [False, True])
def test_who_comes_out_where_the_other_was_thought_to_be(tmp_path, swapped):
    """Two who walk towards each other, are one box for three frames, and then pass, or turn back."""
    lane = Lane(create_tracker(), look=Reid(network(tmp_path / "reid.onnx")))
    places = [(60 + 15 * k, 420 - 15 * k) for k in range(13)]
    places += [(270 + 15 * k, 210 - 15 * k) if not swapped else (210 - 15 * k, 270 + 15 * k) for k in range(10)]
    ids: dict[str, set[int]] = {"red": set(), "blue": set()}
    for k, where in enumerate(places):
        image = np.full((300, 500, 3), 90, np.uint8)
        boxes = np.float32([[x - 25, 50, x + 25, 250] for x in where])
        for (x1, y1, x2, y2), name in zip(boxes.astype(int).tolist(), ids, strict=True):
            image[y1:y2, x1:x2] = COLOURS[name]
        found = boxes[:1] if 10 <= k < 13 else boxes
        camera = Camera(500, 300, 400, 400, 250, 150)
        frame = Frame(image, "cam", k, k / 15, float(k), camera)
        step = lane.begin(Detection(frame, (found, np.full(len(found), 0.9, np.float32))), Faults())
        for track in step.scene.tracks:
            if track.seen and not 10 <= k < 13:
                near = np.abs(boxes - track.box).sum(1).argmin()
                ids[list(ids)[near]].add(track.id)
    assert ids["red"] and ids["blue"] and not ids["red"] & ids["blue"]
    assert len(ids["red"]) == len(ids["blue"]) == 1
