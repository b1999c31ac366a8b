"""Real little videos whose every frame says its number, and small parts for a loop that needs no network."""

import logging
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from pymafx_live.configs.schema import CameraSettings, SourceSettings
from pymafx_live.core.interfaces import Source
from pymafx_live.core.types import Estimate, Frame, Origin, Part, Person, Scene
from pymafx_live.pipeline.run import lens
from pymafx_live.pipeline.sources import open_source
from pymafx_live.pipeline.stop import Stop

BITS = 10


class Clips:
    """Writes and reads little videos in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @staticmethod
    def picture(number: int, size: tuple[int, int] = (160, 120)) -> np.ndarray:
        """A picture with `number` in black and white bars above, and a green square that moves, below."""
        width, height = size
        image = np.full((height, width, 3), 60, np.uint8)
        bar = width // BITS
        for bit in range(BITS):
            image[: height // 3, bit * bar : (bit + 1) * bar] = 255 * (number >> bit & 1)
        side = height // 3
        x = number * 2 % (width - side)
        image[height // 2 : height // 2 + side, x : x + side] = (0, 255, 0)
        return image

    @staticmethod
    def number(image: np.ndarray) -> int:
        """The number in such a picture."""
        height, width = image.shape[:2]
        bars = image[: height // 3 - 4, : width // BITS * BITS].reshape(-1, BITS, width // BITS, 3)
        return sum(1 << bit for bit in range(BITS) if bars[:, bit].mean() > 128)

    def write(
        self,
        name: str = "clip.mp4",
        count: int = 30,
        fps: int = 25,
        size: tuple[int, int] = (160, 120),
        codec: str = "libx264",
        first: int = 0,
    ) -> Path:
        """A video of the pictures `first`, `first` + 1, ..."""
        file = self.folder / name
        with av.open(str(file), "w") as container:
            options = {"g": "5", "bf": "0"} if codec == "libx264" else {}
            stream = container.add_stream(codec, rate=fps, options=options)
            stream.width, stream.height = size
            stream.pix_fmt = "rgb24" if codec == "png" else "yuv420p"
            for index in range(count):
                picture = av.VideoFrame.from_ndarray(self.picture(first + index, size), format="bgr24")
                picture.pts, picture.time_base = index, Fraction(1, fps)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
        return file

    @staticmethod
    def read(file: Path) -> tuple[list[np.ndarray], list[float]]:
        """The pictures of a video and their times in seconds."""
        with av.open(str(file)) as container:
            frames = list(container.decode(video=0))
        return [frame.to_ndarray(format="bgr24") for frame in frames], [frame.time for frame in frames]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A run in the terminal takes the log for itself: nobody after it would find anything in `caplog`."""
    logger = logging.getLogger("pymafx_live")
    before = logger.handlers, logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    return Clips(tmp_path)


@pytest.fixture
def opened() -> Iterator[Callable[..., Source]]:
    """Opens a source by its URI and settings; closed at the end of the test. What is lost is not opened again."""
    sources: list[Source] = []

    def open_(uri: object, **settings: object) -> Source:
        wanted = SourceSettings(**{"uri": str(uri), "wait": False, "give_up": 0.0, **settings})
        sources.append(open_source(wanted, lens(CameraSettings()), Stop()))
        return sources[-1]

    yield open_
    for source in sources:
        source.close()


@pytest.fixture
def green_detector() -> "GreenDetector":
    return GreenDetector()


@pytest.fixture
def box_engine() -> "BoxEngine":
    return BoxEngine()


class GreenDetector:
    """Finds green squares."""

    def __init__(self) -> None:
        self.calls = 0

    def detect(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        self.calls += len(images)
        return [self._found(image) for image in images]

    def _found(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        green = cv2.inRange(image, (0, 200, 0), (90, 255, 90))
        x, y, w, h = cv2.boundingRect(green)
        boxes = np.array([[x, y, x + w, y + h]] if w else [], np.float32).reshape(-1, 4)
        return boxes, np.full(len(boxes), 0.9, np.float32)

    def close(self) -> None:
        pass


class BoxEngine:
    """A person at each box, whose `transl` is the box's centre and the frame's time."""

    name = "box"

    def __init__(self) -> None:
        self.tracks: list[list[tuple[int, str]]] = []
        self.batches: list[list[str]] = []
        self.forgotten: list[tuple[str, Sequence[int] | None]] = []

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        self.batches.append([scene.frame.source for scene in scenes])
        return Estimate([self.people(scene.frame, scene.tracks) for scene in scenes], {"look": 0.001})

    def forget(self, source: str, ids: Sequence[int] | None = None) -> None:
        self.forgotten.append((source, ids))

    def people(self, frame: Frame, tracks: Sequence) -> list[Person]:
        self.tracks.append([(track.id, track.state.value) for track in tracks])
        return [
            Person(
                id=track.id, state=track.state, box=track.box, score=track.score, engine=self.name,
                parts={"torso": Part(1.0, Origin.MEASURED)},
                transl=np.array([track.box[[0, 2]].mean(), track.box[[1, 3]].mean(), frame.time], np.float32),
            )
            for track in tracks
        ]  # fmt: skip

    def close(self) -> None:
        pass
