"""`--hwaccel` where there is a device and where there is none: what PyAV says of this machine decides."""

import logging

import av.codec.hwaccel
import numpy as np
import pytest
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.pipeline.sources import hwaccel
from pymafx_live.pipeline.sources.files import FileReader
from pymafx_live.pipeline.sources.network import StreamReader

WITHOUT = [kind for kind in hwaccel.KINDS if hwaccel._missing(kind)]


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    hwaccel._say_none.cache_clear()
    hwaccel._say_not.cache_clear()


def pictures(file, wanted: str) -> list[np.ndarray]:
    reader = FileReader.of(SourceSettings(uri=str(file), hwaccel=wanted))
    reader.open()
    images = [shot.image for shot in reader.shots()]
    reader.close()
    return images


def test_auto_gives_the_same_pictures_and_says_once_what_decodes_them(clips, caplog) -> None:
    file = clips.write(count=8)
    plain, auto = pictures(file, "none"), pictures(file, "auto")
    assert [clips.number(image) for image in auto] == [clips.number(image) for image in plain] == list(range(8))
    pictures(file, "auto")
    if len(WITHOUT) == len(hwaccel.KINDS):
        for a, b in zip(plain, auto, strict=True):
            np.testing.assert_array_equal(a, b)
        assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
            "--hwaccel auto: there is no device to decode on, the processor does it"
        ]


@pytest.mark.parametrize("kind", hwaccel.KINDS)
@pytest.mark.parametrize("reader", [FileReader, StreamReader])
def test_a_named_device_that_is_not_there_is_one_sentence(clips, kind: str, reader) -> None:
    if kind not in WITHOUT:
        pytest.skip("this machine has it")
    with pytest.raises(UsageError, match=rf"--hwaccel {kind} cannot be had here \(.+\): take `auto`") as raised:
        reader.of(SourceSettings(uri=str(clips.write(count=1)), hwaccel=kind))
    assert "\n" not in str(raised.value)


def test_a_device_that_cannot_be_opened_is_not_there(monkeypatch) -> None:
    """As on a machine whose PyAV is built for a card that it has not got."""
    hwaccel._missing.cache_clear()

    class Dead:
        def __init__(self, kind: str, allow_software_fallback: bool) -> None:
            pass

        def create(self, codec: object) -> None:
            raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(av.codec.hwaccel, "HWAccel", Dead)
    monkeypatch.setattr(av.codec.hwaccel, "hwdevices_available", lambda: ["cuda"])
    with pytest.raises(UsageError, match=r"its device cannot be opened: \[Errno 1\] Operation not permitted\)"):
        hwaccel.accelerator("cuda")
    with pytest.raises(UsageError, match="built without it, and has cuda"):
        hwaccel.accelerator("vaapi")
    assert hwaccel.accelerator("auto") is None
    hwaccel._missing.cache_clear()


def test_what_a_device_cannot_decode_is_refused_where_it_is_named_and_said_where_it_is_not(clips, caplog) -> None:
    """PyAV's own choice, for a device that no machine has for this codec."""
    file = clips.write("clip.mov", count=4, codec="png")
    reader = FileReader(file, hwaccel=av.codec.hwaccel.HWAccel("vaapi", allow_software_fallback=False))
    with pytest.raises(SourceError, match="device of --hwaccel cannot decode"):
        reader.open()
    for _ in range(2):
        reader = FileReader(file, hwaccel=av.codec.hwaccel.HWAccel("vaapi", allow_software_fallback=True))
        reader.open()
        assert len(list(reader.shots())) == 4
        reader.close()
    assert len(caplog.records) == 1 and "does not decode the png of clip.mov" in caplog.text
