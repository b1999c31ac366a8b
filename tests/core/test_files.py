"""Whole files and locks, as two processes and a process that is killed meet them."""

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymafx_live.core import files
from pymafx_live.core.files import (
    drop_unsealed,
    file_hash,
    known_hash,
    locked,
    seal,
    short_hash,
    user_cache,
    whole_files,
    write_whole,
)


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
from collections.abc import Callable, Iterator
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


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], Path]]:
    """The user's cache where `XDG_CACHE_HOME` is a folder."""

    def cache_in(folder: Path) -> Path:
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        return user_cache()

    files._temporary_cache.cache_clear()
    yield cache_in


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_cache_is_its_owners_alone(tmp_path: Path, caches: Callable[[Path], Path]) -> None:
    assert mode(caches(tmp_path / "new")) == 0o700
    (tmp_path / "old" / "pymafx-live").mkdir(parents=True, mode=0o755)
    assert mode(caches(tmp_path / "old")) == 0o700


def test_a_cache_that_cannot_be_costs_one_sentence(
    tmp_path: Path, caches: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    folder = caches(tmp_path / "file")
    assert folder == user_cache() and mode(folder) == 0o700
    write_whole(folder / "thing", b"kept for this run")
    assert [record.getMessage() for record in caplog.records] == [
        f"the cache {tmp_path / 'file' / 'pymafx-live'} cannot be used (Not a directory): "
        "networks are compiled anew at every start; set XDG_CACHE_HOME to a folder of yours"
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_that_another_user_made_is_not_used(
    tmp_path: Path, caches: Callable[[Path], Path], caplog: pytest.LogCaptureFixture
) -> None:
    theirs = tmp_path / "pymafx-live"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    assert caches(tmp_path) != theirs
    assert "it belongs to another user" in caplog.text


def test_what_was_changed_since_it_was_sealed_is_dropped(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.blob").write_bytes(name.encode())
    seal(tmp_path, "*.blob")
    (tmp_path / "a.blob").write_bytes(b"A")
    (tmp_path / "d.blob").write_bytes(b"never noted")
    assert sorted(drop_unsealed(tmp_path, "*.blob")) == ["a.blob", "d.blob"]
    assert drop_unsealed(tmp_path, "*.blob") == []
    for damage in (b"", b"[1]", b"[" * 100_000, b"\xff"):
        (tmp_path / "hashes.json").write_bytes(damage)
        seal(tmp_path, "*.blob")
        assert drop_unsealed(tmp_path, "*.blob") == []
    (tmp_path / "hashes.json").write_bytes(b"{}")
    assert sorted(drop_unsealed(tmp_path, "*.blob")) == ["b.blob", "c.blob"]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files need not have lain unchanged for a while."""
    monkeypatch.setattr(files, "_SETTLED", -1)


def counted(path: Path, notes: Path) -> tuple[str, int]:
    """The hash, and how often the file was read for it."""
    read: list[Path] = []
    return known_hash(path, notes, lambda one: read.append(one) or file_hash(one)), len(read)  # type: ignore[func-returns-value]


@pytest.mark.usefixtures("settled")
def test_a_file_is_hashed_once_until_it_changes_even_where_its_size_and_time_do_not(tmp_path: Path) -> None:
    path, notes = tmp_path / "engine", tmp_path / "notes.json"
    path.write_bytes(b"one")
    first = counted(path, notes)
    assert first == (file_hash(path), 1) and counted(path, notes) == (first[0], 0)
    before = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_size == before.st_size
    assert counted(path, notes) == (file_hash(path), 1)
    other = tmp_path / "other"
    other.write_bytes(b"one")
    assert counted(other, notes) == first and counted(path, notes)[1] == 0


def test_a_file_that_was_written_a_moment_ago_is_not_relied_on(tmp_path: Path) -> None:
    (tmp_path / "engine").write_bytes(b"one")
    assert [counted(tmp_path / "engine", tmp_path / "notes.json")[1] for _ in range(2)] == [1, 1]
    assert names(tmp_path) == {"engine"}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("notes", ["", "[]", "[" * 10_000, '{"PATH": 3}', '{"PATH": []}', '{"PATH": [1, "x"]}'])
def test_damaged_notes_are_no_notes(tmp_path: Path, notes: str) -> None:
    path = tmp_path / "engine"
    path.write_bytes(b"one")
    (tmp_path / "notes.json").write_text(notes.replace("PATH", str(path)))
    assert counted(path, tmp_path / "notes.json") == (file_hash(path), 1)
    assert counted(path, tmp_path / "notes.json")[1] == 0


@pytest.mark.usefixtures("settled")
def test_notes_do_not_grow_without_end_and_need_no_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_NOTED", 3)
    for k in range(5):
        (tmp_path / str(k)).write_bytes(bytes([k]))
        counted(tmp_path / str(k), tmp_path / "notes.json")
    assert [counted(tmp_path / str(k), tmp_path / "notes.json")[1] for k in (4, 3, 2)] == [0, 0, 0]
    assert counted(tmp_path / "0", tmp_path / "notes.json")[1] == 1
    assert counted(tmp_path / "0", tmp_path / "1" / "notes.json") == (file_hash(tmp_path / "0"), 1)
