import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymafx_live.engines.detectors.letterbox import GREY, Letterbox, fit
from pymafx_live.engines.imaging import HostPicture

sides = st.integers(1, 3000)


@pytest.mark.parametrize(
    ("image", "size", "stride", "expected"),
    [
        # height, width, of the canvas and of the image in it, top, left: what Ultralytics 8.3 gives
        ((720, 1280), 640, 32, (384, 640, 360, 640, 12, 0)),
        ((720, 1280), 640, None, (640, 640, 360, 640, 140, 0)),
        ((1080, 810), 640, 32, (640, 480, 640, 480, 0, 0)),
        ((480, 640), 640, 32, (480, 640, 480, 640, 0, 0)),
        ((100, 33), 320, 32, (320, 128, 320, 106, 0, 11)),
    ],
)
def test_known_fits(image: tuple[int, int], size: int, stride: int | None, expected: tuple[int, ...]) -> None:
    f = fit(image, (size, size), stride)
    assert (f.height, f.width, f.inner_height, f.inner_width, f.top, f.left) == expected


@given(sides, sides, st.sampled_from((320, 640)), st.booleans())
def test_the_image_lies_centred_in_the_least_canvas(height: int, width: int, size: int, cut: bool) -> None:
    f = fit((height, width), (size, size), 32 if cut else None)
    bottom, right = f.height - f.top - f.inner_height, f.width - f.left - f.inner_width
    assert 0 <= bottom - f.top <= 1 and 0 <= right - f.left <= 1
    assert max(f.inner_height, f.inner_width) == size == max(f.height, f.width)
    if cut:
        assert f.height % 32 == f.width % 32 == 0
        assert f.height - f.inner_height < 32 and f.width - f.inner_width < 32


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-6), (np.float16, 1e-3)])
def test_the_tensor_is_what_opencv_makes(dtype: type[np.floating], tolerance: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 410, 3), dtype=np.uint8)
    letterbox = Letterbox((300, 410), (320, 320), 32)
    tensor = letterbox.rows(3, dtype)
    f = letterbox.fit
    inner = cv2.resize(image, (f.inner_width, f.inner_height), interpolation=cv2.INTER_LINEAR)
    canvas = cv2.copyMakeBorder(
        inner, f.top, f.height - f.inner_height - f.top, f.left, f.width - f.inner_width - f.left,
        cv2.BORDER_CONSTANT, value=(GREY,) * 3,
    )  # fmt: skip
    expected = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)
    for _ in range(2):  # the buffers are used again
        letterbox.fill(tensor, 1, HostPicture(image))
        assert tensor.dtype == dtype
        np.testing.assert_allclose(tensor[1:2], expected, atol=tolerance)
        assert not tensor[[0, 2]].any()


@given(sides, sides, st.booleans())
def test_boxes_return_to_the_image(height: int, width: int, cut: bool) -> None:
    letterbox = Letterbox((height, width), (320, 320), 32 if cut else None)
    f = letterbox.fit
    whole = np.array([[f.left, f.top, f.left + f.inner_width, f.top + f.inner_height]], np.float32)
    np.testing.assert_allclose(letterbox.to_image(whole), [[0, 0, width, height]], atol=1e-3)
    far = np.array([[-500, -500, 900, 900]], np.float32)
    np.testing.assert_array_equal(letterbox.to_image(far), [[0, 0, width, height]])
