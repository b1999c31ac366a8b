"""Network streams: RTSP, HTTP, RTMP, UDP and whatever else FFmpeg receives."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import av
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.addresses import escaped, masked
from pymafx_live.core.errors import SourceError
from pymafx_live.pipeline.sources.decoding import Decoder
from pymafx_live.pipeline.sources.reader import Shot

_PROBE = 1_000_000
"""Microseconds of video that FFmpeg looks at before it gives the first frame out."""


class StreamReader:
    """Receives one stream. RTSP goes over TCP, because a lost UDP packet damages every frame up to the next
    key frame. A recording that is served over the network plays at its own pace.
    """

    live = True
    count = 0
    files: Sequence[Path] = ()

    def __init__(self, url: str, name: str = "", *, timeout: float) -> None:
        self.name = name or masked(url)
        self.paced = False
        self.timeout = timeout
        self._url = escaped(url)
        self._container: av.container.InputContainer | None = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """See `Reader.of`."""
        return cls(settings.uri, settings.name, timeout=settings.timeout)

    def open(self) -> None:
        """Raises `SourceError` for a stream that refuses, does not answer in time, or carries no video."""
        options = {"analyzeduration": str(_PROBE)}
        if self._url.startswith("rtsp"):
            options["rtsp_transport"] = "tcp"
        began = time.monotonic()
        try:
            self._container = av.open(self._url, options=options, timeout=self.timeout)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(self._why_not(error, time.monotonic() - began)) from error
        if not self._container.streams.video:
            raise SourceError(f"{self.name} carries no video: check the address")
        self._decoder = Decoder(self._container, self.name, strict=True)
        self.paced = bool(self._container.duration)

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` where the connection breaks or falls silent."""
        empty = True
        began = time.monotonic()
        try:
            for image, played in self._decoder.images():
                empty = False
                began = time.monotonic()
                yield Shot(image, played if self.paced else began, time.monotonic(), self._decoder.lost)
        except (av.error.FFmpegError, OSError) as error:
            raise SourceError(self._why_not(error, time.monotonic() - began)) from error
        if empty:
            raise SourceError(f"{self.name} ended before its first frame: check that it is a video stream")

    def close(self) -> None:
        """Closes the connection."""
        if self._container is not None:
            self._container.close()

    def _why_not(self, error: Exception, waited: float) -> str:
        # FFmpeg's name for a timeout; RTSP calls it invalid data, so the clock is asked too.
        if isinstance(error, av.error.ExitError) or waited >= self.timeout * 0.95:
            return f"{self.name} has sent nothing for {self.timeout:g} s: check that it is on and reachable"
        match error:
            case ConnectionRefusedError():
                why = "refused the connection: check the address, the port, and that the server runs"
            case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
                why = "wants a user and password: write them as scheme://user:password@host/path"
            case av.error.HTTPNotFoundError():
                why = "does not exist on its server: check the path"
            case av.error.ProtocolNotFoundError():
                why = "has a scheme that FFmpeg does not know: use rtsp, http, rtmp, udp or tcp"
            case av.error.InvalidDataError():
                why = "does not send a video that FFmpeg can read: check the address"
            case _:
                reason = getattr(error, "strerror", None) or type(error).__name__
                why = f"cannot be read ({reason}): check the address and the network"
        return f"{self.name} {why}"
