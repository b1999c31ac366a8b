"""The shipped networks against the tflite files they come from, and the float32 files they were made from."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from pymafx_live.core.errors import AssetError
from pymafx_live.export.landmark_networks import DATA, ORIGINS, build

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


def test_a_missing_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    path = tmp_path / "hand_recrop.onnx"
    with pytest.raises(AssetError, match="missing"):
        build(path)
    path.write_bytes(b"not a network")
    with pytest.raises(AssetError, match="not an ONNX file"):
        build(path)
