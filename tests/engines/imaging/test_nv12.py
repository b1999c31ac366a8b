"""Frames in NV12 are in colour what FFmpeg makes of them on the processor."""

from importlib.resources import files
from typing import Any

import av
import numpy as np
import pytest
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the extra `torch` is not installed")

from pymafx_live.engines.imaging import nv12
from pymafx_live.engines.imaging.device import HALF

LIMITED, FULL = 1, nv12.FULL_RANGE


def _pixels(planes: Any) -> NDArray[np.float32]:
    """The pixels (H, W, 3) BGR that planes were made of."""
    pixels: NDArray[np.float32] = (planes - HALF)[0].permute(1, 2, 0).numpy()
    return pixels


@pytest.mark.parametrize("colourspace", [2, 1, 5, 6, 9], ids=["unknown", "709", "601 (625)", "601 (525)", "2020"])
@pytest.mark.parametrize("reach", [LIMITED, FULL], ids=["limited", "full"])
def test_colours_are_those_of_ffmpeg(colourspace: int, reach: int) -> None:
    """Of every brightness and chroma, also beyond those that can be shown, in blocks of two pixels."""
    height, width, rng = 144, 256, np.random.default_rng(colourspace)
    planes = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((height, width), (72, 128), (72, 128))]
    frame = av.VideoFrame.from_ndarray(np.concatenate([p.reshape(-1, width) for p in planes]), format="yuv420p")
    frame.colorspace, frame.color_range = colourspace, reach
    shown = np.asarray(VideoReformatter().reformat(frame, format="bgr24").to_ndarray(), np.float64)
    interleaved = np.stack(planes[1:], -1).reshape(-1, width)
    same = av.VideoFrame.from_ndarray(np.concatenate([planes[0], interleaved]), format="nv12")
    same.colorspace, same.color_range = colourspace, reach
    found = nv12.planes_of(same)
    assert found.shape == (1, 3, height, width) and found.dtype == torch.float32
    off = np.abs(_pixels(found) - shown)
    assert off.max() <= 3 and off.mean() < 1.5


def test_a_decoded_frame_is_read_where_it_lies_and_stays_when_the_decoder_goes_on() -> None:
    with av.open(str(files("pymafx_live.engines.data") / "demo.mp4")) as video:
        frames = video.decode(video=0)
        first = next(frames)
        planes = nv12.planes_of(first.reformat(format="nv12"))
        expected = first.to_ndarray(format="bgr24")
        for _ in range(20):
            next(frames)
    off = np.abs(_pixels(planes) - expected)
    assert off.max() <= 3


@pytest.mark.parametrize(
    ("colour", "expected"),
    [((16, 128, 128), (0, 0, 0)), ((235, 128, 128), (255, 255, 255)), ((81, 90, 240), (254, 0, 0)),
     ((145, 54, 34), (0, 255, 1)), ((41, 240, 110), (0, 0, 255))],
)  # fmt: skip
def test_the_bars_of_bt601_have_their_colours(colour: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    """Black, white, red, green and blue in the studio range, by hand from ITU-R BT.601's rounded equations."""
    luma = torch.full((4, 6), colour[0], dtype=torch.uint8)
    chroma = torch.tensor(colour[1:], dtype=torch.uint8).expand(2, 3, 2)
    planes = nv12.as_planes(luma, chroma, *nv12.BT601, full=False)
    np.testing.assert_allclose(_pixels(planes)[2, 3, ::-1], expected, atol=1)


def test_another_format_is_named() -> None:
    with pytest.raises(ValueError, match="frames are p010le, not nv12"):
        nv12.planes_of(av.VideoFrame(64, 48, "p010le"))
