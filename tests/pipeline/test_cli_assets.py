"""`pymafx-live assets`: what it says of a folder without the files, and how it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
from pymafx_live.core.errors import EXIT_ASSET, EXIT_USAGE

PROGRAM = [sys.executable, "-c", "from pymafx_live.pipeline.cli import main; main()", "assets"]


def assets(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False)


def test_an_empty_folder_lists_every_file_and_where_to_get_it(tmp_path: Path) -> None:
    done = assets("check", str(tmp_path))
    assert done.returncode == EXIT_ASSET
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing")]
    assert len(missing) >= 4 and all("get it from" in line and "without it" in line for line in missing)
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", ["check", "prepare"])
def test_a_folder_that_is_not_there(command: str, tmp_path: Path) -> None:
    if command == "prepare":
        pytest.importorskip("torch", reason="the extra torch is not installed")
    done = assets(command, str(tmp_path / "nowhere"))
    assert done.returncode == EXIT_ASSET
    assert "nowhere is not a folder" in done.stderr and "Traceback" not in done.stderr


def test_synthesize_never_overwrites(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra torch is not installed")
    (tmp_path / "licensed.pkl").write_bytes(b"mine")
    done = assets("synthesize", str(tmp_path))
    assert done.returncode == EXIT_USAGE and "not an empty folder" in done.stderr
    assert (tmp_path / "licensed.pkl").read_bytes() == b"mine"
