"""A page that shows people as they come, in a browser; see docs/web.md."""

import time
from collections.abc import Callable
from dataclasses import replace
from threading import Condition, Thread
from typing import Self

from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.interfaces import Output, Policy, log_progress
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import EVENT_TOPIC, encode_event, topic
from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.page.message import TOPIC, encode

PICTURE_TOPIC = b"picture/"
"""Of a message that is a JPEG."""
_WIDEST = 640
_QUALITY = 75
"""Pixels and JPEG quality of the pictures."""


class WebSettings(Section):
    """The page."""

    web: str = setting(
        "", "host:port of a page that shows the people in a browser; empty: none. The flag alone: 127.0.0.1:8000",
        "--web", "127.0.0.1:8000", pattern=r"^(.+:\d+)?$",
    )  # fmt: skip
    web_fps: float = setting(
        10.0, "pictures of the camera that the page shows in a second, at most; 0: none", "--web-fps", ge=0, le=60
    )


class WebOutput(Output):
    """Sends who looks what the page needs to pose the bodies. While nobody looks, nothing is encoded.

    Raises:
        UsageError: the address is taken or there is none such, or the extra `web` is not installed.
        AssetError: the body to draw cannot be loaded.
    """

    Settings = WebSettings
    policy = Policy.NEWEST

    def __init__(self, address: str, run: Run, fps: float = 10.0) -> None:
        """`fps` is how many pictures a second there are at most."""
        from pymafx_live.pipeline.page.server import PageServer

        self.name = f"--web {address}"
        drawing = run.drawing if fps else None
        self.server = PageServer(address)
        self._pictures = Pictures(drawing, fps, self._send_picture) if drawing else None
        log_progress(f"look at the people: {self.server.url}")

    @classmethod
    def open(cls, settings: WebSettings, run: Run) -> Self | None:
        """Serves, if an address is given."""
        return cls(settings.web, run, settings.web_fps) if settings.web else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the result's message to who looks; the picture follows on a thread of its own."""
        viewers = self.server.viewers
        if not viewers.count:
            return
        if frame is not None:
            result = replace(result, published_at=result.captured_at + frame.age)
        self.server.post(TOPIC + result.source.encode(), encode(result))
        if self._pictures is not None and not result.final and result.source.encode() in viewers.pictured:
            self._pictures.offer(result, frame)

    def tell(self, event: SourceEvent) -> None:
        """Sends what has become of a source, also to who comes later."""
        self.server.post(EVENT_TOPIC + event.source.encode(), encode_event(event), lasting=True)

    def close(self) -> None:
        """Closes the port."""
        if self._pictures is not None:
            self._pictures.close()
        self.server.close()

    def _send_picture(self, source: str, jpeg: bytes) -> None:
        self.server.post(PICTURE_TOPIC + source.encode(), topic(source, PICTURE_TOPIC) + jpeg)


class Pictures:
    """Draws people over their frames and compresses that, at a rate of its own: the newest of each source."""

    def __init__(self, drawing: Drawing, fps: float, send: Callable[[str, bytes], None]) -> None:
        self._drawing, self._period, self._send = drawing, 1 / fps, send
        self._newest: dict[str, tuple[FrameResult, Frame | None]] = {}
        self._fault: Exception | None = None
        self._closed = False
        self._changed = Condition()
        self._thread = Thread(target=self._work, name="web pictures", daemon=True)
        self._thread.start()

    def offer(self, result: FrameResult, frame: Frame | None) -> None:
        """Hands it a picture to draw when it comes to that. Raises what an earlier one failed with."""
        with self._changed:
            fault, self._fault = self._fault, None
            if fault is not None:
                raise fault
            self._newest[result.source] = result, frame
            self._changed.notify()

    def close(self) -> None:
        """Draws no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._newest)
                if self._closed:
                    return
                work, self._newest = self._newest, {}
            began = time.monotonic()
            try:
                for source, (result, frame) in work.items():
                    self._send(source, self._jpeg(result, frame))
            except Exception as error:
                self._fault = error
            with self._changed:
                self._changed.wait_for(lambda: self._closed, max(0.0, began + self._period - time.monotonic()))

    def _jpeg(self, result: FrameResult, frame: Frame | None) -> bytes:
        import cv2

        image = self._drawing.picture(result, frame)
        height, width = image.shape[:2]
        if width > _WIDEST:
            size = _WIDEST, max(1, round(height * _WIDEST / width))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()
