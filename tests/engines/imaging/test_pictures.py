"""What is cut out of a picture on a device is what is cut out of it on the host; `torch_on_cpu` is the device here."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pymafx_live.engines.detectors.letterbox import GREY, Letterbox
from pymafx_live.engines.imaging import HostPicture, Picture, Pictures, unit_rgb
from pymafx_live.engines.imaging.picture import levels
from pymafx_live.engines.runtime.interface import made

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.engines.detectors.letterbox_device import DeviceLetterbox
from pymafx_live.engines.imaging.device import Replaced, Squares

SIZE = 96
seeds = st.integers(0, 2**32 - 1)


def smooth(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """A colourful picture over the whole range of greys, without edges."""
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    blurred = cv2.GaussianBlur(noise, (0, 0), 4)
    low, high = blurred.min(), blurred.max()
    return ((blurred - low) * (255 / max(high - low, 1e-9))).astype(np.uint8)


def on_device(image: NDArray[np.uint8]) -> Picture:
    return Pictures(torch_on_cpu=True).on(image, "cpu")


def warped(picture: Picture, maps: NDArray[np.floating], size: int, antialias: bool = False) -> NDArray[np.uint8]:
    """What `Picture.warp` gives, as an array."""
    found = picture.warp(maps, size, antialias)
    assert isinstance(found, np.ndarray) == isinstance(picture, HostPicture)
    return np.asarray(made(found))


def random_maps(count: int, shape: tuple[int, int], smallest: float, largest: float, seed: int) -> NDArray[np.float64]:
    """Squares anywhere in a picture and beside it, turned by any angle, half of them mirrored, of sizes in a range."""
    rng = np.random.default_rng(seed)
    angle, flip = rng.uniform(-np.pi, np.pi, count), rng.choice([-1, 1], count)
    scale = np.exp(rng.uniform(np.log(smallest), np.log(largest), count))
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([flip * c, -s], -1), np.stack([flip * s, c], -1)], -2)
    centre = rng.uniform(-0.3, 1.3, (count, 2)) * (shape[1], shape[0])
    offset = centre - linear @ np.full(2, (SIZE - 1) / 2)
    return np.concatenate([linear, offset[..., None]], -1)


@given(st.integers(1, 300), st.integers(1, 300), seeds, st.sampled_from([np.float32, np.float64]))
@settings(deadline=None, max_examples=40)
def test_squares_are_the_hosts(height: int, width: int, seed: int, dtype: type[np.floating]) -> None:
    image, maps = smooth(height, width, seed), random_maps(5, (height, width), 0.1, 4, seed).astype(dtype)
    expected, found = warped(HostPicture(image), maps, SIZE), warped(on_device(image), maps, SIZE)
    assert found.dtype == np.uint8
    # OpenCV before 5 counts positions in 1/32 of a pixel
    assert np.abs(found.astype(int) - expected).max() <= 2


@given(st.integers(100, 900), st.integers(100, 900), seeds)
@settings(deadline=None, max_examples=15)
def test_large_squares_are_read_from_the_same_halves(height: int, width: int, seed: int) -> None:
    """Of any size, odd ones too, where a half's pixel covers more than two by two."""
    image, maps = smooth(height, width, seed), random_maps(12, (height, width), 0.5, 100, seed)
    expected, found = warped(HostPicture(image), maps, SIZE, True), warped(on_device(image), maps, SIZE, True)
    assume(len(np.unique(levels(maps))) > 3)
    assert np.abs(found.astype(int) - expected).max() <= 2


def test_antialias_makes_a_fine_board_grey_and_its_absence_does_not() -> None:
    board = np.repeat(((np.indices((768, 768)).sum(0) % 2) * 255).astype(np.uint8)[..., None], 3, 2)
    maps = np.array([[[8.0, 0, 0], [0, 8.0, 0]]])  # whose pixels are black ones of the board
    for picture in (HostPicture(board), on_device(board)):
        inner = warped(picture, maps, SIZE, antialias=True)[:, 1:-1, 1:-1].astype(int)
        assert np.abs(inner - 127).max() <= 1
        assert not warped(picture, maps, SIZE).any()


