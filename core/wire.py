"""The messages: a `FrameResult`, a `SourceEvent` or a `Directory` as bytes and back; docs/wire-protocol.md describes
every field.

A message is one ZeroMQ part: the topic `smplx/<source>`, `status/<source>` or `directory`, a NUL byte, and a
MessagePack map. The map of a result, as plain Python values, is a JSON line. Needs numpy and msgpack only.
"""

import dataclasses
import reprlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, TypeVar

import msgpack
import numpy as np
from pymafx_live.core.errors import LiveError
from pymafx_live.core.text import LONGEST, quiet
from pymafx_live.core.types import (
    RAW_SHAPES,
    SHAPES,
    Camera,
    CaptureOrigin,
    Directory,
    Floats,
    FrameResult,
    Listing,
    Origin,
    Part,
    Person,
    Raw,
    Smoothing,
    SourceEvent,
    SourceState,
    TrackState,
)
from pymafx_live.core.world import LEVEL, FloorOrigin, World, WorldOrigin

Kind = TypeVar("Kind", bound=StrEnum)
Value = TypeVar("Value")
VERSION = 1
CLOCK = "unix"
TOPIC = b"smplx/"
EVENT_TOPIC = b"status/"
DIRECTORY_TOPIC = b"directory\0"
LARGEST = 2**20
"""Bytes of a message: three times those of a hundred people."""
MOST_PEOPLE = 256
MOST_LISTED = 4096
"""Sources in a directory: so many take about three quarters of `LARGEST`, as names, workers and nodes usually are."""
_LONGEST_REASON = 1000
_LIMITS = {"max_array_len": 2**14, "max_map_len": 2**8, "max_str_len": 2**12, "max_bin_len": 2**16, "max_ext_len": 2**8}
"""What MessagePack may hold: it is refused before anything of that size is made."""
_MOST_LISTS = 2**16
"""Lists and maps in a message: one byte of it can ask for an empty one, which takes a hundred."""
ALL_JOINTS = 55


class UnknownVersionError(LiveError):
    """A message of another version of the protocol."""


class MalformedMessageError(LiveError):
    """Bytes that are not a message of this protocol."""


def topic(source: str, kind: bytes = TOPIC) -> bytes:
    """What to subscribe to for one source: with the NUL byte, `cam1` does not match `cam10`."""
    return kind + source.encode() + b"\0"


def encode(result: FrameResult, joints: int = ALL_JOINTS) -> bytes:
    """The message of a result, with so many of each person's joints at most.

    Parameters go as float 32, as they are held; times as float 64.
    """
    content = to_map(result, joints=joints)
    people = content.pop("people")
    pack = msgpack.Packer().pack
    fields = [pack(name) + pack(value) for name, value in content.items()]
    fields += [pack("people"), msgpack.Packer().pack_array_header(len(people)), *map(_packed_person, people)]
    header: bytes = msgpack.Packer().pack_map_header(len(content) + 1)
    return b"".join([topic(result.source), header, *fields])


def _packed_person(content: dict[str, Any]) -> bytes:
    """A person as MessagePack, numbers as float 32, but for those of the parts, of which some are times."""
    packer = msgpack.Packer(use_single_float=True, autoreset=False)
    packer.pack_map_header(len(content))
    before = b""
    for name, value in content.items():
        packer.pack(name)
        if name == "parts":
            before = packer.bytes() + msgpack.packb(value)
            packer.reset()
        else:
            packer.pack(value)
    return before + bytes(packer.bytes())


def decode(message: bytes) -> FrameResult:
    """The result that a message holds.

    Raises:
        UnknownVersionError: the message is of another version.
        MalformedMessageError: the bytes are not such a message.
    """
    return from_map(_unpack(message, TOPIC))


def encode_event(event: SourceEvent) -> bytes:
    """The message of an event."""
    content = {
        "version": VERSION,
        "source": event.source,
        "clock": CLOCK,
        "at": event.at,
        "state": str(event.state),
        "reason": event.reason[:_LONGEST_REASON],
    }
    if event.reduced:
        content["reduced"] = dict(event.reduced)
    body: bytes = msgpack.packb(content)
    return topic(event.source, EVENT_TOPIC) + body


