"""tests/vectors: what our decoder, and one that knows docs/wire-protocol.md only, make of each message."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from pymafx_live.core.errors import AssetError
from pymafx_live.core.types import PARTS, RAW_SHAPES, Camera, Origin, Part, SourceState, TrackState
from pymafx_live.core.wire import (
    decode,
    decode_directory,
    decode_event,
    directory_to_map,
    encode,
    encode_directory,
    encode_event,
    to_map,
)
from pymafx_live.engines.detectors.demo_weights import demo_weights
from support.vectors import FOLDER, NAMES, content, excerpt, hexdump, message
from vectors import make

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "wire-protocol.md").read_text(encoding="utf-8")
EVENTS = [name for name in NAMES if name.startswith("status-")]
DIRECTORIES = [name for name in NAMES if name.startswith("directory")]
RESULTS = [name for name in NAMES if name not in EVENTS + DIRECTORIES]


def table(heading: str) -> dict[str, tuple[str, str]]:
    """The first table below a heading of the page: from each key to its type or shape, and its meaning."""
    rows = PAGE.split(f"{heading}\n", 1)[1].split("\n#", 1)[0].split("\n\n")
    lines = next(block for block in rows if block.lstrip().startswith("|")).strip().splitlines()[2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    return {key: (kind, meaning) for keys, kind, meaning in cells for key in re.findall(r"`(\w+)`", keys)}


def by_the_page(data: bytes) -> tuple[str, dict[str, Any]]:
    """A message as the page's first section has it."""
    end = data.index(0)
    return data[:end].decode(), msgpack.unpackb(data[end + 1 :])


@pytest.mark.parametrize("name", NAMES)
def test_the_bytes_decode_to_the_json(name):
    topic, read = by_the_page(message(name))
    assert read == content(name)
    kind = "directory" if name in DIRECTORIES else "status/" if name in EVENTS else "smplx/"
    assert topic == kind + read.get("source", "")


@pytest.mark.parametrize("name", RESULTS)
def test_our_decoder_reads_the_bytes_and_makes_them_again(name):
    result = decode(message(name))
    assert encode(result) == message(name)
    assert to_map(result) == content(name)


@pytest.mark.parametrize("name", EVENTS)
def test_our_decoder_reads_the_events_and_makes_them_again(name):
    event = decode_event(message(name))
    assert encode_event(event) == message(name)
    assert (event.state, event.reason) == (content(name)["state"], content(name)["reason"])


@pytest.mark.parametrize("name", DIRECTORIES)
def test_our_decoder_reads_the_directory_and_makes_it_again(name):
    directory = decode_directory(message(name))
    assert encode_directory(directory) == message(name)
    assert directory_to_map(directory) == content(name)
    check_map(content(name), "## What a fleet has", name)
    for listing in content(name)["sources"]:
        check_map(listing, "### A listed source", name)
    for key, (_, meaning) in table("### A listed source").items():
        there = [key in listing for listing in content(name)["sources"]]
        assert any(there) and all(there) == ("absent" not in meaning), key


def test_a_message_of_before_there_were_joints_and_times_of_parts_is_read():
    """As version 1 was first sent: what it does not say is not known."""
    result = decode((FOLDER / "older" / "first.bin").read_bytes())
    assert (result.source, result.sequence, result.dropped, result.run_id) == ("demo", 7, 2, "4f1c")
    assert (result.ttl, result.nominal_fps) == (0, 0)
    assert (result.time, result.captured_at, result.published_at) == (0.25, 1700000000.25, 1700000000.3125)
    assert result.camera == Camera(640, 480, 554.25, 554.25, 319.5, 239.5, assumed=True)
    (person,) = result.people
    assert person.parts == {"torso": Part(0.75, Origin.MEASURED, None)}
    assert person.transl.tolist() == [0.5, 0.25, 3.0]
    assert person.joints.shape == (0, 3) and person.velocity is person.pelvis_covariance is None
    assert result.smoothing is person.raw is None


def check(value: Any, kind: str, where: str) -> None:
    """A value is of the type or the shape that the page says."""
    if sizes := re.fullmatch(r"(\d+)(?: x (\d+))?", kind):
        rows, columns = int(sizes[1]), int(sizes[2] or 0)
        if where.endswith("joints") and len(value) == 55:
            rows = 55
        assert np.shape(value) == ((rows, columns) if columns else (rows,)), where
        assert all(isinstance(number, float) for number in np.ravel(value).tolist()), where
        return
    kinds = {"integer": int, "string": str, "float": float, "boolean": bool, "map": dict}
    assert isinstance(value, kinds.get(kind.split()[0], list)), where


def check_map(told: dict[str, Any], heading: str, where: str) -> None:
    """The keys are the table's, and those that are not there may be absent."""
    keys = table(heading)
    assert set(told) <= set(keys), where
    for key, (kind, meaning) in keys.items():
        assert key in told or "absent" in meaning, f"{where}.{key}"
        if key in told:
            check(told[key], kind, f"{where}.{key}")


