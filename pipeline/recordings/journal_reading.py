"""Reads a journal (`journal.py`): in the order it was written in, or from anywhere in it."""

import logging
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pymafx_live.core.errors import LiveError, SourceError, first_line
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.core.wire import MalformedMessageError, UnknownVersionError, decode, decode_event
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings import foxglove
from pymafx_live.pipeline.recordings.tapes import Mark, MarkedTape, mark

if TYPE_CHECKING:
    from mcap.records import Chunk, McapRecord, Message

RESULT, EVENT = "pymafx_live.FrameResult", "pymafx_live.SourceEvent"
"""The schemas of what is read."""
_LARGEST = 2**28
"""Bytes of a record that is read: what claims to be larger is damaged."""
_HEAD = struct.Struct("<BQ")
"""Of an MCAP record: its kind, and the bytes that follow."""
_CHUNK, _INDEX = 0x06, 0x07
_MAGIC = 8

logger = logging.getLogger(__name__)


class Reading:
    """One pass through a file, in the order it was written in, so that the end may be missing.

    `begin` is the place of a chunk to begin at; `known` has read what stands before it.
    """

    def __init__(self, file: Path, begin: int = 0, known: "Reading | None" = None) -> None:
        self._file, self._begin = file, begin
        self._topics: dict[int, tuple[str, str]] = {} if known is None else known._topics
        self._schemas: dict[int, str] = {} if known is None else known._schemas
        self._jpegs: dict[str, tuple[int, bytes]] = {}

    def items(self) -> Iterator[tuple[int, Item]]:
        """What is in it, and when each was logged (ns). Raises `SourceError` where there is nothing of ours."""
        found = False
        for record in self._records():
            for item in self._items_of(record):
                found = True
                yield cast("Message", record).log_time, item
        if not found and not self._begin:
            raise SourceError(f"{self._file} holds nothing that --record writes: it ended too early, or is not of ours")

    def learn(self, place: int) -> None:
        """Takes in what the channels that the chunk at that place describes are called."""
        from mcap.records import Chunk
        from mcap.stream_reader import StreamReader, breakup_chunk

        with suppress(Exception), self._file.open("rb") as stream:  # who reads it says that it is damaged
            stream.seek(place)
            records = StreamReader(stream, skip_magic=True, emit_chunks=True, record_size_limit=_LARGEST).records
            if isinstance(chunk := next(records), Chunk) and chunk.uncompressed_size <= _LARGEST:
                for record in breakup_chunk(chunk, validate_crc=True):
                    self._note(record)

    def _note(self, record: "McapRecord") -> None:
        """Takes in what a schema or a channel is called."""
        from mcap.records import Channel, Schema

        if isinstance(record, Schema):
            self._schemas[record.id] = record.name
        elif isinstance(record, Channel):
            self._topics[record.id] = self._schemas.get(record.schema_id, ""), record.topic

    def _records(self) -> Iterator["McapRecord"]:
        """All records until the file ends; of a chunk that is damaged none."""
        from mcap.exceptions import EndOfFile
        from mcap.records import Chunk
        from mcap.stream_reader import StreamReader

        try:
            with self._file.open("rb") as stream:
                self._check(stream.peek(8)[:8])
                stream.seek(self._begin)
                reader = StreamReader(stream, bool(self._begin), emit_chunks=True, record_size_limit=_LARGEST)
                for record in reader.records:
                    if isinstance(record, Chunk):
                        yield from self._inside(record)
                    else:
                        yield record
        except EndOfFile:
            logger.warning("%s has no end, as a killed run leaves it: read as far as it goes", self._file)
        except LiveError:
            raise
        except OSError as error:
            raise SourceError(f"cannot read {self._file} ({error.strerror}): check the path") from error
        except Exception as error:
            logger.warning("%s is cut short or damaged (%s): read up to there", self._file, first_line(error))

    def _inside(self, chunk: "Chunk") -> list["McapRecord"]:
        """The records of a chunk, none where it is damaged."""
        from mcap.stream_reader import breakup_chunk

        try:
            if chunk.uncompressed_size > _LARGEST:
                raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes")
            return breakup_chunk(chunk, validate_crc=True)
        except Exception as error:  # of bytes that mean nothing, by whichever library
            logger.warning("a part of %s is damaged and left out: %s", self._file, first_line(error))
            return []

    def _check(self, beginning: bytes) -> None:
        from mcap.writer import MCAP0_MAGIC

        if not beginning:
            raise SourceError(f"{self._file} is empty: give a recording that has begun")
        if beginning != MCAP0_MAGIC:
            raise SourceError(f"{self._file} is no MCAP file: give one that --record has written")

    def _items_of(self, record: "McapRecord") -> Iterator[Item]:
        from mcap.records import Message

        self._note(record)
        if isinstance(record, Message) and record.channel_id in self._topics:
            schema, topic = self._topics[record.channel_id]
            try:
                if schema == RESULT:
                    result = decode(topic.encode() + b"\0" + record.data)
                    yield result, self._frame(result)
                elif schema == EVENT:
                    yield decode_event(topic.encode() + b"\0" + record.data)
                elif schema == "foxglove.CompressedImage":
                    self._jpegs[topic.removesuffix("/image")] = record.sequence, foxglove.image_of(record.data)
            except UnknownVersionError:
                raise
            except (MalformedMessageError, ValueError) as error:
                raise SourceError(f"{self._file} is damaged, or not of ours: {first_line(error)}") from error

    def _frame(self, result: FrameResult) -> Frame | None:
        """The picture that was recorded with a result."""
        number, content = self._jpegs.pop(result.source, (-1, b""))
        if result.final or number != result.sequence & 0xFFFFFFFF:
            return None
        import cv2
        import numpy as np

        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            return None
        return Frame(
            np.asarray(image, np.uint8), result.source, result.sequence, result.time, result.captured_at, result.camera,
            result.dropped,
        )  # fmt: skip


def tape_of(file: Path) -> MarkedTape:
    """A journal, also one without an index: its records are gone through by their heads.

    What a channel is called stands in the chunk that first uses it. Only those are opened, by what follows each chunk,
    and those of which nothing tells what is in them.
    """
    known, marks, seen = Reading(file), list[Mark](), set[int]()
    chunk, untold = 0, False
    for kind, place, head in _heads(file):
        if kind == _CHUNK:
            if untold:
                known.learn(chunk)
            chunk, untold = place, True
            mark(marks, struct.unpack_from("<8xQ", head)[0], place)
        elif kind == _INDEX and chunk:
            untold = False
            (channel,) = struct.unpack_from("<H", head)
            if channel not in seen:
                seen.add(channel)
                known.learn(chunk)
    return MarkedTape(marks, lambda place: Reading(file, place, known if place else None).items())


def _heads(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Of each whole record its kind, its place in the file, and the first 16 bytes of it."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        place = _MAGIC
        while place + _HEAD.size <= size:
            stream.seek(place)
            kind, length = _HEAD.unpack(stream.read(_HEAD.size))
            if place + _HEAD.size + length > size:
                return
            yield kind, place, stream.read(16).ljust(16, b"\0")
            place += _HEAD.size + length
