"""The journal (`.mcap`): everything of a run, in the order it came, whole up to half a second before a kill.

An MCAP file (https://mcap.dev/spec) with, for each source, the channels

    smplx/<source>     the wire protocol's message as it is, without its topic: MessagePack
    status/<source>    the same of events
    <source>/scene, <source>/tf, <source>/camera, <source>/image    what Foxglove shows of it (`foxglove.py`)

A message is logged at the capture of its frame, on its source's own clock: a clip plays at its own pace. Only the first
two are read again, and the pictures, each of which stands before the result it belongs to.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Any, cast

from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Camera, Frame, FrameResult, SourceEvent
from pymafx_live.core.wire import EVENT_TOPIC, TOPIC, VERSION, encode, encode_event
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import Place, Tape, foxglove
from pymafx_live.pipeline.recordings.journal_reading import EVENT, RESULT, Reading, tape_of
from pymafx_live.pipeline.writing import writing

FLUSH = 0.25
"""Seconds after which what was recorded is in the file, whatever becomes of the process."""
_CHUNK = 2**22
"""Bytes of a chunk at most."""
_KEPT = 16
"""Ends of chunks that are remembered, to go back to where the disk is full."""
_QUALITY = 85
"""Of the pictures' JPEG."""


class Journal(Output):
    """Writes a recording as it happens; the file is opened with the first result.

    A chunk ends after a quarter of a second, also while no frame comes, so that a kill loses no more. On a full disk
    the file ends where the last whole chunk does: without an index, which `pymafx-live convert` makes.
    """

    policy = Policy.BLOCK

    def __init__(self, file: Path, video: bool = False, name: str = "") -> None:
        """`video` keeps the frames too, as JPEG."""
        self.name = name or f"--record {file}"
        self.file, self._video = file, video
        self._early: list[SourceEvent] = []
        self._mcap: _Mcap | None = None
        self._cameras: dict[str, Camera] = {}
        self._clock = Clock()
        self._lock, self._over = Lock(), Event()
        self._thread = Thread(target=self._beat, name="journal", daemon=True)

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Takes a result, and what Foxglove shows of it. Raises `OutputError` where the disk is full."""
        told = list(self._told(result, frame))
        with self._lock, writing(self.file):
            if self._mcap is None:
                self._open()
            assert self._mcap is not None
            for channel, data in told:
                self._mcap.add(*channel, data, result.sequence, self._clock.of(result))
            if self._mcap.age >= FLUSH:
                self._mcap.flush()

    def tell(self, event: SourceEvent) -> None:
        """Takes an event; those before the first result wait for it."""
        if self._mcap is None:
            self._early.append(event)
            return
        with self._lock, writing(self.file):
            self._add_event(self._mcap, event)

    def close(self) -> None:
        """Writes the index."""
        self._over.set()
        if self._mcap is not None:
            self._thread.join()
            with self._lock, writing(self.file):
                self._mcap.finish()

    @property
    def size(self) -> int:
        """Bytes that are in the file."""
        return 0 if self._mcap is None else self._mcap.size

    def _told(self, result: FrameResult, frame: Frame | None) -> Iterator[tuple[tuple[str, str], bytes]]:
        """The messages of a result: schema and topic, and the content; the result itself is the last one."""
        source = result.source
        if self._cameras.get(source) != result.camera:
            self._cameras[source] = result.camera
            yield ("foxglove.CameraCalibration", f"{source}/camera"), foxglove.calibration(result)
        if self._video and frame is not None:
            yield ("foxglove.CompressedImage", f"{source}/image"), foxglove.image(result, jpeg(frame))
        yield ("foxglove.FrameTransforms", f"{source}/tf"), foxglove.transforms(result)
        yield ("foxglove.SceneUpdate", f"{source}/scene"), foxglove.scene(result)
        yield (RESULT, f"{TOPIC.decode()}{source}"), encode(result).partition(b"\0")[2]

    def _open(self) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self._mcap = _Mcap(self.file)
        self._thread.start()
        for event in self._early:
            self._add_event(self._mcap, event)

    def _add_event(self, mcap: "_Mcap", event: SourceEvent) -> None:
        topic = f"{EVENT_TOPIC.decode()}{event.source}"
        mcap.add(EVENT, topic, encode_event(event).partition(b"\0")[2], 0, self._clock.now(event))

    def _beat(self) -> None:
        while not self._over.wait(FLUSH / 2):
            with self._lock:
                assert self._mcap is not None
                if self._mcap.age >= FLUSH / 2:
                    with suppress(OSError):  # `_Mcap` raises it again to who writes next
                        self._mcap.flush()


class Clock:
    """When messages are logged, in nanoseconds since 1970: by their source's own clock."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._last: dict[str, int] = {}

    def of(self, result: FrameResult) -> int:
        """Of a result."""
        return self.at(result.source, result.time, result.captured_at)

    def at(self, source: str, time: float, captured_at: float) -> int:
        """Of a result of that source with these times."""
        began = self._began.setdefault(source, captured_at - time)
        self._last[source] = foxglove.nanos(began + time)
        return self._last[source]

    def now(self, event: SourceEvent) -> int:
        """Of an event: that of its source's last result, as the two may be told by different clocks."""
        return self._last.get(event.source, foxglove.nanos(event.at))


