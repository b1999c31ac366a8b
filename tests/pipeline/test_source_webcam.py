import sys

import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.pipeline.sources.webcam import WebcamReader


@pytest.mark.skipif(sys.platform != "linux", reason="the device nodes are Linux's")
def test_a_camera_that_is_not_there(opened):
    with pytest.raises(SourceError, match=r"camera 99 is not there \(no /dev/video99; cameras here: .*plug it in"):
        opened(99)


@pytest.mark.parametrize(
    ("device", "name", "expected"),
    [("2", "", "camera2"), ("2", "door", "door"), ("/dev/video2", "", "video2"), ("/dev/video2", "door", "door")],
)
def test_its_name(device, name, expected):
    assert WebcamReader(device, name, timeout=5).name == expected


def test_a_device_that_is_no_camera(opened, tmp_path):
    (tmp_path / "device").write_bytes(bytes(100))
    reader = WebcamReader(str(tmp_path / "device"), timeout=5)
    with pytest.raises(SourceError, match="cannot be opened: close other programs that use it"):
        reader.open()


def test_a_device_delivers_until_it_stops(clips):
    """OpenCV reads a file by the same calls as a camera; its end is what an unplugged camera looks like."""
    file = clips.write("clip.avi", count=5, codec="png")
    reader = WebcamReader(str(file), timeout=5)
    reader.open()
    numbers = []
    with pytest.raises(SourceError, match="has stopped delivering"):
        numbers.extend(clips.number(shot.image) for shot in reader.shots())
    reader.close()
    assert numbers == [0, 1, 2, 3, 4]
