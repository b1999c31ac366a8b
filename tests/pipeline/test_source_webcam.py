import errno
import json
import shutil
import struct
import sys
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import CaptureOrigin, SourceEvent, SourceState
from pymafx_live.pipeline.listing import as_json, as_text
from pymafx_live.pipeline.sources import SOURCES
from pymafx_live.pipeline.sources.devices import devices
from pymafx_live.pipeline.sources.webcam import WebcamReader

linux = pytest.mark.skipif(sys.platform != "linux", reason="the device nodes are Linux's")


@linux
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


class Plugged:
    """A machine's `sys` and `dev` with cameras that can be plugged in and out, and what OpenCV would open of them.

    There is no V4L2 where these tests run, so the driver is this one: it answers as linux/videodev2.h lays it down.
    """

    MODES: ClassVar = {"MJPG": {(1280, 720): (30, 15), (640, 480): (60,)}, "YUYV": {(640, 480): (30,)}, "NV12": {}}

    def __init__(self, root: Path) -> None:
        self.root, self.opened = root, []
        for folder in ("sys/class/video4linux", "dev/v4l/by-id"):
            (root / folder).mkdir(parents=True)

    def plug(self, number: int, name: str, link: str = "") -> None:
        (self.root / f"dev/video{number}").write_bytes(b"")
        entry = self.root / f"sys/class/video4linux/video{number}"
        entry.mkdir()
        (entry / "name").write_text(f"{name}\n")
        if link:
            (self.root / "dev/v4l/by-id" / link).symlink_to(f"../../video{number}")

    def unplug(self, number: int) -> None:
        for link in (self.root / "dev/v4l/by-id").iterdir():
            if link.resolve().name == f"video{number}":
                link.unlink()
        (self.root / f"dev/video{number}").unlink()
        shutil.rmtree(self.root / f"sys/class/video4linux/video{number}")

    def ioctl(self, file: int, request: int, data: bytearray) -> None:
        """VIDIOC_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES and _ENUM_FRAMEINTERVALS."""
        number = int(Path(f"/proc/self/fd/{file}").resolve().name.removeprefix("video"))
        codings = list(self.MODES)
        assert len(data) == request >> 16 & 0x3FFF  # the size that the request's number says
        (index,) = struct.unpack_from("=I", data)
        try:
            if request & 0xFF == 0:
                metadata = number % 2 == 1  # every second node has a camera's metadata
                struct.pack_into("=II", data, 84, 0x84A00001, 0x00A00000 if metadata else 0x04200001)
            elif request & 0xFF == 2:
                data[44:48] = codings[index].encode()
            else:
                coding = self.MODES[data[4:8].decode()]
                if not coding:  # any size from 2 x 4 to 1920 x 1080, and any rate from 5 to 25
                    numbers = (3, 2, 1920, 2, 4, 1080, 2) if request & 0xFF == 74 else (3, 1, 25, 1, 5, 1, 1)
                    struct.pack_into("=7I", data, 8 if request & 0xFF == 74 else 16, *numbers)
                elif request & 0xFF == 74:
                    struct.pack_into("=3I", data, 8, 1, *list(coding)[index])
                else:
                    rate = coding[struct.unpack_from("=2I", data, 8)][index]
                    struct.pack_into("=3I", data, 16, 1, 1, rate)
        except IndexError:
            raise OSError(errno.EINVAL, "Invalid argument") from None


BRIO = "usb-046d_Logitech_BRIO_9F8D-video-index0"


@pytest.fixture
def plugged(tmp_path) -> Plugged:
    return Plugged(tmp_path)


@linux
def test_what_is_plugged_in_is_listed_with_what_it_can_do(plugged):
    plugged.plug(0, "Logitech BRIO", BRIO)
    plugged.plug(1, "Logitech BRIO", BRIO.replace("index0", "index1"))
    plugged.plug(10, "virtual\x1b[31m")
    brio, virtual = devices(plugged.root, plugged.ioctl)
    assert (brio.source, brio.name, Path(brio.link).name) == ("0", "Logitech BRIO", BRIO)
    assert [(m.coding, m.width, m.height, m.rates) for m in brio.modes] == [
        ("MJPG", 1280, 720, (30, 15)), ("MJPG", 640, 480, (60,)), ("YUYV", 640, 480, (30,)),
        ("NV12", 1920, 1080, (25,)),
    ]  # fmt: skip
    assert (virtual.source, virtual.link) == ("10", "")
    text = as_text([brio, virtual])
    assert "--source 0  Logitech BRIO" in text and f"/{BRIO}" in text and "\x1b" not in text
    assert "    MJPG: 1280x720 at 30, 15; 640x480 at 60\n" in text
    assert [device["source"] for device in json.loads(as_json([brio, virtual]))] == ["0", "10"]


