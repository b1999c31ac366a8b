"""Recordings that are read from anywhere: what comes is what a reading of it all has from there on."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.recordings.journal import Journal, Mcap
from pymafx_live.pipeline.recordings.lines import JsonLines
from support.recordings import recorded, told

COUNT = 60


def items() -> list[Item]:
    """Two sources, of which the second one comes two seconds later; its channels are described in a later chunk."""
    first = recorded(COUNT, ids=(1,))
    second = recorded(10, ids=(5,), source="door")
    for item in second:
        if not isinstance(item, SourceEvent):
            object.__setattr__(item[0], "captured_at", item[0].captured_at + 2)
    return [*first[:51], *second, *first[51:]]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tapes")
    journal = Journal(folder / "whole.mcap")
    for k, item in enumerate(items()):
        if isinstance(item, SourceEvent):
            journal.tell(item)
        else:
            journal.write(*item)
            if k % 5 == 0:
                journal._mcap.flush()
    journal.close()
    content = journal.file.read_bytes()
    (folder / "killed.mcap").write_bytes(content[: content.rindex(b"smplx/door") - 4000])  # in the last chunk
    JsonLines().write(items(), folder / "lines.jsonl", lambda file: file)
    return {file.name: file for file in folder.iterdir()}


def reader(file: Path):
    return Mcap() if file.suffix == ".mcap" else JsonLines()


@pytest.mark.parametrize("name", ["whole.mcap", "killed.mcap", "lines.jsonl"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(-1000, 3000).map(lambda milliseconds: milliseconds / 1000))
def test_from_anywhere_comes_what_a_whole_reading_has_from_there(files, name, at):
    format_ = reader(files[name])
    tape = format_.tape(files[name])
    everything = list(tape.read(0))
    assert told([item for _, item in everything]) == told(list(format_.read(files[name])))
    found = list(tape.read(at))
    expected = [timed for timed in everything if timed[0] >= at]
    assert [when for when, _ in found] == [when for when, _ in expected]
    assert told([item for _, item in found]) == told([item for _, item in expected])


def test_the_clock_is_each_source_s_own_and_they_are_as_far_apart_as_they_were(files):
    for name in ("whole.mcap", "lines.jsonl"):
        tape = reader(files[name]).tape(files[name])
        results = [(at, item[0]) for at, item in tape.read(0) if not isinstance(item, SourceEvent)]
        assert tape.seconds == pytest.approx((COUNT - 1) / 25, abs=1e-6)
        for at, result in results:
            assert at == pytest.approx(result.time + (2 if result.source == "door" else 0), abs=1e-6)


@pytest.mark.parametrize("at", [0.0, 1.0])
def test_a_file_without_chunks_is_read_from_its_beginning(tmp_path, files, at):
    from mcap.reader import make_reader
    from mcap.writer import Writer

    with files["whole.mcap"].open("rb") as stream, (tmp_path / "plain.mcap").open("wb") as out:
        writer, numbers = Writer(out, use_chunking=False), {}
        writer.start()
        for schema, channel, message in make_reader(stream).iter_messages(log_time_order=False):
            if channel.topic not in numbers:
                number = writer.register_schema(schema.name, schema.encoding, schema.data) if schema else 0
                numbers[channel.topic] = writer.register_channel(channel.topic, channel.message_encoding, number)
            writer.add_message(
                numbers[channel.topic], message.log_time, message.data, message.publish_time, message.sequence
            )
        writer.finish()
    plain, whole = Mcap().tape(tmp_path / "plain.mcap"), Mcap().tape(files["whole.mcap"])
    assert plain.seconds == whole.seconds
    assert told([item for _, item in plain.read(at)]) == told([item for _, item in whole.read(at)])


def test_damage_leaves_the_rest(tmp_path, files):
    content = bytearray(files["whole.mcap"].read_bytes())
    for where in range(100, len(content), len(content) // 40):
        damaged = bytearray(content)
        damaged[where] ^= 255
        (tmp_path / "damaged.mcap").write_bytes(damaged)
        try:
            tape = Mcap().tape(tmp_path / "damaged.mcap")
        except SourceError:  # what is in it stands in its first chunk
            assert where < len(content) // 10
            continue
        assert {*told([item for _, item in tape.read(1.0)])} <= {*told(items())}
