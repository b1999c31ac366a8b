import tracemalloc
from dataclasses import fields
from pathlib import Path

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pymafx_live.core.names import BLENDSHAPES, KEYPOINTS
from pymafx_live.core.types import (
    PARTS,
    RAW_SHAPES,
    SHAPES,
    Camera,
    CaptureOrigin,
    Directory,
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
from pymafx_live.core.wire import (
    DIRECTORY_TOPIC,
    LARGEST,
    MalformedMessageError,
    UnknownVersionError,
    decode,
    decode_directory,
    decode_event,
    directory_to_map,
    encode,
    encode_directory,
    encode_event,
    from_map,
    to_map,
)
from pymafx_live.core.world import FloorOrigin, World, WorldOrigin

PAGE = Path(__file__).parents[2] / "docs" / "wire-protocol.md"

NUMBER = st.floats(-1e6, 1e6)
FLOAT32 = st.floats(-1e6, 1e6, width=32)
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=20)


def vector(*shape: int) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, shape, elements=FLOAT32)


PERSON = st.builds(
    Person,
    id=st.integers(0, 2**53),
    state=st.sampled_from(TrackState),
    box=vector(4),
    score=FLOAT32,
    engine=TEXT,
    parts=st.dictionaries(
        st.sampled_from(PARTS), st.builds(Part, FLOAT32, st.sampled_from(Origin), st.none() | st.floats(1e9, 4e9))
    ),
    pelvis=vector(3),
    joints=st.sampled_from([0, 22, 55]).flatmap(lambda count: vector(count, 3)),
    velocity=st.none() | vector(3),
    pelvis_covariance=st.none() | vector(3, 3),
    size_assumed=st.booleans(),
    contact=st.none() | vector(2),
    raw=st.none() | st.builds(Raw, **{name: vector(length) for name, length in RAW_SHAPES.items()}),
    extra=st.fixed_dictionaries(
        {}, optional={"blendshapes": vector(52), "keypoints": vector(33, 3), "bones": vector(55)}
    ),
    **{name: vector(length) for name, length in SHAPES.items()},
)
CAMERA = st.builds(
    Camera, st.integers(1, 9999), st.integers(1, 9999), NUMBER, NUMBER, NUMBER, NUMBER, st.booleans(),
    st.lists(NUMBER, max_size=8).map(tuple), st.sampled_from(["", "the frame of the camera at the door"]),
)  # fmt: skip
RESULT = st.builds(
    FrameResult,
    source=TEXT, sequence=st.integers(0, 2**53), run_id=TEXT, time=NUMBER, captured_at=NUMBER,
    published_at=NUMBER, camera=CAMERA, people=st.lists(PERSON, max_size=2).map(tuple),
    stages=st.dictionaries(TEXT, NUMBER, max_size=4), dropped=st.integers(0, 2**53),
    capture_origin=st.sampled_from(CaptureOrigin),
    final=st.booleans(),
    ttl=st.just(0.0) | st.floats(1e-3, 1e6),
    nominal_fps=st.just(0.0) | st.floats(1e-3, 1000),
    world=st.builds(World, vector(3, 3), vector(3), st.sampled_from(WorldOrigin), st.sampled_from(FloorOrigin)),
    smoothing=st.none() | st.builds(Smoothing, TEXT, st.floats(0, 10)),
)  # fmt: skip