def test_a_square_shows_its_pixels_and_black_beside_the_picture() -> None:
    """An exact case for both: the map of pixels to pixels, moved by ten."""
    image = smooth(50, 70, 3)
    maps = np.array([[[1.0, 0, -10], [0, 1.0, -10]]])
    for picture in (HostPicture(image), on_device(image)):
        square = warped(picture, maps, SIZE)[0]
        np.testing.assert_array_equal(square[10:60, 10:80], image)
        assert not square[:10].any() and not square[60:].any() and not square[:, 80:].any()
        assert picture.shape == (50, 70)


def test_no_squares() -> None:
    for picture in (HostPicture(smooth(8, 8, 0)), on_device(smooth(8, 8, 0))):
        assert warped(picture, np.zeros((0, 2, 3)), SIZE, antialias=True).shape == (0, SIZE, SIZE, 3)


def test_unit_rgb_turns_the_colours_round() -> None:
    crops = np.stack([smooth(20, 30, k) for k in range(3)])
    found = unit_rgb(crops)
    np.testing.assert_allclose(found, crops[..., ::-1] / 255, atol=1e-7)
    assert found.dtype == np.float32


@given(st.integers(2, 400), st.integers(2, 400), st.integers(1, SIZE), seeds)
@settings(deadline=None, max_examples=20)
def test_squares_of_several_pictures_are_cut_and_put_together(height: int, width: int, size: int, seed: int) -> None:
    """In any order, also only some of them, and only their corners."""
    rng = np.random.default_rng(seed)
    maps, index = random_maps(8, (height, width), 0.5, 9, seed), rng.integers(0, 2, 8)
    images, rows = [smooth(height, width, seed + k) for k in range(2)], rng.permutation(8)[:5]
    found = Squares.together({k: on_device(images[k]).warp(maps[index == k], SIZE, True) for k in (0, 1)}, index)
    for some in (slice(1, 6), rows):
        part = found[some].shrunk(size)
        assert part.shape == (5, size, size, 3) and len(part) == 5
        whole = [
            warped(on_device(images[k]), affine[None], SIZE, True)[0] for k, affine in zip(index, maps, strict=True)
        ]
        np.testing.assert_array_equal(part.made().numpy(), np.stack(whole)[some][:, :size, :size])