def decode_event(message: bytes) -> SourceEvent:
    """The event that a message holds; raises as `decode` does."""
    content = _unpack(message, EVENT_TOPIC)
    _check_version(content)
    with _fields_expected():
        return SourceEvent(
            source=_name(content["source"]),
            state=_known(SourceState, content["state"]),
            at=float(content["at"]),
            reason=_text(content["reason"]),
            reduced={_text(name): _whole(value) for name, value in content.get("reduced", {}).items()},
        )


def encode_directory(directory: Directory) -> bytes:
    """The message of a directory; what it cannot hold is left out, and counted in `total`."""
    content = directory_to_map(directory)
    listed, room = [], LARGEST - 256
    for listing in content.pop("sources")[:MOST_LISTED]:
        packed: bytes = msgpack.packb(listing)
        if len(packed) > room:
            break
        listed.append(packed)
        room -= len(packed)
    pack = msgpack.Packer().pack
    fields = [pack(name) + pack(value) for name, value in content.items()]
    header: bytes = msgpack.Packer().pack_map_header(len(content) + 1)
    start = [DIRECTORY_TOPIC, header, *fields, pack("sources"), msgpack.Packer().pack_array_header(len(listed))]
    return b"".join(start + listed)


def decode_directory(message: bytes) -> Directory:
    """The directory that a message holds; raises as `decode` does."""
    content = _unpack(message, DIRECTORY_TOPIC[:-1])
    _check_version(content)
    with _fields_expected():
        sources = tuple(_listing(listing) for listing in content["sources"])
        return Directory(float(content["at"]), sources, _whole(content["total"]))


def directory_to_map(directory: Directory) -> dict[str, Any]:
    """The directory as plain values; what nobody knows is not there."""
    shown = [{name: getattr(listing, name) for name in _LISTING} for listing in directory.sources]
    for listing in shown:
        listing |= {"state": str(listing["state"]), "reason": listing["reason"][:_LONGEST_REASON]}
    known = [{name: value for name, value in listing.items() if value is not None} for listing in shown]
    return {"version": VERSION, "clock": CLOCK, "at": directory.at, "total": directory.total, "sources": known}


_LISTING = [field.name for field in dataclasses.fields(Listing)]


def _listing(content: Mapping[str, Any]) -> Listing:
    def known(name: str, kind: Callable[[Any], Value]) -> Value | None:
        return kind(content[name]) if name in content else None

    return Listing(
        source=_name(content["source"]),
        state=_known(SourceState, content["state"]),
        reason=_text(content["reason"]),
        worker=_text(content["worker"]),
        node=_text(content["node"]),
        run_id=known("run_id", _text),
        sequence=known("sequence", _whole),
        fps=known("fps", float),
        age=known("age", float),
        dropped=known("dropped", float),
        people=known("people", _whole),
    )


def to_map(result: FrameResult, decimals: int | None = None, joints: int = ALL_JOINTS) -> dict[str, Any]:
    """The result as plain values: maps, lists, strings and numbers; people's numbers rounded to `decimals`.

    `joints` is how many of each person's joints go with it, at most.
    """
    camera = result.camera
    content = {
        "version": VERSION,
        "source": result.source,
        "frame_id": camera.frame_id or result.source,
        "sequence": result.sequence,
        "run_id": result.run_id,
        "clock": CLOCK,
        "time": result.time,
        "captured_at": result.captured_at,
        "published_at": result.published_at,
        "capture_origin": str(result.capture_origin),
        "dropped": result.dropped,
        "camera": {
            "width": camera.width, "height": camera.height,
            "fx": camera.fx, "fy": camera.fy, "cx": camera.cx, "cy": camera.cy,
            "assumed": camera.assumed, "distortion": list(camera.distortion),
        },
        "world": {
            "rotation": result.world.rotation.ravel().tolist(), "translation": result.world.translation.tolist(),
            "origin": str(result.world.origin), "floor": str(result.world.floor),
        },
        "stages": dict(result.stages),
        "people": [_person_to_map(person, decimals, joints) for person in result.people],
    }  # fmt: skip
    if result.smoothing is not None:
        content["smoothing"] = {"preset": result.smoothing.preset, "lag": result.smoothing.lag}
    if result.ttl:
        content["ttl"] = result.ttl
    if result.nominal_fps:
        content["nominal_fps"] = result.nominal_fps
    if result.final:
        content["final"] = True
    return content


