"""What is made of the landmark networks for a GPU computes what they do, and TensorRT-RTX builds it."""

from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.engines.imaging import unit_rgb
from pymafx_live.engines.landmarks.gpu_graphs import BLENDSHAPE_POINTS, CELLS, CROPS, MAPS, REFINE, SEEN, for_gpu, piece
from pymafx_live.engines.landmarks.networks import refine
from pymafx_live.engines.landmarks.regions import Regions, to_image
from pymafx_live.engines.runtime import Runner, RunnerOptions, open_runner

onnx = pytest.importorskip("onnx")
DATA = Path(str(files("pymafx_live.engines.data")))
NAMES = ("pose_landmark_full", "hand_landmark_full", "hand_recrop", "face_landmarks_detector")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def opened(path: Path) -> Runner:
    return open_runner(path, "onnxruntime", RunnerOptions(threads=1, providers=("CPUExecutionProvider",)))


def pictures(count: int, size: int) -> np.ndarray:
    coarse = np.random.default_rng(count).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return coarse.repeat(size // 8, 1).repeat(size // 8, 2)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_it_finds_what_the_network_that_ships_finds(name: str, batch: int) -> None:
    reference, made = opened(DATA / f"{name}.onnx"), opened(for_gpu(DATA / f"{name}.onnx"))
    (taken,) = reference.inputs
    size = reference.inputs[taken].shape[1]
    assert size is not None
    crops = pictures(batch, size)
    shown, inputs = unit_rgb(crops), {CROPS: crops}
    if SEEN in made.inputs:
        hidden = np.random.default_rng(1).random((batch, CELLS, CELLS)) < 0.2
        shown *= ~hidden.repeat(size // CELLS, 1).repeat(size // CELLS, 2)[..., None]
        inputs[SEEN] = (~hidden).astype(np.float32)
    regions = Regions(*(np.arange(1.0, 1 + n * batch, dtype=np.float32).reshape(-1, n) for n in (2, 1, 1)))
    regions = Regions(regions.centre * 50, 90 + regions.side[:, 0], regions.angle[:, 0])
    if MAPS in made.inputs:
        inputs[MAPS] = regions.affine(size).transpose(0, 2, 1)
    assert set(made.inputs) == set(inputs)
    expected, found = reference.run({taken: shown}), made.run(inputs)
    if name.startswith("face"):
        points = expected["Identity"].reshape(batch, 478, 3)[:, BLENDSHAPE_POINTS, :2]
        blendshapes = opened(DATA / "face_blendshapes.onnx")
        asked = {next(iter(blendshapes.inputs)): to_image(points, regions, size)}
        expected = {name: expected[name] for name in list(expected)[:2]} | blendshapes.run(asked)
        np.testing.assert_array_equal([value.shape[0] for value in found.values()], batch)
    if name.startswith("pose"):
        points, heat = expected["Identity"].reshape(batch, 39, 5)[..., :2], expected["Identity_3"]
        expected["Identity_3"] = refine(points, heat, size)
    assert len(found) == len(expected)
    for value, known in zip(found.values(), expected.values(), strict=True):
        np.testing.assert_allclose(value, known, atol=1e-4 * max(np.abs(known).max(), 1))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.5, 2, 8]))
@settings(max_examples=30)
def test_landmarks_are_refined_as_on_the_processor(seed: int, gain: float) -> None:
    """At edges and beside the picture, on edges of cells, and where the heatmap is weak."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 1, (2, 39, 5)).astype(np.float32)
    raw[..., :2] = rng.uniform(-12, 268, (2, 39, 2)).astype(np.float32)
    raw[0, :20, :2] = np.round(raw[0, :20, :2] / 4) * 4
    heat = (rng.normal(-3, gain, (2, 64, 64, 39))).astype(np.float32)
    expected = refine(raw[..., :2], heat, 256)
    session = ort.InferenceSession(piece(REFINE).SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"raw": raw.reshape(2, -1), "heat": heat})
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_it_is_made_once_and_is_the_same_again(tmp_path: Path) -> None:
    first = for_gpu(DATA / "face_landmarks_detector.onnx")
    content, time = first.read_bytes(), first.stat().st_mtime_ns
    assert first.is_relative_to(tmp_path) and for_gpu(DATA / first.name) == first
    assert first.stat().st_mtime_ns == time
    first.unlink()
    assert for_gpu(DATA / first.name).read_bytes() == content  # or the engine would be built again
