"""Recordings that are begun and ended from the page."""

import logging
from pathlib import Path

import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline import recorder
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.run import Run
from pymafx_live.pipeline.recorder import Recorder
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.settings import output_settings
from pymafx_live.pipeline.stop import Stop
from support.full_disk import full_disk
from support.recordings import recorded, told
from support.watching import wait_until

EVENT, *ITEMS = recorded(60)


@pytest.fixture
def made(tmp_path):
    opened = Recorder(tmp_path)
    opened.tell(EVENT)
    yield opened
    opened.close()


def write(output: Recorder, items) -> None:
    for item in items:
        if isinstance(item, SourceEvent):
            output.tell(item)
        else:
            output.write(*item)


def test_what_comes_while_it_is_on_is_in_the_file(made, tmp_path):
    write(made, ITEMS[:10])
    assert not list(tmp_path.iterdir()) and not made.state()["on"]
    for part in (ITEMS[10:30], ITEMS[40:50]):
        before = len(made.finished)
        made.ask(True)
        write(made, part)
        assert made.state()["on"] and made.state()["bytes"] > 0
        made.ask(False)
        wait_until(lambda before=before: len(made.finished) > before)
        write(made, ITEMS[30:40])
        file = made.finished[-1].file
        assert told(list(Mcap().read(file))) == told([EVENT, *part]), "with what was known of the source before"
        assert made.finished[-1].size == file.stat().st_size
    assert len({one.file for one in made.finished}) == 2 == len(list(tmp_path.iterdir()))


def test_nothing_is_overwritten_and_what_is_empty_goes(made, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder.time, "strftime", lambda form: "now")
    (tmp_path / "now.mcap").write_text("kept")
    (tmp_path / "now-2.mcap").symlink_to("elsewhere")
    made.ask(True)
    made.ask(False)
    made.ask(True)
    write(made, ITEMS[:2])
    made.close()
    assert [one.file.name for one in made.finished] == ["now-3.mcap"]
    assert (tmp_path / "now.mcap").read_text() == "kept" and not (tmp_path / "elsewhere").exists()


def test_the_end_of_the_run_ends_it(made):
    made.ask(True)
    write(made, ITEMS)
    made.close()
    assert told(list(Mcap().read(made.finished[0].file))) == told([EVENT, *ITEMS])


def test_a_full_disk_is_told_and_the_file_is_good_and_another_can_begin(made, tmp_path, caplog):
    said = []
    made.changed = lambda: said.append(made.state())
    made.ask(True)
    many = ITEMS[:-1] * 50  # it ends before that: how well they compress is nobody's to say
    with full_disk():
        for item in many:
            made.write(*item)
            if made._journal is not None and made._journal.size < 30_000:
                made._journal._mcap.flush()
            if not made.state()["on"]:
                break
    assert "cannot write" in said[-1]["fault"] and "free some space" in said[-1]["fault"] and not said[-1]["on"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    (file,) = (one.file for one in made.finished)
    assert said[-1]["files"][0][0] == file.stem
    kept = list(Mcap().read(file))
    assert told(kept) == told([EVENT, *many][: len(kept)]) and len(kept) > 1
    made.ask(True)
    write(made, ITEMS[:3])
    made.close()
    assert len(made.finished) == 2 and made.state()["fault"] == ""


def test_the_disk_is_not_filled_to_its_end(made, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "SPARE", 2**62)
    made.ask(True)
    write(made, ITEMS[:1])
    assert "are free where" in made.state()["fault"] and not made.state()["on"]
    assert not list(tmp_path.iterdir())


def test_one_run_makes_so_many_and_no_more(made, monkeypatch):
    monkeypatch.setattr(recorder, "MOST", 1)
    for _ in range(2):
        made.ask(True)
        write(made, ITEMS[:1])
        made.ask(False)
        wait_until(lambda: made._journal is None)
    assert len(made.finished) == 1 and "start it again" in made.state()["fault"]


def test_a_folder_that_cannot_be_written_is_told_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"cannot write .*file/in .*give another --record-dir"):
        opened(tmp_path / "file" / "in", web="127.0.0.1:0")
    with pytest.raises(UsageError, match="--record-dir is for the page"):
        opened(tmp_path / "new")


def opened(folder: Path, **more: str) -> Run:
    run = Run(Stop())
    for output in open_outputs(output_settings()(bind="", record_dir=str(folder), **more), run):
        output.close()
    return run


def test_a_replay_is_not_recorded_again(tmp_path, caplog):
    run = Run(Stop(), replayed=True)
    assert not list(open_outputs(output_settings()(bind="", record_dir=str(tmp_path / "new")), run))
    assert run.recorder is None and "not recorded again" in caplog.text and not (tmp_path / "new").exists()
