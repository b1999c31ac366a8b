"""Regions: what goes into a crop comes back where it was."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.engines.landmarks import regions


def make(x: float, y: float, side: float, angle: float) -> regions.Regions:
    return regions.Regions(np.array([[x, y]]), np.array([side]), np.array([angle]))


@given(st.floats(-50, 700), st.floats(-50, 700), st.floats(20, 900), st.floats(-4, 4))
@settings(deadline=None)
def test_corners_and_centre(x: float, y: float, side: float, angle: float) -> None:
    region = make(x, y, side, angle)
    points = np.array([[[112.0, 112.0], [0.0, 0.0], [224.0, 0.0]]])
    centre, a, b = regions.to_image(points, region, 224)[0]
    np.testing.assert_allclose(centre, (x, y), atol=1e-2)
    np.testing.assert_allclose(np.linalg.norm(b - a), side, rtol=1e-3)
    np.testing.assert_allclose(b - a, side * np.array([np.cos(angle), np.sin(angle)]), atol=2e-2 * side)


def test_crop_shows_the_marked_pixel_where_to_image_says() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[120:124, 250:254] = (255, 0, 0)  # blue in BGR
    region = make(240, 130, 100, 0.6)
    cut = regions.crop(regions.ImageBatch.single(image, 1), region, 200)[0]
    assert cut[..., 0].max() == 0 and cut[..., 2].max() > 0.9  # RGB: blue is last
    y, x = np.nonzero(cut[..., 2] > 0.5)
    back = regions.to_image(np.array([[[x.mean(), y.mean()]]]), region, 200)[0, 0]
    np.testing.assert_allclose(back, (251.5, 121.5), atol=1.0)


def test_outside_the_image_is_black() -> None:
    white = np.full((50, 50, 3), 255, np.uint8)
    cut = regions.crop(regions.ImageBatch.single(white, 1), make(-100, -100, 40, 0.0), 64)
    assert cut.max() == 0


@given(st.floats(-3, 3))
@settings(deadline=None)
def test_world_points_turn_with_their_region(angle: float) -> None:
    world = np.array([[[1.0, 0.0, 0.3]]])
    turned = regions.turn(world, make(0, 0, 1, angle))[0, 0]
    np.testing.assert_allclose(turned, (np.cos(angle), np.sin(angle), 0.3), atol=1e-6)


def test_hand_regions_stand_upright_along_the_hand() -> None:
    """A hand that points right is shown turned by a quarter, its wrist below its fingers."""
    fingers = np.linspace(0, 100, 21)
    xy = np.stack([300 + fingers, np.full(21, 200.0) + 5 * np.sin(fingers)], -1)[None]
    region = regions.hand_from_landmarks(xy)
    np.testing.assert_allclose(region.angle, np.pi / 2, atol=0.2)
    affine = np.vstack([region.affine(100)[0], [0, 0, 1]])
    wrist, tip = (np.linalg.inv(affine) @ [*xy[0, k], 1] for k in (0, 20))
    assert wrist[1] > tip[1]