def assert_same(one: object, other: object) -> None:
    """Field by field, bit for bit."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "people":
            assert len(a) == len(b)
            for person, again in zip(a, b, strict=True):
                assert_same(person, again)
        elif field.name in ("world", "raw") and a is not None:
            assert_same(a, b)
        elif field.name == "extra":
            assert a.keys() == b.keys()
            for name in a:
                np.testing.assert_array_equal(a[name], b[name], strict=True)
        elif isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, strict=True)
        else:
            assert a == b, field.name


@settings(deadline=None)
@given(RESULT)
def test_what_is_sent_arrives_bit_for_bit(result):
    assert_same(result, decode(encode(result)))
    assert_same(result, from_map(to_map(result)))


@settings(deadline=None, max_examples=30)
@given(RESULT, st.data())
def test_a_message_that_is_cut_short_is_malformed(result, data):
    message = encode(result)
    end = data.draw(st.integers(0, len(message) - 1))
    with pytest.raises(MalformedMessageError):
        decode(message[:end])


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_can_raise_anything_else(body):
    for message in (body, b"smplx/cam\0" + body):
        with pytest.raises((MalformedMessageError, UnknownVersionError)):
            decode(message)
        with pytest.raises((MalformedMessageError, UnknownVersionError)):
            decode_event(message.replace(b"smplx/", b"status/", 1))
        with pytest.raises((MalformedMessageError, UnknownVersionError)):
            decode_directory(message.replace(b"smplx/cam", b"directory", 1))


EVENT = st.builds(SourceEvent, source=TEXT, state=st.sampled_from(SourceState) | TEXT, at=NUMBER, reason=TEXT)


@settings(deadline=None)
@given(EVENT)
def test_an_event_that_is_sent_arrives(event):
    assert decode_event(encode_event(event)) == event
    assert isinstance(decode_event(encode_event(event)).state, type(event.state)) or event.state in list(SourceState)


@settings(deadline=None, max_examples=30)
@given(EVENT, st.data())
def test_an_event_that_is_damaged_is_malformed(event, data):
    message = encode_event(event)
    with pytest.raises(MalformedMessageError):
        decode_event(message[: data.draw(st.integers(0, len(message) - 1))])
    head, body = message.split(b"\0", 1)
    content = msgpack.unpackb(body)
    del content[data.draw(st.sampled_from(["version", "source", "at", "state", "reason"]))]
    with pytest.raises(MalformedMessageError):
        decode_event(head + b"\0" + msgpack.packb(content))


JUNK = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(-9, 9), max_size=3)
LISTING = st.builds(
    Listing, source=TEXT, state=st.sampled_from(SourceState) | TEXT, reason=TEXT, worker=TEXT, node=TEXT,
    run_id=st.none() | TEXT, sequence=st.none() | st.integers(0, 2**53), fps=st.none() | NUMBER, age=st.none() | NUMBER,
    dropped=st.none() | NUMBER, people=st.none() | st.integers(0, 256),
)  # fmt: skip
DIRECTORY = st.builds(
    Directory, at=NUMBER, sources=st.lists(LISTING, min_size=1, max_size=4).map(tuple), total=st.integers(0, 9)
)


@settings(deadline=None)
@given(DIRECTORY)
def test_a_directory_that_is_sent_arrives(directory):
    assert decode_directory(encode_directory(directory)) == directory


@settings(deadline=None, max_examples=50)
@given(DIRECTORY, st.data())
def test_a_directory_that_is_damaged_is_malformed(directory, data):
    content = directory_to_map(directory)
    holder = data.draw(st.sampled_from([content, content["sources"][0]]))
    wanted = {"version", "at", "total", "sources", "source", "state", "reason", "worker", "node"}
    name = data.draw(st.sampled_from(sorted(wanted & set(holder))))
    del holder[name]
    with pytest.raises(MalformedMessageError):
        decode_directory(DIRECTORY_TOPIC + msgpack.packb(content))
    holder[name] = data.draw(JUNK.filter(lambda junk: not isinstance(junk, int) or abs(junk) < 2**63))
    try:
        decode_directory(DIRECTORY_TOPIC + msgpack.packb(content))
    except (MalformedMessageError, UnknownVersionError) as error:
        assert "\n" not in str(error)


def test_results_and_events_are_not_taken_for_each_other():
    event = encode_event(SourceEvent("cam", SourceState.LIVE, 1.0))
    with pytest.raises(MalformedMessageError, match="does not begin with the topic smplx/<source>"):
        decode(event)
    with pytest.raises(MalformedMessageError, match="does not begin with the topic status/<source>"):
        decode_event(encode(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))))


@settings(deadline=None)
@given(RESULT.filter(lambda result: result.people), st.data())
def test_a_field_that_is_missing_or_of_another_kind_is_malformed(result, data):
    content = to_map(result)
    holder = data.draw(st.sampled_from([content, content["camera"], content["world"], content["people"][0]]))
    free = ("version", "clock", "capture_origin", "final", "frame_id", "ttl", "nominal_fps", "joints", "velocity",
            "pelvis_covariance", "size_assumed", "world", "contact", "smoothing", "raw")  # fmt: skip
    name = data.draw(st.sampled_from([name for name in holder if name not in free]))
    del holder[name]
    with pytest.raises(MalformedMessageError, match=name):
        from_map(content)
    holder[name] = data.draw(JUNK)
    try:
        from_map(content)  # an integer for a number, say, is as good
    except MalformedMessageError as error:
        assert "\n" not in str(error)


def test_another_version_has_its_own_error():
    message = b"smplx/cam\0" + msgpack.packb({"version": 2})
    with pytest.raises(UnknownVersionError, match="of version 2 and this program reads version 1: use the same"):
        decode(message)


def test_a_field_of_a_later_release_is_left_aside():
    result = FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))
    head, body = encode(result).split(b"\0", 1)
    content = msgpack.unpackb(body) | {"weather": "fine"}
    assert_same(decode(head + b"\0" + msgpack.packb(content)), result)


def test_what_a_later_release_may_send_is_taken_as_it_comes():
    person = Person(1, TrackState.NEW, np.zeros(4, np.float32), 1.0, "e", {"torso": Part(1.0, Origin.MEASURED)})
    content = to_map(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1), (person,)))
    later = content["people"][0]
    later |= {"state": "guessed", "mood": "fine", "extra": {"heart_rate": [70.0]}}
    later["parts"] = {"torso": {"confidence": 1.0, "origin": "inferred", "why": 3}, "tail": later["parts"]["torso"]}
    content["camera"]["shutter"] = "rolling"
    read = from_map(content)
    (again,) = read.people
    assert again.state == "guessed" and isinstance(again.parts["tail"].origin, Origin)
    assert again.parts == {"torso": Part(1.0, "inferred"), "tail": Part(1.0, Origin.MEASURED)}
    assert again.extra["heart_rate"].tolist() == [70.0]
    sent = to_map(read)["people"][0]
    assert (sent["state"], sent["parts"]["torso"]["origin"]) == ("guessed", "inferred")


def test_a_message_of_an_earlier_release_says_when_its_frame_arrived():
    content = to_map(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)))
    del content["capture_origin"]
    assert from_map(content).capture_origin is CaptureOrigin.ARRIVAL


def full_person(number: int) -> Person:
    """With everything that an engine adds today."""
    rng = np.random.default_rng(number)

    def noise(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Person(
        number, TrackState.TRACKED, noise(4), 0.5, "landmarks", {name: Part(0.5, Origin.MEASURED) for name in PARTS},
        pelvis=noise(3), **{name: noise(length) for name, length in SHAPES.items()},
        extra={"keypoints": noise(33, 3), "blendshapes": noise(52), "bones": noise(55), "crop_box": noise(3)},
    )  # fmt: skip


def test_a_hundred_people_are_far_below_the_bounds():
    people = tuple(map(full_person, range(100)))
    message = encode(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1), people))
    assert len(message) < LARGEST / 2
    assert len(decode(message).people) == 100


def with_people(people: bytes) -> bytes:
    """A good message but for `people`, given as MessagePack."""
    message = encode(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)))
    assert message.endswith(b"people\x90")
    return message[:-1] + people


def array(count: int, item: bytes) -> bytes:
    return b"\xdd" + count.to_bytes(4, "big") + item * count


BOMBS = {
    "empty lists": array(1_000_000, b"\x90"),
    "lists of lists": array(60, array(16_000, b"\x90")),
    "empty maps": array(16_000, b"\x80"),
    "maps of lists": array(60, b"\x81\xa1a" + array(16_000, b"\x80")),
    "lists in lists": b"\x91" * 1_000_000 + b"\x90",
    "a list that is said to be long": b"\xdd\xff\xff\xff\xff",
    "a text that is said to be long": b"\x91\xdb\xff\xff\xff\xff",
    "too many people": msgpack.packb([{}] * 300),
}


@pytest.mark.parametrize("people", BOMBS.values(), ids=BOMBS)
def test_a_message_that_would_grow_is_refused_before_it_does(people):
    message = with_people(people)
    assert len(message) < LARGEST
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessageError):
            decode(message)
        assert tracemalloc.get_traced_memory()[1] < 8 * LARGEST
    finally:
        tracemalloc.stop()


def test_a_message_that_is_too_large_is_not_looked_into():
    with pytest.raises(MalformedMessageError, match=r"a message has 1048577 bytes, and none of ours has more than"):
        decode(b"smplx/cam\0" + b"\x90" * (LARGEST - 9))


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5000), st.data())
def test_what_is_wrong_is_said_in_a_short_line_that_can_be_shown(junk, data):
    content = to_map(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1), (full_person(1),)))
    holder = data.draw(st.sampled_from([content, content["camera"], content["world"], content["people"][0]]))
    holder[data.draw(st.sampled_from(list(holder)))] = data.draw(st.sampled_from([junk, [junk], {junk: junk}]))
    try:
        decode(b"smplx/" + junk.encode() + b"\0" + msgpack.packb(content))
    except (MalformedMessageError, UnknownVersionError) as error:
        assert len(str(error)) < 600
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("key", "value"), [("sequence", 2**64), ("dropped", -(2**70)), ("source", "half \ud800"), ("source", "a\0b")]
)
def test_what_json_can_hold_and_a_message_cannot_is_malformed(key, value):
    content = to_map(FrameResult("cam", 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1)))
    with pytest.raises(MalformedMessageError):
        from_map(content | {key: value})


def test_every_field_is_documented():
    page = PAGE.read_text(encoding="utf-8")
    person = Person(
        1, TrackState.NEW, np.zeros(4, np.float32), 1.0, "e", {}, joints=np.zeros((22, 3), np.float32),
        velocity=np.zeros(3, np.float32), pelvis_covariance=np.eye(3, dtype=np.float32),
    )  # fmt: skip
    content = to_map(FrameResult("cam", 1, "run", 0, 1, 2, Camera(4, 3, 1, 1, 1, 1), (person,), ttl=1.0, final=True))
    names = {*content, *content["camera"], *content["people"][0], *PARTS}
    names |= {state.value for kind in (TrackState, Origin, SourceState, CaptureOrigin) for state in kind}
    names |= {field.name for field in fields(SourceEvent)}
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_the_names_of_what_an_engine_adds_are_documented_in_order():
    page = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert (len(BLENDSHAPES), len(KEYPOINTS)) == (52, 33)
    for names in (BLENDSHAPES, KEYPOINTS):
        assert ", ".join(f"{index} {name}" for index, name in enumerate(names)) in page