@pytest.mark.parametrize("name", RESULTS)
def test_the_messages_are_as_the_tables_say(name):
    told = content(name)
    check_map(told, "## The map", name)
    check_map(told["camera"], "### camera", name)
    check_map(told["world"], "### world", name)
    check_map(told["smoothing"], "### Smoothing", name)
    for person in told["people"]:
        check_map(person, "### A person", name)
        assert set(person["extra"]) <= set(table("## What an engine adds"))
        for key, value in person.get("raw", {}).items():
            check(value, table("### A person")[key][0], f"{name}.raw.{key}")
        assert "raw" not in person or set(person["raw"]) == set(RAW_SHAPES)
        for key, value in person["extra"].items():
            check(value, table("## What an engine adds")[key][0], f"{name}.{key}")
        for part in person["parts"].values():
            check_map(part, "## How far to trust it", name)
            assert (part["origin"] != "measured") or "measured_at" in part
            assert part.get("measured_at", 0) <= told["captured_at"]


@pytest.mark.parametrize("name", EVENTS)
def test_the_events_are_as_the_table_says(name):
    check_map(content(name), "## What happens to a source", name)


def test_there_is_a_vector_for_every_state_and_every_absence():
    people = {name: content(name)["people"] for name in RESULTS}
    everybody = [person for found in people.values() for person in found]
    assert {person["state"] for person in everybody} == set(TrackState)
    assert {person["engine"] for person in everybody} == {"landmarks", "pymafx"}
    parts = [part for person in everybody for part in person["parts"].values()]
    assert {part["origin"] for part in parts} == set(Origin)
    assert any("measured_at" not in part for part in parts)
    for key, (_, meaning) in table("### A person").items():
        present = [key in person for person in everybody]
        assert any(present) and all(present) == ("absent" not in meaning), key
    for key in table("## What an engine adds"):
        assert {key in person["extra"] for person in everybody} == {True, False}, key
    for key in ("ttl", "nominal_fps"):
        assert {key in content(name) for name in RESULTS} == {True, False}
    assert {state for state in SourceState if f"status-{state}" in NAMES} >= {"live", "stalled", "ended"}
    assert set(re.findall(r"`([\w-]+)`", PAGE.rsplit("as it decodes:", 1)[1])) == set(NAMES)


def test_who_was_never_measured_says_so():
    (person,) = content("new-never-measured")["people"]
    assert {part["origin"] for part in person["parts"].values()} == {"default"}
    assert not any("measured_at" in part for part in person["parts"].values())
    assert not {"joints", "velocity", "pelvis_covariance"} & set(person) and not person["extra"]
    assert set(person["parts"]) == set(PARTS)


def test_the_page_shows_a_vector_and_its_first_bytes():
    assert f"```json\n{excerpt(content('tracked'))}\n```" in PAGE
    assert f"```hexdump\n{hexdump(message('tracked')[:96])}```" in PAGE
    assert f"```hexdump\n{hexdump(message('status-stalled'))}```" in PAGE


def numbers(told: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a map and where it is."""
    items = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, value in items:
        yield from numbers(value, f"{path}.{key}")
    if not isinstance(told, dict | list):
        yield path, told


@pytest.mark.slow
def test_the_vectors_are_what_the_pipeline_makes():
    """The same keys and words as on the machine that wrote them, and numbers near what another one gives."""
    try:
        demo_weights()
    except AssetError as error:
        pytest.skip(str(error))
    made = make.vectors()
    assert sorted(made) == NAMES
    for name in NAMES:
        before, now = dict(numbers(content(name))), dict(numbers(by_the_page(made[name])[1]))
        assert before.keys() == now.keys(), name
        for path, value in before.items():
            if isinstance(value, float):
                assert now[path] == pytest.approx(value, abs=2.0 if "keypoints" in path else 0.05), f"{name}{path}"
            else:
                assert now[path] == value, f"{name}{path}"


def test_the_examples_pelvis_and_joints_are_seen_in_its_box():
    told = content("tracked")
    (person,) = told["people"]
    camera, (x1, y1, x2, y2) = told["camera"], person["box"]
    for x, y, z in [person["pelvis"], *person["joints"]]:
        u, v = camera["fx"] * x / z + camera["cx"], camera["fy"] * y / z + camera["cy"]
        assert x1 - 5 <= u <= x2 + 5 and y1 - 5 <= v <= y2 + 5
    rest = json.loads((files("pymafx_live.engines.data") / "skeleton.json").read_text(encoding="utf-8"))["joints"][0][
        "rest"
    ]
    np.testing.assert_allclose(np.subtract(person["pelvis"], person["transl"]), rest, atol=1e-5)
