"""Network streams: RTSP, HTTP, RTMP, UDP and whatever else FFmpeg receives."""

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import av
from av.packet import Packet
from av.video.stream import VideoStream
from pymafx_live.configs.schema import SourceSettings
from pymafx_live.core.addresses import escaped, masked
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.core.types import CaptureOrigin
from pymafx_live.pipeline.sources.clocks import Backlog, CaptureClock, SteadyTime
from pymafx_live.pipeline.sources.complaints import DISTRUST, Complaints
from pymafx_live.pipeline.sources.decoding import Decoder, Picture
from pymafx_live.pipeline.sources.hwaccel import NOT_DECODED, NotDecodedError, accelerator
from pymafx_live.pipeline.sources.reader import RefusedError, Shot
from pymafx_live.pipeline.sources.redirects import MOST, TooManyRedirectsError, followed

if TYPE_CHECKING:
    from av.codec.hwaccel import HWAccel

_PROBE = 1.0
"""Seconds of video that FFmpeg looks at, at most, before it gives the first frame out."""
_SETTLING = 0.5
"""Seconds in which all that FFmpeg has kept meanwhile is read."""
_BLOCKED = 0.005
"""Seconds: a packet that was waited for longer had not been there before."""
_CLOCKED = frozenset(
    {"rtsp", "rtp", "sdp", "mpegts", "flv", "live_flv", "matroska", "webm", "mov", "mp4", "asf", "nut"}
)
"""Formats whose times are the sender's; FFmpeg makes up those of others, such as of MJPEG."""
_HELD_BACK = frozenset({"rtsp", "rtp", "sdp", "mpegts"})
"""Formats of which FFmpeg gives out a packet of these codings when the next one has begun: it looks for its end."""
_PARSED = frozenset({"h264", "hevc"})
_BURSTS = frozenset({"hls", "dash"})
"""Formats that come in pieces of seconds."""
_PLAIN = {
    "rtsp": "an rtsps:// address", "rtmp": "an rtmps:// address",
    "udp": "an encrypted stream", "rtp": "an encrypted stream", "tcp": "an encrypted stream",
}  # fmt: skip
"""Schemes that know no certificates, and what to give instead; http:// may redirect to https://."""
_TRANSPORTS = {
    "tcp": {"rtsp_transport": "tcp"},
    "udp": {"rtsp_transport": "udp"},
    "auto": {"rtsp_flags": "prefer_tcp"},
}


