"""No output destroys what a run reads, nor what was there before."""

import json
import os
import socket
from pathlib import Path

import cv2
import pytest
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.outputs.zmq import ZmqOutput
from pymafx_live.pipeline.run import Makers, run
from pymafx_live.pipeline.settings import run_settings
from pymafx_live.pipeline.statistics import Statistics


def play(source, detector, engine, **output):
    """A whole run of a file, with outputs."""
    settings = run_settings().model_validate({"source": {"uri": str(source)}, "output": {"bind": "", **output}})
    run(settings, Statistics(), makers=Makers(detector=lambda *_: detector, engine=lambda *_: engine))


@pytest.mark.parametrize("flag", ["save", "jsonl", "stats"])
@pytest.mark.parametrize("link", ["itself", "symbolic", "hard", "spelled"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_output_is_the_source(clips, green_detector, box_engine, flag, link, overwrite):
    source = clips.write(count=3)
    before = source.read_bytes()
    other = clips.folder / "other.mp4"
    match link:
        case "symbolic":
            other.symlink_to(source)
        case "hard":
            os.link(source, other)
        case "spelled":
            other = clips.folder / ".." / clips.folder.name / source.name
        case _:
            other = source
    with pytest.raises(UsageError, match=r"would destroy .*clip\.mp4, which this run reads"):
        play(source, green_detector, box_engine, overwrite=overwrite, **{flag: str(other)})
    assert source.read_bytes() == before


def test_a_folder_of_pictures_is_not_written_into(clips, green_detector, box_engine):

    folder = clips.folder / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "000000.png"), clips.picture(1))
    with pytest.raises(UsageError, match=r"would destroy .*000000\.png"):
        play(folder, green_detector, box_engine, save=str(folder), overwrite=True)
    assert [path.name for path in folder.iterdir()] == ["000000.png"]


def test_what_was_there_stays_and_the_next_number_is_told(clips, green_detector, box_engine, caplog):
    source, lines = clips.write(count=3), clips.folder / "out.jsonl"
    for _ in range(3):
        play(source, green_detector, box_engine, jsonl=str(lines), save=str(clips.folder / "out.mp4"))
    names = sorted(path.name for path in clips.folder.iterdir())
    assert names == [
        "clip.mp4", "out-2.jsonl", "out-2.mp4", "out-3.jsonl", "out-3.mp4", "out.jsonl", "out.mp4",
    ]  # fmt: skip
    assert "out.jsonl is there already: --json goes to" in caplog.text
    play(source, green_detector, box_engine, jsonl=str(lines), overwrite=True)
    sequences = [json.loads(line)["sequence"] for line in lines.read_text().splitlines()]
    assert sequences == [0, 1, 2, 2]  # the last line says goodbye


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_run_that_gets_nowhere_leaves_what_was_there(clips, box_engine, overwrite):
    kept = {clips.folder / "out.jsonl": b"{}\n", clips.folder / "out.mp4": b"film"}
    for path, content in kept.items():
        path.write_bytes(content)

    def broken(*_):
        raise UsageError("no such detector")

    settings = {
        "source": {"uri": str(clips.write(count=3))},
        "output": {"bind": "", "overwrite": overwrite} | dict(zip(("jsonl", "save"), map(str, kept), strict=True)),
    }
    with pytest.raises(UsageError, match="no such detector"):
        run(run_settings().model_validate(settings), Statistics(), makers=Makers(detector=broken))
    assert {path: path.read_bytes() for path in kept} == kept


def test_two_outputs_do_not_share_a_file(tmp_path):
    targets = Targets(overwrite=True)
    targets.file(tmp_path / "out.json", "--json")
    with pytest.raises(UsageError, match=r"--stats .*out\.json is written by another output too"):
        targets.file(tmp_path / "out.json", "--stats")


def test_a_folder_that_cannot_be_written_is_told_before_the_first_frame(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"cannot write .*give another --save"):
        Targets().file(tmp_path / "file" / "out.mp4", "--save")
    with pytest.raises(UsageError, match=r"cannot write .*\(Is a directory\): give another --json"):
        Targets().file(tmp_path, "--json")


@pytest.mark.parametrize("port", ["0", "65536", "80000", "-5", "", "५", "1e3"])
def test_a_port_that_there_is_not(port: str):
    with pytest.raises(UsageError, match=r"a port is 1 to 65535, or \* for any"):
        ZmqOutput(f"tcp://127.0.0.1:{port}")


def test_a_port_that_was_left_to_the_system_is_told(caplog):
    output = ZmqOutput("tcp://127.0.0.1:*")
    assert caplog.messages == [f"publishing on {output.address}"]
    output.close()


def test_an_address_that_is_a_file_or_taken_is_left_alone(tmp_path: Path):
    file, taken = tmp_path / "notes.txt", tmp_path / "live.sock"
    file.write_text("mine")
    with pytest.raises(UsageError, match="a file is there; give another --bind"):
        ZmqOutput(f"ipc://{file}")
    assert file.read_text() == "mine"
    first = ZmqOutput(f"ipc://{taken}")
    with pytest.raises(UsageError, match="another program uses it"):
        ZmqOutput(f"ipc://{taken}")
    first.close()
    with socket.socket(socket.AF_UNIX) as left:  # as a run that was killed leaves it
        left.bind(str(tmp_path / "old.sock"))
    ZmqOutput(f"ipc://{tmp_path / 'old.sock'}").close()


@pytest.mark.parametrize("address", ["ipc://held", "ipc://./held", "IPC://held"])
def test_a_socket_with_a_relative_path_takes_no_file_and_no_other_output(
    clips, green_detector, box_engine, monkeypatch, address
):
    monkeypatch.chdir(clips.folder)
    held, source = Path("held"), clips.write(count=2)
    held.write_text("kept")
    with pytest.raises(UsageError, match="a file is there"):
        play(source, green_detector, box_engine, bind=address)
    assert held.read_text() == "kept"
    held.unlink()
    with pytest.raises(UsageError, match="is written by another output too"):
        play(source, green_detector, box_engine, bind=address, jsonl="held")
    first = ZmqOutput("ipc://live.sock")
    with pytest.raises(UsageError, match="another program uses it"):
        play(source, green_detector, box_engine, bind="ipc://live.sock")
    first.close()