@linux
def test_what_is_no_camera_at_all_is_listed_with_why_it_cannot_be_asked(plugged):
    plugged.plug(0, "a file")
    (device,) = devices(plugged.root)  # the kernel itself says what that file is not
    assert device.trouble == "Inappropriate ioctl for device"
    assert "cannot be asked what it can do: Inappropriate ioctl for device" in as_text([device])


class Capture:
    """As `cv2.VideoCapture` of a camera that has 1280 x 720 at most, and delivers one picture."""

    def __init__(self, device: int | str) -> None:
        self.device, self.asked, self._left = device, {}, 1

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's
        return True

    def set(self, what: int, value: float) -> bool:
        self.asked[what] = value
        return what != cv2.CAP_PROP_EXPOSURE or value < 1000

    def get(self, what: int) -> float:
        sides = {cv2.CAP_PROP_FRAME_WIDTH: (640, 1280), cv2.CAP_PROP_FRAME_HEIGHT: (480, 720)}
        usual, most = sides.get(what, (30, 30))
        return float(min(self.asked.get(what, usual), most))

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._left -= 1
        width, height = (int(self.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        return self._left >= 0, np.zeros((height, width, 3), np.uint8)

    def release(self) -> None:
        pass


@pytest.fixture
def webcam(plugged, monkeypatch):
    """Opens a webcam of that machine by its settings; gives what OpenCV was asked for, and the pictures."""
    monkeypatch.setattr(WebcamReader, "root", plugged.root)
    monkeypatch.setattr(WebcamReader, "_known", {})
    captures = []
    monkeypatch.setattr(WebcamReader, "make", lambda device: captures.append(Capture(device)) or captures[-1])

    def open_(uri: str, **settings: object) -> tuple[Capture, list[np.ndarray]]:
        reader = WebcamReader.of(SourceSettings(uri=uri, **settings))
        reader.open()
        images = []
        with pytest.raises(SourceError, match="has stopped delivering"):
            images.extend(shot.image for shot in reader.shots())
        assert [reader.size] == [image.shape[1::-1] for image in images]
        return captures[-1], images

    return open_


@linux
def test_a_camera_is_asked_for_a_mode(plugged, webcam, caplog):
    plugged.plug(0, "Logitech BRIO", BRIO)
    capture, (image,) = webcam("0", webcam_size="1280x720", webcam_fps=30, webcam_exposure=8)
    assert image.shape == (720, 1280, 3) and not caplog.records
    assert capture.device == 0 and capture.asked[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert (capture.asked[cv2.CAP_PROP_AUTO_EXPOSURE], capture.asked[cv2.CAP_PROP_EXPOSURE]) == (1, 80)
    capture, (image,) = webcam("0")
    assert not capture.asked and image.shape == (480, 640, 3)


@linux
def test_a_mode_that_a_camera_has_not_is_told(plugged, webcam, caplog):
    plugged.plug(0, "Logitech BRIO", BRIO)
    webcam("0", webcam_size="1920x1080", webcam_fps=90, webcam_exposure=500)
    assert [record.message for record in caplog.records] == [
        "camera 0 does not let its exposure be set: it stays as the driver has it",
        "camera 0 gives 1280x720 instead of 1920x1080 and 30 instead of 90 frames per second: "
        "`pymafx-live cameras` lists what it can do",
    ]


@linux
@pytest.mark.parametrize("link", [BRIO, ""])
def test_a_camera_is_found_again_whatever_its_number_is_then(plugged, webcam, link, caplog):
    plugged.plug(0, "Logitech BRIO", link)
    assert webcam("0")[0].device == 0
    plugged.unplug(0)
    with pytest.raises(SourceError, match="camera 0 is not there"):
        webcam("0")
    plugged.plug(0, "another", "usb-another-video-index0")
    plugged.plug(2, "Logitech BRIO", link)
    assert webcam("0")[0].device == 2
    assert [record.message for record in caplog.records] == [f"camera 0 is {plugged.root}/dev/video2 now"]
    if link:
        assert webcam(str(plugged.root / "dev/v4l/by-id" / link))[0].device == 2


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

    def _found(self):
        if not Path(self._device).exists():
            raise SourceError(f"camera {self._device} is not there: plug it in")
        return self._device


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
