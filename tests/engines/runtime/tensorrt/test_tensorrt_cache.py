"""Engines on the disk: keys, damage, locks, and folders that cannot be written."""

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from mmap import mmap
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pymafx_live.engines.runtime import RunnerOptions
from pymafx_live.engines.runtime.batches import batch_buckets
from pymafx_live.engines.runtime.tensorrt.cache import ALIGNMENT, EngineCache, EngineKey, default_folder
from pymafx_live.engines.runtime.tensorrt.flavour import RTX, STANDARD, Flavour
from pymafx_live.engines.runtime.tensorrt.gpu import Gpu

pytest.importorskip("filelock")
KEY = EngineKey("abc", "tensorrt", "10.9", "NVIDIA A10", "SM86", (1, 2), ("no-tf32",))
ENGINE = bytes(range(256)) * 64


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, told: list[str]) -> EngineCache:
    return EngineCache(tmp_path / "engines", "small", told.append)


def fetch(cache: EngineCache, key: EngineKey = KEY) -> tuple[bytes, int]:
    """The engine, and how often it was built for that."""
    built: list[int] = []

    def build() -> bytes:
        built.append(1)
        return ENGINE

    return cache.fetch(key, build, lambda data: data), len(built)


def test_an_engine_is_built_once(cache: EngineCache) -> None:
    assert fetch(cache) == (ENGINE, 1)
    assert fetch(cache) == (ENGINE, 0)


def test_a_later_start_maps_the_engine_and_does_not_hash_it_again(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pymafx_live.core.files._SETTLED", -1)
    fetch(cache)
    assert fetch(cache) == (ENGINE, 0)
    path = cache.path(KEY)
    monkeypatch.setattr("hashlib.sha256", None)
    found = EngineCache(tmp_path / "engines", "small", print)._whole(path, KEY)
    assert isinstance(found, memoryview) and isinstance(found.obj, mmap) and found == ENGINE
    assert (path.stat().st_size - len(found)) % ALIGNMENT == 0 and found.readonly


def test_an_engine_that_changes_after_it_was_checked_is_found(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pymafx_live.core.files._SETTLED", -1)
    fetch(cache)
    assert fetch(cache) == (ENGINE, 0)
    content = bytearray(cache.path(KEY).read_bytes())
    content[-1] ^= 1
    cache.path(KEY).write_bytes(content)
    assert fetch(cache) == (ENGINE, 1)


@pytest.mark.parametrize("field", EngineKey.__slots__)
def test_everything_in_the_key_counts(cache: EngineCache, field: str) -> None:
    fetch(cache)
    value = getattr(KEY, field)
    other = replace(KEY, **{field: value + value})
    assert other.digest != KEY.digest
    assert fetch(cache, other) == (ENGINE, 1)


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "text", "foreign"])
def test_a_damaged_engine_is_built_again(cache: EngineCache, told: list[str], damage: str) -> None:
    fetch(cache)
    path = cache.path(KEY)
    content = path.read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    foreign = cache.path(replace(KEY, gpu="NVIDIA L4"))
    fetch(cache, replace(KEY, gpu="NVIDIA L4"))
    path.write_bytes(
        {"empty": b"", "cut": content[:-1], "flipped": flipped, "text": b"[]\n1", "foreign": foreign.read_bytes()}[
            damage
        ]
    )
    assert fetch(cache) == (ENGINE, 1)
    assert damage == "empty" or "damaged or of another build: it is built again" in told[-1]
    assert fetch(cache) == (ENGINE, 0)


def test_an_engine_that_the_library_refuses_is_built_again(cache: EngineCache, told: list[str]) -> None:
    fetch(cache)
    answers = iter([None, None, "engine"])
    assert cache.fetch(KEY, lambda: b"new", lambda data: next(answers)) == "engine"
    assert "does not load on this machine" in told[-1]
    assert cache.fetch(KEY, lambda: b"", lambda data: data) == b"new"


