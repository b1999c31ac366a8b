"""Pictures as phones write them. Those here are tests/data/orientation-N.heic, which no FFmpeg or OpenCV can write."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.pipeline.sources.images import _HEIF_PACKAGES

DATA = Path(__file__).parents[1] / "data"
INSTALLED = any(find_spec(name) for name in _HEIF_PACKAGES)
needs_extra = pytest.mark.skipif(not INSTALLED, reason="the extra `heic` is not installed")
TURNED = {1: None, 3: cv2.ROTATE_180, 6: cv2.ROTATE_90_CLOCKWISE, 8: cv2.ROTATE_90_COUNTERCLOCKWISE}
"""How a picture is shown, by EXIF's orientation."""


@needs_extra
@pytest.mark.parametrize("orientation", TURNED)
def test_a_picture_comes_whole_and_upright(clips, opened, orientation):
    (frame,) = opened(DATA / f"orientation-{orientation}.heic")
    expected = clips.picture(5, (640, 480))
    if (turn := TURNED[orientation]) is not None:
        expected = cv2.rotate(expected, turn)
    assert frame.image.shape == expected.shape and frame.image.flags["C_CONTIGUOUS"] and frame.cut
    assert np.abs(frame.image.astype(int) - expected).mean() < 4


@needs_extra
def test_a_folder_of_both_kinds_of_which_one_is_damaged(clips, opened, tmp_path, caplog):
    cv2.imwrite(str(tmp_path / "1.jpg"), clips.picture(1))
    whole = shutil.copy(DATA / "orientation-1.heic", tmp_path / "2.HEIC").read_bytes()
    (tmp_path / "3.heic").write_bytes(whole[: len(whole) // 2])
    numbers = []
    with pytest.raises(SourceError, match=r"1 of the 3 images of .* were left out \(3\.heic\)"):
        numbers.extend(clips.number(frame.image) for frame in opened(tmp_path))
    assert numbers == [1, 5] and "3.heic is damaged" in caplog.text


@pytest.mark.skipif(INSTALLED, reason="the extra `heic` is installed")
def test_without_the_extra_it_is_named(clips, opened, tmp_path):
    cv2.imwrite(str(tmp_path / "1.jpg"), clips.picture(1))
    shutil.copy(DATA / "orientation-1.heic", tmp_path / "2.HEIC")
    for uri in (tmp_path, tmp_path / "2.HEIC"):
        with pytest.raises(UsageError, match=r"need the package pi-heif: pip install 'pymafx-live\[heic\]'"):
            opened(uri)


@pytest.mark.parametrize("orientation", TURNED)
def test_a_jpeg_comes_upright_too(clips, opened, tmp_path, orientation):
    """EXIF's orientation, tag 0x0112, in an APP1 segment behind the start of the file."""
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    jpeg = cv2.imencode(".jpg", clips.picture(5))[1].tobytes()
    (tmp_path / "1.jpg").write_bytes(jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2) + exif + jpeg[2:])
    (frame,) = opened(tmp_path / "1.jpg")
    expected = clips.picture(5)
    if (turn := TURNED[orientation]) is not None:
        expected = cv2.rotate(expected, turn)
    assert frame.image.shape == expected.shape
    assert np.abs(frame.image.astype(int) - expected).mean() < 6
