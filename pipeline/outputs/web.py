"""A page that shows people as they come, in a browser; see docs/web.md."""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Self

import msgpack
from pymafx_live.configs.schema import Section, setting
from pymafx_live.core.errors import UsageError
from pymafx_live.core.interfaces import Output, Policy, log_progress
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import EVENT_TOPIC, encode_event, topic
from pymafx_live.pipeline.outputs.drawn import Drawing
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.page.message import TOPIC, encode

PICTURE_TOPIC = b"picture/"
"""Of a message that is a JPEG."""
_EVERY = 0.2
"""Seconds between two words on where a replay is."""
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
        self._playback, self._recorder = run.playback, run.recorder
        self._replayed = run.replayed
        self._last: dict[str, tuple[FrameResult, Frame | None]] = {}
        self._said = 0.0
        self.server = PageServer(address, self._asked, self._recording)
        if self._playback is not None:
            self._playback.changed = self._tell_playback
            self._tell_playback()
        if self._recorder is not None:
            self._recorder.changed = self._tell_recorder
            self._tell_recorder()
        self._pictures = Pictures(drawing, fps, self._send_picture) if drawing else None
        log_progress(f"look at the people: {self.server.url}")

    @classmethod
    def open(cls, settings: WebSettings, run: Run) -> Self | None:
        """Serves, if an address is given."""
        if not settings.web and run.recorder is not None:
            raise UsageError("--record-dir is for the page: give --web too, or --record FILE instead")
        return cls(settings.web, run, settings.web_fps) if settings.web else None

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Sends the result's message to who looks; the picture follows on a thread of its own."""
        if frame is not None and not self._replayed:
            result = replace(result, published_at=result.captured_at + frame.age)
        self._last[result.source] = result, frame
        if self._pictures is not None:
            self._pictures.check()
        self._show(result, frame)
        if self._playback is not None and time.monotonic() - self._said > _EVERY:
            self._tell_playback()

    def tell(self, event: SourceEvent) -> None:
        """Sends what has become of a source, also to who comes later."""
        self.server.post(EVENT_TOPIC + event.source.encode(), encode_event(event), lasting=True)

    def close(self) -> None:
        """Closes the port."""
        if self._pictures is not None:
            self._pictures.close()
        self.server.close()

    def _show(self, result: FrameResult, frame: Frame | None) -> None:
        viewers = self.server.viewers
        if viewers.count:
            self.server.post(TOPIC + result.source.encode(), encode(result))
        if self._pictures is not None and not result.final and result.source.encode() in viewers.pictured:
            self._pictures.offer(result, frame)

    def _asked(self, wish: Mapping[str, Any]) -> None:
        """Does what a viewer wishes, on the server's thread; what does not fit is left aside."""
        if "picture" in wish:  # it has come, or looks at another source: nothing else may come for long
            for result, frame in tuple(self._last.values()):
                self._show(result, frame)
        if self._recorder is not None and isinstance(on := wish.get("record"), bool):
            self._recorder.ask(on)
        if self._playback is None:
            return
        if isinstance(on := wish.get("play"), bool):
            self._playback.play(on)
        for name, steer in (("seek", self._playback.seek), ("speed", self._playback.hurry)):
            if (value := _number(wish.get(name))) is not None:
                steer(value)

    def _recording(self, name: str) -> Path | None:
        finished = () if self._recorder is None else self._recorder.finished
        return next((made.file for made in finished if made.file.stem == name), None)

    def _tell_playback(self) -> None:
        playback = self._playback
        assert playback is not None
        self._said = time.monotonic()
        state = {
            "at": playback.at, "seconds": playback.seconds, "playing": playback.playing, "speed": playback.speed,
            "over": playback.over,
        }  # fmt: skip
        self._post_state("playback", state)

    def _tell_recorder(self) -> None:
        assert self._recorder is not None
        self._post_state("recorder", self._recorder.state())

    def _post_state(self, kind: str, state: Mapping[str, Any]) -> None:
        """What everybody is told of the page's own controls, also who comes later."""
        self.server.post(f"{kind}/".encode(), topic("", f"{kind}/".encode()) + msgpack.packb(state), lasting=True)

    def _send_picture(self, source: str, jpeg: bytes) -> None:
        self.server.post(PICTURE_TOPIC + source.encode(), topic(source, PICTURE_TOPIC) + jpeg)


def _number(value: Any) -> float | None:
    """What a viewer sends as a number, where it is one."""
    with suppress(TypeError, ValueError, OverflowError):
        if math.isfinite(number := float(value)):
            return number
    return None


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

    def check(self) -> None:
        """Raises what an earlier picture failed with, once."""
        fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def offer(self, result: FrameResult, frame: Frame | None) -> None:
        """Hands it a picture to draw when it comes to that."""
        with self._changed:
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
