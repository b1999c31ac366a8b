"""The shipped networks against the tflite files they come from, and the float32 files they were made from."""

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from pymafx_live.core.errors import AssetError
from pymafx_live.export.landmark_networks import DATA, ORIGINS, build

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
GOLDEN = Path(__file__).parent / "landmark_networks_golden.npz"
NAMES = tuple(ORIGINS)
WITH_PRELU = ("hand_recrop", "face_landmarks_detector")
"""Networks whose activations were rewritten, which rounds differently; the others must be exact."""


def session(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def names(net: ort.InferenceSession) -> list[str]:
    return [output.name for output in net.get_outputs()]


def run(
    net: ort.InferenceSession, images: np.ndarray[Any, Any], wanted: list[str] | None = None
) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(out) for out in net.run(wanted, {net.get_inputs()[0].name: images})]


def noise(name: str, batch: int) -> np.ndarray[Any, Any]:
    """A repeatable input: smooth noise for images, points for the blendshapes."""
    rng = np.random.default_rng(2)
    if name == "face_blendshapes":
        return (rng.random((batch, 146, 2)) * 400).astype(np.float32)
    size = 224 if name == "hand_landmark_full" else 256
    coarse = rng.integers(0, 2**16, (batch, size // 16, size // 16, 3))
    return np.float32(np.kron(coarse, np.ones((1, 16, 16, 1), np.int64)) / 2**16)


def crops(name: str, count: int) -> np.ndarray[Any, Any]:
    """Crops of pictures of people, RGB in 0..1, or the points of such faces."""
    media = SHARED / "media"
    if not media.is_dir():
        pytest.skip(f"{media} is absent")
    boxes = {
        "bus": ((220, 400, 350, 870), (660, 380, 810, 880), (50, 400, 240, 910)),
        "zidane": ((740, 40, 1150, 715), (120, 190, 1120, 715), (780, 40, 1000, 330)),
    }
    size = 224 if name == "hand_landmark_full" else 256
    found = []
    for picture, regions in boxes.items():
        image = cv2.cvtColor(cv2.imread(str(media / f"{picture}.jpg")), cv2.COLOR_BGR2RGB)
        for x1, y1, x2, y2 in regions:
            found.append(cv2.resize(image[y1:y2, x1:x2], (size, size)).astype(np.float32) / 255)
    images = np.stack(found[:count])
    if name != "face_blendshapes":
        return images
    landmarks = run(session(DATA / "face_landmarks_detector.onnx"), images)[0].reshape(count, 478, 3)
    return landmarks[:, :438:3, :2].copy()


def float32_file(name: str) -> Path:
    path = SHARED / "models" / f"{name}.onnx"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("make", [noise, crops], ids=["noise", "people"])
def test_outputs_are_those_of_the_float32_file(name: str, make: Any) -> None:
    ours, theirs = session(DATA / f"{name}.onnx"), session(float32_file(name))
    for image in make(name, 6):
        for got, expected in zip(run(ours, image[None]), run(theirs, image[None], names(ours)), strict=True):
            assert np.ptp(expected) > 0 or expected.size == 1
            tolerance = 5e-4 if name in WITH_PRELU else 0  # pixels
            np.testing.assert_allclose(got.ravel(), expected.ravel(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_the_golden_ones(name: str) -> None:
    """The golden numbers were made by LiteRT 2 with the tflite files whose sha256 `engines/data/README.md` tells."""
    net = session(DATA / f"{name}.onnx")
    with np.load(GOLDEN) as golden:
        for output, got in zip(names(net), run(net, noise(name, 2)), strict=True):
            expected = golden[f"{name}.{output}"]
            sample = got.reshape(2, -1)[:, :: max(1, got[0].size // 250)]
            np.testing.assert_allclose(sample, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_gives_what_single_images_give(name: str) -> None:
    net = session(DATA / f"{name}.onnx")
    images = noise(name, 3)
    singles = [run(net, image[None]) for image in images]
    for got, *expected in zip(run(net, images), *singles, strict=True):
        assert got.shape[0] == 3
        whole = np.concatenate(expected)
        np.testing.assert_allclose(got, whole, rtol=1e-4, atol=1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("name", NAMES)
def test_the_file_says_where_it_is_from_and_is_small(name: str) -> None:
    path = DATA / f"{name}.onnx"
    said = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert said["licence"].startswith("Apache-2.0")
    assert said["origin"] == ORIGINS[name]
    assert said["converter"] == "tf2onnx 1.17.0"
    assert len(said["source_sha256"]) == 64
    assert path.stat().st_size < 7_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_script_makes_the_shipped_file(name: str) -> None:
    source = float32_file(name)
    built, shipped = build(source), onnx.load(DATA / f"{name}.onnx")
    assert built.graph == shipped.graph
    said = {entry.key: entry.value for entry in shipped.metadata_props}
    assert said["source_sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()


def test_a_missing_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "hand_recrop.onnx"
    with pytest.raises(AssetError, match="missing"):
        build(path)
    path.write_bytes(b"not a network")
    with pytest.raises(AssetError, match="not an ONNX file"):
        build(path)
