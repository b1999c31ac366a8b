"""From one format to another, at the command line and when a run ends."""

import subprocess
import sys
import time

import numpy as np
import pytest
from pymafx_live.core.types import SourceEvent
from pymafx_live.pipeline import cli
from pymafx_live.pipeline.recordings import FORMATS, READABLE
from pymafx_live.pipeline.recordings.journal import Mcap
from pymafx_live.pipeline.recordings.lines import JsonLines
from support.recordings import recorded, told

COMMAND = [sys.executable, "-c", "from pymafx_live.pipeline.cli import main; main()"]


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Runs `pymafx-live` in a folder with `run.mcap`; gives the exit code and standard error."""
    monkeypatch.chdir(tmp_path)
    Mcap().write(recorded(10), tmp_path / "run.mcap", lambda file: file)

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            cli.main.main([str(argument) for argument in arguments], prog_name="pymafx-live")
        return ended.value.code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_made(command, tmp_path, ending):
    if ending in (extras := {".bag": "rosbags", ".rrd": "rerun"}):
        pytest.importorskip(extras[ending], reason=f"{extras[ending]}, of the extra for {ending}, is not installed")
    code, err = command("convert", "run.mcap", f"out{ending}")
    assert code == 0
    made = [tmp_path / name for name in err.splitlines()]
    assert made and all(file.exists() for file in made) and not list(tmp_path.glob(".part*"))
    if ending in READABLE:
        items = [item for item in recorded(10) if ending == ".mcap" or not isinstance(item, SourceEvent)]
        back = list({".mcap": Mcap, ".jsonl": JsonLines}[ending]().read(made[0]))
        for item, one in zip(items, back, strict=True):
            if ending == ".mcap":
                assert told([item]) == told([one])
            for person, again in zip(
                *([] if isinstance(i, SourceEvent) else i[0].people for i in (item, one)), strict=True
            ):
                np.testing.assert_allclose(again.joints, person.joints, atol=6e-7)


def test_nothing_that_is_there_is_replaced(command, tmp_path):
    (tmp_path / "out-2.npz").write_text("kept")
    code, err = command("convert", "run.mcap", "out.npz")
    assert code == 0 and err.splitlines()[-2:] == ["out-1.npz", "out-2-2.npz"]
    assert (tmp_path / "out-2.npz").read_text() == "kept"
    assert command("convert", "run.mcap", "out.npz", "--overwrite")[0] == 0
    assert (tmp_path / "out-2.npz").read_bytes()[:2] == b"PK"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run.mcap", "out.fbx"), 2, "the file out.fbx has an ending that is not known: give one of .mcap, .jsonl, "),
        (("out.bvh", "out.glb"), 2, "the recording out.bvh has an ending that is not known: give one of .mcap, .jsonl"),
        (("nowhere.mcap", "out.glb"), 4, "cannot read nowhere.mcap (No such file or directory)"),
        (("run.mcap", "run.mcap", "--overwrite"), 2, "would destroy run.mcap"),
        (("run.mcap", "folder.glb"), 2, "cannot write folder.glb (Is a directory)"),
    ],
)
def test_what_cannot_be_converted(command, tmp_path, arguments, code, said):
    (tmp_path / "folder.glb").mkdir()
    before = sorted(tmp_path.iterdir())
    assert (ended := command("convert", *arguments))[0] == code
    assert ended[1].count("\n") == 1 and said in ended[1]
    assert sorted(tmp_path.iterdir()) == before


def test_a_run_makes_the_format_when_it_ends(command, tmp_path):
    assert command("--source", "run.mcap", "--bind", "", "--record", "out.bvh")[0] == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out-1.bvh", "out-2.bvh", "run.mcap"]


def test_what_cannot_be_made_leaves_the_journal(command, tmp_path):
    Mcap().write(recorded(3, ids=()), tmp_path / "nobody.mcap", lambda file: file)
    code, err = command("--source", "nobody.mcap", "--bind", "", "--record", "out.bvh")
    assert code == 5
    assert "nobody was seen in the recording: there is nothing to write; the journal out.bvh.mcap stays" in err
    assert (tmp_path / "out.bvh.mcap").exists()


def test_a_crash_leaves_the_journal_of_which_the_format_is_made(command, tmp_path):
    flags = ["--source", "run.mcap", "--realtime", "--bind", "", "--record", "out.npz"]
    with subprocess.Popen([*COMMAND, *flags], cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        journal, until = tmp_path / "out.npz.mcap", time.monotonic() + 60
        while (
            process.poll() is None
            and time.monotonic() < until
            and not (journal.exists() and journal.stat().st_size > 9000)
        ):
            time.sleep(0.02)
        process.kill()
    assert command("convert", "out.npz.mcap", "out.npz")[0] == 0
    with np.load("out-1.npz") as data:
        assert 1 <= len(data["poses"]) <= 12