class _Mcap:
    """An MCAP file that is whole up to its last `flush`. All methods raise `OSError`; the first one ends the file."""

    def __init__(self, file: Path) -> None:
        from mcap.writer import CompressionType, Writer

        self._disk = _Disk(file)
        self._writer = Writer(cast(IO[bytes], self._disk), _CHUNK, CompressionType.ZSTD)
        self._error: OSError | None = None
        self._whole: deque[int] = deque(maxlen=_KEPT)
        self._channels: dict[tuple[str, str], int] = {}
        self._schemas: dict[str, int] = {}
        self._new, self._flushed = False, 0.0
        self._guarded(lambda: self._writer.start("", f"pymafx-live, wire protocol {VERSION}"))

    def add(self, schema: str, topic: str, data: bytes, sequence: int, at: int) -> None:
        """Adds a message, logged `at` so many ns, to a channel of that schema and topic."""

        def added() -> None:
            channel = self._channel(schema, topic)
            self._writer.add_message(channel, at, data, at, sequence & 0xFFFFFFFF)

        self._new = True
        self._guarded(added)

    @property
    def size(self) -> int:
        """Bytes that are in the file."""
        return self._disk.size

    @property
    def age(self) -> float:
        """Seconds since the last `flush`."""
        return time.monotonic() - self._flushed

    def flush(self) -> None:
        """Brings to the file what was added."""
        self._flushed = time.monotonic()
        if self._new:
            self._guarded(self._writer.flush)
            self._new = False
            self._whole.append(self._disk.size)

    def finish(self) -> None:
        """Writes the index and closes the file; nothing of that where it has ended before."""
        try:
            if self._error is None:
                self._guarded(self._writer.finish)
        finally:
            self._disk.close()

    def _guarded(self, step: Any) -> None:
        if self._error is not None:
            raise self._error
        try:
            step()
        except OSError as error:
            self._error = error
            self._end_early()
            raise

    def _channel(self, schema: str, topic: str) -> int:
        if (schema, topic) not in self._channels:
            ours = schema in (RESULT, EVENT)
            if schema not in self._schemas:
                encoding, content = ("", b"") if ours else ("jsonschema", foxglove.schemas()[schema])
                self._schemas[schema] = self._writer.register_schema(schema, encoding, content)
            number, told = self._schemas[schema], {"version": str(VERSION)} if ours else {}
            self._channels[schema, topic] = self._writer.register_channel(
                topic, "msgpack" if ours else "json", number, told
            )
        return self._channels[schema, topic]

    def _end_early(self) -> None:
        """Ends the file behind the last chunk that leaves room for it."""
        from mcap.data_stream import RecordBuilder
        from mcap.records import DataEnd, Footer
        from mcap.writer import MCAP0_MAGIC

        end = RecordBuilder()
        DataEnd(0).write(end)
        Footer(0, 0, 0).write(end)
        content: bytes = end.end() + MCAP0_MAGIC  # type: ignore[no-untyped-call]
        while self._whole:
            with suppress(OSError):
                self._disk.cut(self._whole.pop())
                self._disk.write(content)
                return


class _Disk:
    """A file that nothing is kept back from; `size` is how much of it was written."""

    def __init__(self, file: Path) -> None:
        self._stream = file.open("wb", buffering=0)
        self.size = 0

    def write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = self._stream.write(left)
            self.size, left = self.size + written, left[written:]

    def cut(self, size: int) -> None:
        self._stream.truncate(size)
        self._stream.seek(size)
        self.size = size

    def tell(self) -> int:
        return self.size

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._stream.close()


def jpeg(frame: Frame) -> bytes:
    """A frame's image as JPEG."""
    import cv2

    return bytes(cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1])


class Mcap:
    """The format `.mcap`."""

    def read(self, file: Path) -> Iterator[Item]:
        """See `Readable.read`."""
        return (item for _, item in Reading(file).items())

    def tape(self, file: Path) -> Tape:
        """See `Readable.tape`."""
        return tape_of(file)

    def write(self, items: Iterable[Item], file: Path, place: Place) -> list[Path]:
        """See `Format.write`."""
        journal = Journal(place(file), video=True)
        try:
            for item in items:
                if isinstance(item, SourceEvent):
                    journal.tell(item)
                else:
                    journal.write(*item)
        finally:
            journal.close()
        return [journal.file]
