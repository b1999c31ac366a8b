"""The webcams of this machine: their names, the links that stay theirs whatever their number, and what they can do.

On Linux from sysfs, udev's links and V4L2 (structures and requests: linux/videodev2.h); elsewhere by trying numbers.
"""

import os
import re
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/")
TRIED = 10
"""Numbers that are tried where no system lists cameras."""
_QUERYCAP, _ENUM_FMT, _ENUM_FRAMESIZES, _ENUM_FRAMEINTERVALS = 0x80685600, 0xC0405602, 0xC02C564A, 0xC034564B
_CAPTURE = 1
"""`V4L2_CAP_VIDEO_CAPTURE`, and `V4L2_BUF_TYPE_VIDEO_CAPTURE`."""
_DEVICE_CAPS = 1 << 31
_DISCRETE = 1
_MOST = 64
"""Entries that are asked of one list of a driver."""
Ioctl = Callable[[int, int, bytearray], object]


@dataclass(frozen=True, slots=True)
class Mode:
    """A size in pixels, how its pictures are coded, and the frame rates that it has, the fastest first."""

    coding: str
    width: int
    height: int
    rates: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """A camera: what --source takes for it (`node` may change when it is plugged in again, `link` does not)."""

    node: str
    name: str
    link: str = ""
    modes: Sequence[Mode] = ()
    trouble: str = ""
    """Why it cannot be asked for its modes."""

    @property
    def source(self) -> str:
        """The number of its node, or the node where it has none."""
        number = re.search(r"(\d+)$", self.node)
        return number[1] if number else self.node


def devices(root: Path = ROOT, ioctl: Ioctl | None = None) -> list[Device]:
    """The cameras that are there. `root` is where `sys` and `dev` are; `ioctl` is the system's unless given."""
    if sys.platform != "linux" and root == ROOT:
        return list(_tried())
    found = [_device(entry, root, ioctl or _system_ioctl()) for entry in _entries(root)]
    return [device for device in found if device is not None]


def named(node: Path, root: Path = ROOT) -> tuple[str, str]:
    """The link by-id of a node and what its driver calls it; empty where there is none."""
    with suppress(OSError):
        node = node.resolve()
    links = root / "dev/v4l/by-id"
    link = next((str(one) for one in sorted(links.glob("*")) if one.exists() and one.resolve() == node), "")
    name = ""
    with suppress(OSError):
        name = (root / "sys/class/video4linux" / node.name / "name").read_text(errors="replace").strip()
    return link, name


def _entries(root: Path) -> list[Path]:
    """The folders of sysfs that are video devices, by their numbers."""
    every = (root / "sys/class/video4linux").glob("video*")
    return sorted(every, key=lambda entry: int(re.sub(r"\D", "", entry.name) or 0))


def _device(entry: Path, root: Path, ioctl: Ioctl) -> Device | None:
    """The camera of an entry of sysfs; None for a device that captures nothing, as those of a camera's metadata."""
    node = root / "dev" / entry.name
    link, name = named(node, root)
    try:
        file = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        why = "join the group of " + str(node) if isinstance(error, PermissionError) else error.strerror or "not there"
        return Device(str(node), name, link, trouble=why)
    try:
        return Device(str(node), name, link, list(_modes(file, ioctl))) if _captures(file, ioctl) else None
    except OSError as error:
        return Device(str(node), name, link, trouble=error.strerror or "it does not answer")
    finally:
        os.close(file)


def _captures(file: int, ioctl: Ioctl) -> bool:
    answer = bytearray(104)  # v4l2_capability
    ioctl(file, _QUERYCAP, answer)
    whole, of_node = struct.unpack_from("=II", answer, 84)
    return bool((of_node if whole & _DEVICE_CAPS else whole) & _CAPTURE)


def _modes(file: int, ioctl: Ioctl) -> Iterator[Mode]:
    for entry in _listed(file, ioctl, _ENUM_FMT, 64, (_CAPTURE,)):  # v4l2_fmtdesc
        (coding,) = struct.unpack_from("=I", entry, 44)
        text = coding.to_bytes(4, "little").decode("latin-1").strip()
        for size in _listed(file, ioctl, _ENUM_FRAMESIZES, 44, (coding,)):  # v4l2_frmsizeenum
            kind, *numbers = struct.unpack_from("=6I", size, 8)
            # width and height, or a range: min_width, max_width, step_width, min_height, max_height
            width, height = (numbers[0], numbers[1]) if kind == _DISCRETE else (numbers[1], numbers[4])
            yield Mode(text, width, height, tuple(_rates(file, ioctl, coding, width, height)))
            if kind != _DISCRETE:
                break


def _rates(file: int, ioctl: Ioctl, coding: int, width: int, height: int) -> Iterator[float]:
    for entry in _listed(file, ioctl, _ENUM_FRAMEINTERVALS, 52, (coding, width, height)):  # v4l2_frmivalenum
        kind, numerator, denominator = struct.unpack_from("=3I", entry, 16)
        if numerator:
            yield round(denominator / numerator, 2)
        if kind != _DISCRETE:  # a range, whose shortest interval comes first
            return


def _listed(file: int, ioctl: Ioctl, request: int, size: int, about: Sequence[int]) -> Iterator[bytearray]:
    """The entries of a driver's list, whose structure of `size` bytes begins with the index and what it is about."""
    for index in range(_MOST):
        entry = bytearray(size)
        struct.pack_into(f"={1 + len(about)}I", entry, 0, index, *about)
        try:
            ioctl(file, request, entry)
        except OSError:  # the end of the list, or a driver that has none
            return
        yield entry


def _system_ioctl() -> Ioctl:
    import fcntl  # Windows has none

    def ioctl(file: int, request: int, structure: bytearray) -> object:
        return fcntl.ioctl(file, request, structure, True)

    return ioctl


def _tried() -> Iterator[Device]:
    """The cameras that OpenCV opens by their numbers."""
    import cv2

    silence_opencv()
    for number in range(TRIED):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            width, height, rate = (
                capture.get(what) for what in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS)
            )
            yield Device(
                str(number), f"camera {number}", modes=[Mode("", int(width), int(height), (rate,) if rate else ())]
            )
        capture.release()


def silence_opencv() -> None:
    """OpenCV would write its own warnings to standard error beside our sentence."""
    import cv2

    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel  # where OpenCV 5 has it
    set_level(0)
