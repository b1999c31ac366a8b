"""`pymafx-live export`: what it checks, what it prints, and how it ends."""

import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pymafx_live.core.errors import EXIT_ASSET, EXIT_OK, EXIT_USAGE

pytest.importorskip("onnx")

from pymafx_live.pipeline.cli import main

PROGRAM = [sys.executable, "-c", "from pymafx_live.pipeline.cli import main; main()", "export"]


def export(*arguments: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_a_good_folder_passes(graphs: Any, assets_dir: Path) -> None:
    folder = graphs["mixed"]["hands"].parent
    done = export("--assets", assets_dir, "--check", folder, "--runtime", "onnxruntime", "--max-batch", "1")
    assert done.returncode == EXIT_OK, done.stderr
    assert "onnxruntime on cpu" in done.stdout.replace("\n", " ")
    for name in ("body", "hands", "jaw and eyes", "camera", "shape", "expression"):
        (line,) = (line for line in done.stdout.splitlines() if f" {name} " in line)
        assert " ok " in line


HAND = Path(str(resources.files("pymafx_live.engines.data") / "hand_recrop.onnx"))
ON = ("--runtime", "onnxruntime")
"""So that no progress of a compiling runtime stands between."""


def test_a_spoiled_file_fails(spoiled: Path, assets_dir: Path) -> None:
    done = export("--assets", assets_dir, "--check", spoiled / "hands.onnx", "--max-batch", "1", *ON)
    assert done.returncode == EXIT_ASSET
    (line,) = (line for line in done.stdout.splitlines() if " hands " in line)
    assert "FAILS" in line
    assert len(done.stderr.splitlines()) == 1 and "hands" in done.stderr and "beyond what is allowed" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--assets", "x"), EXIT_USAGE, "--out DIR"),
        (("--assets", "x", "--out", "y", "--check", "z"), EXIT_USAGE, "--out DIR"),
        (("--assets", "x", "--out", "y", "--precision", "int8"), EXIT_USAGE, "no precision 'int8'"),
        (("--assets", "x", "--check", "y", "--runtime", "abacus"), EXIT_USAGE, "no runtime 'abacus'"),
        (("--assets", "x", "--check", "nowhere.onnx"), EXIT_ASSET, "nowhere.onnx cannot be read"),
        (("--assets", "x", "--check", str(HAND)), EXIT_USAGE, "not one of PyMAF-X's graphs"),
    ],
)
def test_wrong_use_is_one_sentence(
    arguments: tuple[str, ...],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main.main(["export", *arguments], prog_name="pymafx-live")
    err = capsys.readouterr().err
    assert (ended.value.code, err.count("\n")) == (code, 1), err
    assert said in err


def test_a_folder_of_no_graphs_and_assets_that_are_not_there(assets_dir: Path, tmp_path: Path) -> None:
    for package in ("safetensors", "onnxscript"):
        pytest.importorskip(package)
    done = export("--assets", assets_dir, "--check", tmp_path)
    assert done.returncode == EXIT_ASSET and "holds none of hands.onnx, face.onnx, body.onnx" in done.stderr
    done = export("--assets", tmp_path / "nowhere", "--out", tmp_path)
    assert done.returncode == EXIT_ASSET and "nowhere is not a folder" in done.stderr