class StreamReader:
    """Receives one stream. A recording that is served, and what comes in bursts, plays at its own pace.

    With the transport `auto`, RTSP goes over TCP where the camera knows it, because a lost UDP packet damages every
    frame up to the next key frame.
    """

    live = True
    count = 0
    nominal_fps = 0.0
    size: tuple[int, int] | None = None

    def __init__(
        self,
        url: str,
        name: str = "",
        *,
        timeout: float,
        transport: str = "auto",
        hwaccel: "HWAccel | None" = None,
        ca_file: str = "",
    ) -> None:
        self.name = name or masked(url)
        self.paced, self.endless = False, True
        self.timeout = timeout
        self._url, self._transport, self._hwaccel = escaped(url), transport, hwaccel
        self._ca_file = Path(ca_file).expanduser() if ca_file else None
        self.files: Sequence[Path] = (self._ca_file,) if self._ca_file else ()
        self._distrusted = [False]
        self._container: av.container.InputContainer | None = None
        self._decoder: Decoder | None = None
        self._clock: CaptureClock | None = None
        self._backlog = Backlog()
        self._waited, self._settled, self._began = 0.0, False, 0.0
        self._held_back, self._arrived = False, 0.0
        self._stamp: float | None = None

    @classmethod
    def of(cls, settings: SourceSettings) -> Self:
        """See `Reader.of`."""
        if settings.ca_file and not Path(settings.ca_file).expanduser().is_file():
            raise UsageError(f"there is no file of certificates {settings.ca_file}: check --ca-file")
        scheme = settings.uri.partition("://")[0].lower()
        if settings.ca_file and scheme in _PLAIN:
            raise UsageError(
                f"{masked(settings.uri)} is not encrypted, so that --ca-file cannot say whose it is: "
                f"give {_PLAIN[scheme]}"
            )
        return cls(
            settings.uri, settings.name, timeout=settings.timeout, transport=settings.rtsp_transport,
            hwaccel=accelerator(settings.hwaccel), ca_file=settings.ca_file,
        )  # fmt: skip

    def open(self) -> None:
        """Raises `SourceError` for a stream that refuses, does not answer in time, or carries no video."""
        options = {"analyzeduration": str(round(_PROBE * 1e6)), "fpsprobesize": "0"}
        if self._url.startswith("rtsp"):
            options |= _TRANSPORTS[self._transport]
            options["probesize"] = "32"  # the description says what comes: FFmpeg needs no more than a packet
        options["tls_verify"] = "1" if self._ca_file else "0"  # FFmpeg 9 would verify, and trust whom it likes
        if self._ca_file:
            options["ca_file"] = str(self._ca_file)
        began = time.monotonic()
        try:
            url = followed(self._url, self.timeout)
            left = max(self.timeout - (time.monotonic() - began), 0.1)
            with Complaints().heard(DISTRUST) as self._distrusted:
                self._container = av.open(url, options=options, timeout=(left, self.timeout), hwaccel=self._hwaccel)
        except NotDecodedError as error:
            raise RefusedError(f"{self.name} {NOT_DECODED}") from error
        except TooManyRedirectsError:
            raise RefusedError(f"{self.name} redirects more than {MOST} times: check the address") from None
        except (av.error.FFmpegError, OSError) as error:
            raise self._why_not(error, time.monotonic() - began) from error
        if not self._container.streams.video:
            raise RefusedError(f"{self.name} carries no video: check the address")
        self._decoder = Decoder(self._container, self.name, strict=True, heed=self._note)
        self._decoder.tell_device(self._hwaccel)
        self.nominal_fps, self.size = self._decoder.nominal_fps, self._decoder.size
        kinds = set(self._container.format.name.split(","))
        self.endless = not self._container.duration
        self.paced = not self.endless or bool(kinds & _BURSTS)
        self._clock = CaptureClock() if kinds & _CLOCKED and not self.paced else None
        self._held_back = bool(kinds & _HELD_BACK) and self._decoder.coding in _PARSED
        self._began = time.monotonic()

    def shots(self) -> Iterator[Shot]:
        """Raises `SourceError` where the connection breaks or falls silent."""
        decoder = self._decoder
        assert decoder is not None
        empty, skipped, steady = True, 0, SteadyTime()
        began = time.monotonic()
        try:
            for picture in decoder.pictures():
                captured, origin = self._captured(picture)
                began = time.monotonic()
                if self._too_late(picture, began - captured, began):
                    skipped += not empty
                    continue
                empty = False
                stamp = picture.time
                if not self.paced:
                    stamp = captured if self._clock is None else steady.at(picture.time, captured)
                lost = decoder.lost + skipped
                yield Shot(decoder.image(picture), stamp, captured, lost, origin=origin, waited=self._waited)
                self._waited = 0.0
        except (av.error.FFmpegError, OSError) as error:
            raise self._why_not(error, time.monotonic() - began) from error
        if empty:
            raise SourceError(f"{self.name} ended before its first frame: check that it is a video stream")

    def close(self) -> None:
        """Closes the connection."""
        if self._container is not None:
            self._container.close()
        self._container = self._decoder = None  # the decoder knows this reader, and would live on with its pictures

    def _note(self, packet: "Packet[VideoStream]", waited: float) -> None:
        self._waited += waited
        self._settled |= waited > _BLOCKED
        now = time.monotonic()
        came = self._arrived if self._held_back else now  # the beginning of this packet let go of the one before
        self._arrived = now
        if self._clock is not None and packet.pts is not None and packet.time_base:
            self._clock.note(float(packet.pts * packet.time_base), came or now, _sent(packet))

    def _captured(self, picture: Picture) -> tuple[float, CaptureOrigin]:
        if not self.endless:
            return time.monotonic(), CaptureOrigin.FILE
        stamp = (
            self._stamp if picture.stamp is None else picture.stamp
        )  # one that has none is not younger than the last
        if self._clock is None or stamp is None:
            return time.monotonic(), CaptureOrigin.ARRIVAL
        self._stamp = stamp
        return self._clock.captured(stamp)

    def _too_late(self, picture: Picture, age: float, now: float) -> bool:
        """Whether newer frames wait: at the beginning FFmpeg has kept what it looked at, whose age nobody knows."""
        if self.paced:
            return False
        if not self._settled and picture.time < _PROBE and now - self._began < _SETTLING:
            return True
        return self._backlog.skips(age, now)

    def _why_not(self, error: Exception, waited: float) -> SourceError:
        # FFmpeg's name for a timeout; RTSP calls it invalid data, so the clock is asked too.
        if isinstance(error, av.error.ExitError | TimeoutError) or waited >= self.timeout * 0.95:
            return SourceError(
                f"{self.name} has sent nothing for {self.timeout:g} s: check that it is on and reachable"
            )
        kind = SourceError
        if self._ca_file and any(self._distrusted):
            return RefusedError(
                f"{self.name} has a certificate that {self._ca_file} does not vouch for: it is another server, or "
                "--ca-file needs that certificate"
            )
        match error:
            case ConnectionRefusedError():
                why = "refused the connection: check the address, the port, and that the server runs"
            case av.error.HTTPUnauthorizedError() | av.error.HTTPForbiddenError():
                kind, why = RefusedError, "wants a user and password: write them as scheme://user:password@host/path"
            case av.error.HTTPNotFoundError():
                kind, why = RefusedError, "does not exist on its server: check the path"
            case av.error.ProtocolNotFoundError():
                kind = RefusedError
                why = (
                    "has a scheme that this FFmpeg does not know: use rtsp(s), http(s), rtmp(s), udp or tcp "
                    "(PyAV's wheels come without SRT)"
                )
            case av.error.InvalidDataError():
                kind = SourceError if self._url.startswith("rtsp") else RefusedError  # a camera that is just starting
                why = "does not send a video that FFmpeg can read: check the address"
            case _:
                reason = getattr(error, "strerror", None) or type(error).__name__
                why = f"cannot be read ({reason}): check the address and the network"
        return kind(f"{self.name} {why}")


def _sent(packet: "Packet[VideoStream]") -> float | None:
    """The Unix seconds at which a packet was taken by its sender's clock, if it tells.

    FFmpeg's `AVProducerReferenceTime`, which begins with 64 bits of microseconds.
    """
    if not packet.has_sidedata("prft"):
        return None
    content = bytes(packet.get_sidedata("prft"))
    return int.from_bytes(content[:8], sys.byteorder, signed=True) / 1e6