def from_map(content: Any) -> FrameResult:
    """The result of such a map; raises as `decode` does. Fields that it does not know are left aside."""
    _check_version(content)
    with _fields_expected():
        return FrameResult(
            source=_name(content["source"]),
            sequence=_whole(content["sequence"]),
            run_id=_text(content["run_id"]),
            time=float(content["time"]),
            captured_at=float(content["captured_at"]),
            published_at=float(content["published_at"]),
            camera=_camera(content["camera"], content.get("frame_id"), content["source"]),
            people=tuple(_person(person) for person in _few(content["people"])),
            stages={_text(name): float(seconds) for name, seconds in content["stages"].items()},
            dropped=_whole(content["dropped"]),
            capture_origin=_known(CaptureOrigin, content.get("capture_origin", CaptureOrigin.ARRIVAL)),
            smoothing=_smoothing(content.get("smoothing")),
            ttl=float(content.get("ttl", 0)),
            nominal_fps=float(content.get("nominal_fps", 0)),
            final=bool(content.get("final", False)),
            world=_world(content["world"]) if "world" in content else LEVEL,
        )


def _unpack(message: bytes, kind: bytes) -> Any:
    """The content of a message on a topic of that kind."""
    if len(message) > LARGEST:
        raise MalformedMessageError(f"a message has {len(message)} bytes, and none of ours has more than {LARGEST}")
    head, separator, body = message.partition(b"\0")
    if not separator or not head.startswith(kind):
        raise MalformedMessageError(
            f"a message does not begin with the topic {kind.decode()}{'<source>' * kind.endswith(b'/')}: "
            "is another program publishing there?"
        )
    try:
        return msgpack.unpackb(body, list_hook=(count := _Count()), object_hook=count, **_LIMITS)
    except (ValueError, RecursionError) as error:
        name = quiet(head.decode(errors="replace"), LONGEST)
        raise MalformedMessageError(
            f"the message on {name} is not MessagePack, or too large: it is cut short or damaged"
        ) from error


def _check_version(content: Any) -> None:
    version = content.get("version") if isinstance(content, Mapping) else None
    if version is None:
        raise MalformedMessageError("a message has no version: it is not one of pymafx-live")
    if version != VERSION:
        raise UnknownVersionError(
            f"a message is of version {_shown(version)} and this program reads version {VERSION}: "
            "use the same release of pymafx-live at both ends"
        )


@contextmanager
def _fields_expected() -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise MalformedMessageError(
            f"a message of version {VERSION} lacks a field or has one of another kind ({quiet(str(error), LONGEST)}): "
            "see docs/wire-protocol.md"
        ) from error


def _person_to_map(person: Person, decimals: int | None, joints: int) -> dict[str, Any]:
    def plain(values: Floats | np.float32) -> Any:
        return (values if decimals is None else values.astype(np.float64).round(decimals)).tolist()

    content = {
        "id": person.id,
        "state": str(person.state),
        "box": plain(person.box),
        "score": plain(np.float32(person.score)),
        "engine": person.engine,
        **{name: plain(getattr(person, name)) for name in SHAPES},
        "pelvis": plain(person.pelvis),
        "parts": {
            name: {"confidence": plain(np.float32(part.confidence)), "origin": str(part.origin)}
            | ({} if part.measured_at is None else {"measured_at": part.measured_at})
            for name, part in person.parts.items()
        },
        "size_assumed": person.size_assumed,
        "extra": {name: plain(values) for name, values in person.extra.items()},
    }
    absent_or = {
        "joints": person.joints[:joints],
        "velocity": person.velocity,
        "pelvis_covariance": None if person.pelvis_covariance is None else person.pelvis_covariance.ravel(),
        "contact": person.contact,
    }
    content |= {name: plain(values) for name, values in absent_or.items() if values is not None and len(values)}
    if person.raw is not None:
        content["raw"] = {name: plain(getattr(person.raw, name)) for name in RAW_SHAPES}
    return content


