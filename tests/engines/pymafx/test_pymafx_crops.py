"""The crops' geometry against the reference's, and the way back into the camera's frame."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.core.types import Camera
from pymafx_live.engines.imaging import HostPicture
from pymafx_live.engines.imaging.picture import at_level
from pymafx_live.engines.pymafx import crops
from pymafx_live.engines.pymafx.crops import SIZE, CropBoxes, boxes_around, crop_to_image, translations
from pymafx_live.engines.pymafx.spec import DEVIATION, MEAN

REFERENCE = np.load(Path(__file__).parent / "golden/preprocess.npz")


def reference_boxes() -> CropBoxes:
    centre_scale = REFERENCE["center_scale"].astype(np.float32)
    return CropBoxes(centre_scale[:, :2], 200 * centre_scale[:, 2], np.ones(len(centre_scale), bool))


def reference_image(smooth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The 640 x 480 image that the reference's crops were cut from, BGR."""
    pixels = smooth[0].transpose(1, 2, 0)[:480, :640]
    return np.clip(40 * pixels + 128, 0, 255).astype(np.uint8)[..., ::-1].copy()


def cut(image: NDArray[np.uint8], boxes: CropBoxes) -> NDArray[np.uint8]:
    """The crops as the engine cuts them."""
    return HostPicture(image).warp(crop_to_image(boxes.corners()), SIZE, antialias=True)


def test_geometry_is_the_references() -> None:
    """The corners of the crops in the image, far closer than the one crop pixel that is asked for."""
    for k, corners in enumerate(reference_boxes().corners()):
        warp = crop_to_image(corners)
        mapped = np.concatenate([warp @ [-0.5, -0.5, 1], warp @ [SIZE - 0.5, SIZE - 0.5, 1]]) + 0.5
        np.testing.assert_allclose(mapped, REFERENCE[f"ul_br/{k}"], atol=1e-9)


def test_pixels_are_the_references(reference_pattern: NDArray[np.float32]) -> None:
    """Nearly: the reference resizes with a bicubic filter."""
    crops_made = cut(reference_image(reference_pattern), reference_boxes())[..., ::-1]
    for k, got in enumerate(crops_made):
        difference = np.abs(got.astype(float) - REFERENCE[f"crop/{k}"])
        assert difference.mean() < 0.25
        assert np.percentile(difference, 97) <= 1  # the rest lies on the edge of the image


@given(
    st.floats(-200, 1500), st.floats(-200, 900), st.floats(4, 3000), st.integers(0, 4),
    st.floats(0, SIZE), st.floats(0, SIZE),
)  # fmt: skip
def test_map_is_the_specified_one(cx: float, cy: float, side: float, level: int, u: float, v: float) -> None:
    """x' = 224 ((x - cx) / h + 1 / 2) between the edges of pixels, whatever the level of the pyramid.

    Cutting the corners off to whole pixels moves each of them by less than one.
    """
    box = CropBoxes(np.array([[cx, cy]], np.float32), np.array([side], np.float32), np.ones(1, bool))
    corners = box.corners()[0]
    x, y = ((at_level(crop_to_image(corners), level) @ [u - 0.5, v - 0.5, 1]) + 0.5) * 2**level
    stretched = corners[:2] + np.array([u, v]) / SIZE * np.maximum(corners[2:] - corners[:2], 1)
    np.testing.assert_allclose([x, y], stretched, atol=1e-6 * max(side, abs(cx), abs(cy), 1))
    expected = np.array([(u / SIZE - 0.5) * side + np.float32(cx), (v / SIZE - 0.5) * side + np.float32(cy)])
    assert np.abs([x, y] - expected).max() < 1.001


def test_large_box_is_not_aliased() -> None:
    """A board of single black and white pixels is grey from afar."""
    board = ((np.indices((1792, 1792)).sum(0) % 2) * 255).astype(np.uint8)
    image = np.repeat(board[..., None], 3, 2)
    box = CropBoxes(np.array([[896, 896]], np.float32), np.array([1792], np.float32), np.ones(1, bool))
    assert np.abs(cut(image, box).astype(int) - 127).max() <= 1


def test_input_is_normalised_rgb() -> None:
    """Cutting leaves the camera's bytes; the graphs make the network's input of them."""
    torch = pytest.importorskip("torch")
    from pymafx_live.engines.pymafx.graphs.modules import Normalise

    image = np.full((64, 64, 3), (10, 100, 200), np.uint8)
    box = CropBoxes(np.array([[32, 32]], np.float32), np.array([32], np.float32), np.ones(1, bool))
    crop = Normalise()(torch.from_numpy(cut(image, box)))
    expected = (np.array([200, 100, 10]) / 255 - MEAN) / DEVIATION
    np.testing.assert_allclose(crop, np.broadcast_to(expected[None, :, None, None], (1, 3, SIZE, SIZE)), atol=1e-5)


def test_boxes_hold_the_visible_keypoints_only() -> None:
    points = np.array([[[10, 20], [110, 60], [900, 900]], [[1, 1], [2, 2], [3, 3]]], np.float32)
    visible = np.array([[True, True, False], [False, False, False]])
    boxes = boxes_around(points, visible, crops.HAND_MARGIN)
    np.testing.assert_allclose(boxes.centres, [[60, 40], [0, 0]])
    np.testing.assert_allclose(boxes.sides, [144, 100], rtol=1e-6)
    assert boxes.seen.tolist() == [True, False]
    assert len(boxes_around(np.zeros((0, 17, 2), np.float32), np.zeros((0, 17), bool), 1.2)) == 0


def test_translation_is_the_references_at_its_focal_length() -> None:
    box = REFERENCE["cam/bbox_cxcywh"].astype(np.float32)
    boxes = CropBoxes(box[:, :2], box[:, 2], np.ones(len(box), bool))
    camera = Camera(1280, 720, 5000, 5000, 639.5, 359.5)  # the middle, where (0, 0) is a pixel's centre
    got = translations(REFERENCE["cam/pred_cam"].astype(np.float32), boxes, camera)
    np.testing.assert_allclose(got, REFERENCE["cam/orig_cam_t_f5000"], rtol=1e-5, atol=1e-5)


@given(st.floats(0.4, 1.4), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3), st.floats(300, 4000), st.floats(0.9, 1.1))
def test_translation_puts_the_body_back_where_the_crop_shows_it(
    s: float, tx: float, ty: float, focal: float, aspect: float
) -> None:
    camera = Camera(1280, 720, focal, focal * aspect, 650, 350)
    boxes = CropBoxes(np.array([[300, 420]], np.float32), np.array([260], np.float32), np.ones(1, bool))
    x, y, z = translations(np.array([[s, tx, ty]], np.float32), boxes, camera)[0]
    seen = np.array([camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy])
    expected = np.array([299.5, 419.5]) + 130 * s * np.array([tx, ty])
    np.testing.assert_allclose(seen, expected, atol=0.05)
    assert focal * 1.0 / z == pytest.approx(130 * s, rel=1e-4)
