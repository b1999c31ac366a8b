"""Whole files and locks, as two processes and a process that is killed meet them."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pymafx_live.core.files import file_hash, locked, short_hash, whole_files, write_whole


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_set_appears_at_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    with whole_files(folder, "a", "b") as part:
        (part / "a").write_text("1")
        (part / "b").write_text("2")
        (part / "scratch").write_text("")
        assert not names(folder) & {"a", "b"}
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"a": "1", "b": "2"}


def test_what_was_there_outlives_a_failure(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    with pytest.raises(ZeroDivisionError), whole_files(tmp_path, "a") as part:
        (part / "a").write_bytes(b"new")
        raise ZeroDivisionError
    assert names(tmp_path) == {"a"}
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_file_that_was_not_written_leaves_the_set_as_it_was(tmp_path: Path) -> None:
    write_whole(tmp_path / "last", b"old")
    with pytest.raises(FileNotFoundError), whole_files(tmp_path, "first", "last") as part:
        (part / "first").write_bytes(b"new")
    assert names(tmp_path) == {"last"}


def test_the_leavings_of_a_killed_process_go_after_a_day(tmp_path: Path) -> None:
    for name, age in ((".part-old", 100_000), (".part-of-another-process", 1_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "large").write_bytes(b"x")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_whole(tmp_path / "a", b"")
    assert names(tmp_path) == {"a", ".part-of-another-process"}


def test_a_lock_keeps_another_process_waiting(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from pymafx_live.core.files import locked
with locked(Path({str(tmp_path / "thing")!r}), lambda: print("waits", flush=True)):
    print("has it", flush=True)
"""
    with locked(tmp_path / "thing"):
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "waits\n"
    assert other.communicate(timeout=60)[0] == "has it\n"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    with pytest.raises(OSError, match="file"), locked(tmp_path / "file" / "thing"):
        pass
    with pytest.raises(OSError, match="file"):
        write_whole(tmp_path / "file" / "thing", b"")


def test_hashes(tmp_path: Path) -> None:
    write_whole(tmp_path / "abc", b"abc")  # the example of FIPS 180-2, B.1
    assert file_hash(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert len({short_hash("a", 1), short_hash("a1"), short_hash("a", "1"), short_hash(("a", 1))}) == 4
