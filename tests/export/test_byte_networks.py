"""Byte-fed detectors and landmark networks against their originals, which take floats."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from by_path import load
from pymafx_live.core.errors import AssetError, NetworkError
from pymafx_live.engines.runtime import open_runner
from pymafx_live.export import byte_networks
from pymafx_live.export.byte_networks import check_bytes, export_bytes, landmark_sources

DETECTORS = Path(__file__).parents[1] / "engines" / "detectors"
LAYOUTS: dict[str, dict[str, Any]] = {
    "anchors": {},
    "detections": {"end_to_end": True},
    "half": {"half": True},
    "fixed": {"batch": 1, "size": (320, 256)},
}


@pytest.fixture(scope="module")
def colour_yolo() -> ModuleType:
    """The detectors' own test networks, loaded by path: tests are no package."""
    return load(DETECTORS / "colour_yolo.py")


def run(path: Path, given: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return [np.asarray(out) for out in session.run(None, {session.get_inputs()[0].name: given})]


def image(n: int, height: int, width: int) -> np.ndarray[Any, Any]:
    """Rectangles of red, green and blue on black, (n, height, width, 3) BGR."""
    out = np.zeros((n, height, width, 3), np.uint8)
    for k in range(n):
        for channel in range(3):
            top, left = 20 + 60 * channel, 10 + 30 * k
            out[k, top : top + 50, left : left + 40, channel] = 255
    return out


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_detector_fed_with_bytes_finds_the_same(colour_yolo: ModuleType, layout: str, tmp_path: Path) -> None:
    original = colour_yolo.save(tmp_path / "colours.onnx", **LAYOUTS[layout])
    path = export_bytes(original, "detector", tmp_path / "out", "fp32")
    pixels = image(1 if layout == "fixed" else 3, 320, 256)
    floats = np.float32(1 / 255) * pixels[..., ::-1].transpose(0, 3, 1, 2)
    dtype = np.float16 if layout == "half" else np.float32
    (expected,), (found,) = run(original, np.ascontiguousarray(floats, dtype)), run(path, pixels)
    np.testing.assert_array_equal(found, expected)
    assert np.ptp(expected) > 100  # boxes in pixels
    entry = open_runner(path, "onnxruntime").inputs["pixels"]
    sides, batch = ((320, 256), 1) if layout == "fixed" else ((None, None), None)
    assert entry.dtype == "uint8" and entry.shape == (batch, *sides, 3)
    said = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert said["kind"] == "detector" and said["names"] == str(colour_yolo.NAMES) and said["stride"] == "32"


@pytest.mark.parametrize("precision", ["fp32", "mixed"])
@pytest.mark.parametrize("source", landmark_sources(), ids=lambda path: path.stem)
def test_a_landmark_network_is_its_original(source: Path, precision: str, tmp_path: Path) -> None:
    seen: list[Any] = []
    path = export_bytes(source, "landmarks", tmp_path, precision, lambda _, differences: seen.extend(differences))
    model = onnx.load(path)
    points = source.stem == "face_blendshapes"
    assert (model.graph.input[0].name == "pixels") != points
    weights = {w.name: w.data_type for w in model.graph.initializer}
    convolutions = [weights.get(n.input[1]) for n in model.graph.node if n.op_type == "Conv"]
    if precision == "mixed":
        assert convolutions.count(onnx.TensorProto.FLOAT16) > len(convolutions) / 2
        assert max(d.worst for d in seen) < 2e-3  # half a pixel of 256
    size = 224 if source.stem == "hand_landmark_full" else 256
    pixels = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    floats = np.multiply(pixels[..., ::-1], np.float32(1 / 255))
    given = (np.random.default_rng(0).random((3, 146, 2)) * 256).astype(np.float32) if points else None
    expected = run(source, np.ascontiguousarray(floats) if given is None else given)
    for a, b in zip(expected, run(path, pixels if given is None else given), strict=True):
        limit = 1e-6 if precision == "fp32" else 1e-2  # half rounds more under noise
        assert np.abs(a - b).max() <= limit * max(1, np.abs(a).max())


def test_the_demo_detector_in_half(tmp_path: Path) -> None:
    from pymafx_live.engines.detectors.demo_weights import demo_weights

    try:
        source = demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    seen: list[Any] = []
    path = export_bytes(source, "detector", tmp_path, "mixed", lambda _, differences: seen.extend(differences))
    assert path.stat().st_size < 0.6 * source.stat().st_size
    assert all(d.passes and d.worst > 0 for d in seen)
    assert json.loads({p.key: p.value for p in onnx.load(path).metadata_props}["sources"]).keys() == {source.name}


def test_another_network_and_a_spoiled_one_do_not_pass(tmp_path: Path) -> None:
    source = next(path for path in landmark_sources() if path.stem == "hand_recrop")
    path = export_bytes(source, "landmarks", tmp_path, "fp32")
    model = onnx.load(path)
    scale = next(w for w in model.graph.initializer if w.name == "pixels/scale")
    scale.CopyFrom(onnx.numpy_helper.from_array(np.float32(1 / 250), scale.name))
    onnx.save(model, path)
    assert not all(d.passes for d in check_bytes(source, open_runner(path, "onnxruntime"), "fp32"))
    other = next(path for path in landmark_sources() if path.stem == "hand_landmark_full")
    with pytest.raises(NetworkError, match="is not made from"):
        check_bytes(other, open_runner(path, "onnxruntime"), "fp32")


def test_what_fails_is_not_written_unless_forced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = next(path for path in landmark_sources() if path.stem == "hand_recrop")
    monkeypatch.setitem(byte_networks.LIMITS, "mixed", (1e-9, 1e-9))  # which no half network can hold
    with pytest.raises(NetworkError, match=r"strays from its original in output_crop; give --precision fp32"):
        export_bytes(source, "landmarks", tmp_path, "mixed")
    assert not list(tmp_path.iterdir())
    export_bytes(source, "landmarks", tmp_path, "mixed", force=True)
    assert [path.name for path in tmp_path.iterdir()] == ["hand_recrop-mixed.onnx"]


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x08"])
def test_a_file_that_is_no_network_is_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(AssetError, match=r"broken\.onnx (is not an ONNX file|holds no network)"):
        export_bytes(path, "detector", tmp_path, "fp32")
    with pytest.raises(AssetError, match=r"face_blendshapes\.onnx is no detector: it takes"):
        export_bytes(landmark_sources()[-1], "detector", tmp_path, "fp32")
    (tmp_path / "file").write_text("")
    with pytest.raises(AssetError, match="cannot write"):
        export_bytes(landmark_sources()[0], "landmarks", tmp_path / "file", "fp32")