@given(
    st.integers(2, 700), st.integers(2, 700), st.sampled_from([(160, 160), (96, 160)]), st.booleans(),
    st.sampled_from([np.float32, np.float16]), st.integers(1, 2), seeds,
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_letterbox_is_the_hosts(
    height: int, width: int, size: tuple[int, int], cut: bool, dtype: type[np.float32], batch: int, seed: int
) -> None:
    shape, stride = (height, width), 32 if cut else None
    host, device = Letterbox(shape, size, stride), DeviceLetterbox("cpu", shape, size, stride)
    expected, rows = host.rows(batch, dtype), device.rows(batch, dtype)
    for k in range(2):  # the buffers are used again
        image = smooth(height, width, seed + k)
        host.fill(expected, batch - 1, HostPicture(image))
        device.fill(rows, batch - 1, on_device(image))
        found = rows.made().numpy()
        assert found.dtype == dtype and found.shape == expected.shape
        # one grey level, and a half's rounding
        assert np.abs(found[-1].astype(float) - expected[-1]).max() <= 1.2 / 255
    f = host.fit
    edge = found[-1, :, f.top + f.inner_height :]
    np.testing.assert_allclose(edge, GREY / 255, atol=1e-3)


@pytest.mark.parametrize("largest", [2, 8])
def test_what_is_known_is_replaced_by_what_is_found_in_any_batches(largest: int) -> None:
    rng = np.random.default_rng(largest)
    known, found = rng.random((3, 2, 5), np.float32), torch.from_numpy(rng.random((4, 5), np.float32))
    rows = np.array([5, 0, 3, 2])
    expected = known.copy()
    expected.reshape(6, 5)[rows] = found.numpy()
    given = Replaced(known, torch.from_numpy(rows), found)
    parts = [made(given[start : start + largest]).numpy() for start in range(0, 3, largest)]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_a_frame_goes_up_once_and_the_last_two_are_kept() -> None:
    pictures = Pictures(torch_on_cpu=True)
    frames = [smooth(20, 30, k) for k in range(3)]
    first, second = (pictures.on(frame, "cpu") for frame in frames[:2])
    assert pictures.on(frames[0], "cpu") is first and pictures.on(frames[1], "cpu") is second
    assert pictures.on(frames[0].copy(), "cpu") is not first, "equal is not the same"
    assert pictures.on(frames[2], "cpu") is not first
    assert pictures.on(frames[0], "cpu") is not first, "a frame of long ago is brought up again"


def test_of_several_cameras_as_many_frames_are_kept() -> None:
    pictures = Pictures(3, torch_on_cpu=True)
    frames = [smooth(20, 30, k) for k in range(6)]
    first = [pictures.on(frame, "cpu") for frame in frames]
    assert all(pictures.on(frame, "cpu") is picture for frame, picture in zip(frames, first, strict=True))


def test_detector_and_engine_share_a_frame_across_threads() -> None:
    """As with run.overlap: both ask at once for frames that follow each other, and get the same picture of each."""
    pictures = Pictures(torch_on_cpu=True)
    frames = [np.full((40, 50, 3), k, np.uint8) for k in range(60)]
    meet = Barrier(2)

    def ask(_: int) -> list[tuple[int, int]]:
        found = []
        for frame in frames:
            meet.wait(10)
            picture = pictures.on(frame, "cpu")
            found.append((id(picture), int(warped(picture, np.eye(2, 3)[None], 8).max())))
            meet.wait(10)  # the pictures live until both have asked
        return found

    with ThreadPoolExecutor(2) as threads:
        one, other = threads.map(ask, range(2))
    assert one == other
    assert [value for _, value in one] == list(range(60))


def test_a_picture_need_not_be_contiguous() -> None:
    wide = smooth(30, 80, 5)
    for image in (wide[:, ::2], wide[..., ::-1], wide[5:, 3:]):
        maps = np.eye(2, 3)[None]
        found = warped(on_device(image), maps, 20)
        np.testing.assert_array_equal(found[0], image[:20, :20])


def test_what_runs_on_the_processor_stays_there() -> None:
    """Without PyTorch being imported; so it is where the PyTorch that is installed knows no GPU."""
    code = (
        "import sys, numpy as np\n"
        "from pymafx_live.engines.imaging import HostPicture, Pictures\n"
        "pictures = Pictures()\n"
        "with pictures.lane('cpu'):\n"
        "    picture = pictures.on(np.zeros((4, 4, 3), np.uint8), 'cpu')\n"
        "assert isinstance(picture, HostPicture) and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    if not torch.cuda.is_available():
        assert Pictures().stay_on_host("cuda:0")


def test_frames_of_cameras_that_come_later_are_kept_too() -> None:
    """A frame of each goes up once, though detector and engine ask for it one after the other."""
    images = [np.full((8, 8, 3), k, np.uint8) for k in range(6)]
    pictures = Pictures(1, torch_on_cpu=True)
    first = [pictures.on(image, "cpu") for image in images]
    assert [pictures.on(image, "cpu") is shown for image, shown in zip(images, first, strict=True)] != [True] * 6
    pictures.serve(3)
    first = [pictures.on(image, "cpu") for image in images]
    assert [pictures.on(image, "cpu") is shown for image, shown in zip(images, first, strict=True)] == [True] * 6
