import sys
from pathlib import Path

import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin, SourceEvent, SourceState
from pymafx_live.pipeline.sources import SOURCES
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


class Files(WebcamReader):
    """OpenCV reads a file by the same calls as a camera; its end is what an unplugged camera looks like."""

    @classmethod
    def of(cls, settings):
        return cls(settings.uri.removeprefix("webcam:"), settings.name, timeout=settings.timeout)

    def _check_node(self):
        if not Path(self._device).exists():
            raise SourceError(f"camera {self._device} is not there: plug it in")


def test_a_camera_that_is_unplugged_and_plugged_in_again(clips, opened, monkeypatch):
    monkeypatch.setitem(SOURCES, "webcam", f"{__name__}:Files")
    file, away = clips.write("video0.avi", count=3, codec="png"), clips.folder / "away.avi"
    items = iter(opened(f"webcam:{file}", wait=True, give_up=None))
    seen = []
    for item in items:
        if isinstance(item, SourceEvent):
            seen.append(item.state)
            if item.state is SourceState.RECONNECTING and file.exists():
                file.rename(away)
            elif item.state is SourceState.RECONNECTING:
                assert item.reason.endswith("is not there: plug it in")
                away.rename(file)
        elif SourceState.RECONNECTING in seen:
            break
    lost = seen[1:-1]  # told with each new reason, as often as it was tried in vain
    assert [seen[0], *set(lost), seen[-1]] == [SourceState.LIVE, SourceState.RECONNECTING, SourceState.LIVE]
    assert len(lost) >= 2
    assert item.capture_origin is CaptureOrigin.ARRIVAL and item.sequence >= 1