def _person(content: Mapping[str, Any]) -> Person:
    return Person(
        id=_whole(content["id"]),
        state=_known(TrackState, content["state"]),
        box=_floats(content["box"], 4),
        score=float(content["score"]),
        engine=_text(content["engine"]),
        parts={
            _text(name): Part(float(part["confidence"]), _known(Origin, part["origin"]), _time(part.get("measured_at")))
            for name, part in content["parts"].items()
        },
        **{name: _floats(content[name], length) for name, length in SHAPES.items()},
        pelvis=_floats(content["pelvis"], 3),
        joints=_points(content.get("joints", ())),
        velocity=_floats(content["velocity"], 3) if "velocity" in content else None,
        pelvis_covariance=_covariance(content),
        raw=_raw(content.get("raw")),
        size_assumed=bool(content.get("size_assumed", True)),
        contact=_floats(content["contact"], 2) if "contact" in content else None,
        extra={_text(name): np.array(values, np.float32) for name, values in content["extra"].items()},
    )


def _covariance(content: Mapping[str, Any]) -> Floats | None:
    return _floats(content["pelvis_covariance"], 9).reshape(3, 3) if "pelvis_covariance" in content else None


def _raw(content: Mapping[str, Any] | None) -> Raw | None:
    if content is None:
        return None
    return Raw(**{name: _floats(content[name], length) for name, length in RAW_SHAPES.items()})


def _smoothing(content: Mapping[str, Any] | None) -> Smoothing | None:
    return None if content is None else Smoothing(_text(content["preset"]), float(content["lag"]))


def _time(value: Any) -> float | None:
    return None if value is None else float(value)


def _camera(content: Mapping[str, Any], frame_id: Any, source: str) -> Camera:
    return Camera(
        width=_whole(content["width"]),
        height=_whole(content["height"]),
        fx=float(content["fx"]),
        fy=float(content["fy"]),
        cx=float(content["cx"]),
        cy=float(content["cy"]),
        assumed=bool(content["assumed"]),
        distortion=tuple(float(value) for value in content["distortion"]),
        frame_id="" if frame_id in (None, source) else _text(frame_id),
    )


def _world(content: Mapping[str, Any]) -> World:
    return World(
        rotation=_floats(content["rotation"], 9).reshape(3, 3),
        translation=_floats(content["translation"], 3),
        origin=_known(WorldOrigin, content["origin"]),
        floor=_known(FloorOrigin, content["floor"]),
    )


def _floats(values: Any, length: int) -> Floats:
    array = np.array(values, np.float32)
    if array.shape != (length,):
        raise ValueError(f"{length} numbers expected, not shape {array.shape}")
    return array


def _points(values: Any) -> Floats:
    array = np.array(values, np.float32).reshape(-1, 3)
    if len(array) != len(values):
        raise ValueError(f"points of three numbers expected, not {len(values)} of {array.size} numbers")
    return array


def _known(kind: type[Kind], value: Any) -> Kind | str:
    """A member of the enumeration, or the text itself: a later release may know more members."""
    text = _text(value)
    return kind(text) if text in kind.__members__.values() else text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text expected, not {_shown(value)}")
    value.encode()  # half of a character, which JSON can hold, raises a ValueError
    return value


def _name(value: Any) -> str:
    """A source's name, which can be a topic."""
    if "\0" in _text(value):
        raise ValueError("a NUL character, which ends a topic")
    return str(value)


def _whole(value: Any) -> int:
    """A whole number that MessagePack can hold."""
    number = int(value)
    if not -(2**63) <= number < 2**64:
        raise ValueError("a whole number of more than 64 bits")
    return number


class _Count:
    """Is shown every list and map as it is made."""

    def __init__(self) -> None:
        self._left = _MOST_LISTS

    def __call__(self, made: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many lists")
        return made


def _few(people: Any) -> Any:
    if len(people) > MOST_PEOPLE:
        raise ValueError(f"{len(people)} people")
    return people


def _shown(value: Any) -> str:
    """A value of any size and kind as a sentence can repeat it."""
    return reprlib.repr(value)