def test_a_failed_build_leaves_nothing(cache: EngineCache, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no"):
        cache.fetch(KEY, lambda: (_ for _ in ()).throw(RuntimeError("no")), lambda data: data)
    assert not [p for p in (tmp_path / "engines").iterdir() if p.suffix != ".lock"]
    assert fetch(cache) == (ENGINE, 1)


def test_a_folder_that_cannot_be_made_costs_only_the_cache(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert fetch(EngineCache(tmp_path / "file" / "engines", "small", told.append)) == (ENGINE, 1)
    assert "cannot be kept" in told[-1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_folder_costs_only_the_cache(cache: EngineCache, tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "engines").mkdir(mode=0o500)
    assert fetch(cache) == (ENGINE, 1)
    assert "cannot be kept" in told[-1]


def test_a_full_disk_costs_only_the_cache(cache: EngineCache, tmp_path: Path, told: list[str]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # as a disk with room for a kilobyte
    try:
        assert fetch(cache) == (ENGINE, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot be kept (File too large)" in told[-1]
    assert [p.suffix for p in (tmp_path / "engines").iterdir() if p.stat().st_size] == []
    assert fetch(cache) == (ENGINE, 1)


def test_parts_are_kept_whole_or_not_at_all(cache: EngineCache, tmp_path: Path) -> None:
    assert cache.read_part("a.timings") == b""
    cache.write_part("a.timings", b"times")
    assert cache.read_part("a.timings") == b"times"
    path = tmp_path / "engines" / "a.timings"
    path.write_bytes(path.read_bytes()[:-1])
    assert cache.read_part("a.timings") == b""


BUILDER = """
import sys, time
from pathlib import Path
from pymafx_live.engines.runtime.tensorrt.cache import EngineCache, EngineKey
key = EngineKey("abc", "tensorrt", "10.9", "NVIDIA A10", "SM86", (1, 2), ("no-tf32",))
folder = Path(sys.argv[1])
def build():
    with open(folder.parent / "builds", "a") as file:
        file.write("built\\n")
    print("building", flush=True)
    sys.stdin.readline()
    return b"engine" * 1000
print(len(EngineCache(folder, "small", print).fetch(key, build, lambda data: data)), flush=True)
"""


def test_two_processes_build_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "engines")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout is not None and first.stdin is not None
        assert first.stdout.readline() == "building\n"
        with subprocess.Popen(command, **pipes) as second:
            assert second.stdout is not None
            assert "another process builds" in second.stdout.readline()
            first.stdin.write("\n")
            first.stdin.flush()
            assert first.stdout.readline() == second.stdout.readline() == "6000\n"
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_process_that_dies_while_it_builds_blocks_nobody(tmp_path: Path, cache: EngineCache) -> None:
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "engines")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        assert dying.stdout.readline() == "building\n"
        dying.kill()
    assert fetch(cache) == (ENGINE, 1)


def test_threads_build_once(cache: EngineCache) -> None:
    built: list[int] = []

    def build() -> bytes:
        built.append(1)
        time.sleep(0.2)
        return ENGINE

    threads = [threading.Thread(target=cache.fetch, args=(KEY, build, lambda data: data)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1


def test_the_users_cache_folder_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "pymafx-live" / "tensorrt"


@pytest.mark.parametrize(
    ("flavour", "change", "builds"),
    [
        (STANDARD, {}, 1),
        (STANDARD, {"driver": "600.1"}, 1),
        (STANDARD, {"name": "NVIDIA L4"}, 2),
        (STANDARD, {"capability": (9, 0)}, 2),
        # an RTX engine is made for a compute capability; only its kernels depend on the rest
        (RTX, {"driver": "600.1"}, 1),
        (RTX, {"name": "NVIDIA GeForce RTX 4080"}, 1),
        (RTX, {"capability": (12, 0)}, 2),
    ],
)
def test_another_machine_builds_again_where_it_must(
    fake: ModuleType,
    make_network: Callable[..., Path],
    tmp_path: Path,
    flavour: str,
    change: dict[str, Any],
    builds: int,
) -> None:
    from pymafx_live.engines.runtime.tensorrt.memory import HostMemory
    from pymafx_live.engines.runtime.tensorrt.opening import Site, open_on

    card = Gpu("NVIDIA GeForce RTX 4090", (8, 9), "580.65", 24 << 30)
    for gpu in (card, replace(card, **change), card):
        site = Site(Flavour(flavour, fake, fake.__version__), gpu, HostMemory())
        open_on(site, make_network(), RunnerOptions(cache=tmp_path / "cache")).close()
    assert fake.seen.builds == builds


def test_timings_of_another_card_are_measured_again(
    fake: ModuleType, make_network: Callable[..., Path], tmp_path: Path
) -> None:
    from pymafx_live.engines.runtime.tensorrt.builder import Plan, build

    flavour = Flavour(STANDARD, fake, "10.9")
    built = build(flavour, make_network(), Plan((1,)), lambda step: None, b"foreign")
    assert fake.seen.timings == [b""] and built.timings == b"+"
    assert build(flavour, make_network(), Plan((1,)), lambda step: None, built.timings).timings == b"++"


@pytest.mark.parametrize("name", [STANDARD, RTX])
@pytest.mark.parametrize(("largest", "shapes"), [(8, (1, 4, 8)), (1, (1, 1, 1)), (6, (1, 4, 6))])
def test_one_profile_is_built_for_all_batches(
    fake: ModuleType,
    make_network: Callable[..., Path],
    tmp_path: Path,
    name: str,
    largest: int,
    shapes: tuple[int, ...],
) -> None:
    from pymafx_live.engines.runtime.tensorrt.builder import Plan, build

    built = build(
        Flavour(name, fake, "11.4"), make_network(), Plan(batch_buckets(largest), ("SM89",)), lambda step: None
    )
    (profile,) = json.loads(built.engine.partition(b"\n")[0])["profiles"]
    assert profile["crops"] == [[n, 12, 12, 3] for n in shapes] and profile["flags"] == [[n] for n in shapes]
