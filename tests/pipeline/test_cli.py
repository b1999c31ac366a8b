"""The command line: every bad input ends in one sentence and the exit code that says whose fault it was."""

import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from typing import get_args

import click
import pytest
from pymafx_live.configs.schema import Settings, keys
from pymafx_live.core import errors
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import EXIT_ASSET, EXIT_FRAMES, EXIT_OK, EXIT_SOURCE, EXIT_USAGE, LiveError, SourceError
from pymafx_live.core.interfaces import log_progress
from pymafx_live.core.types import Estimate, Scene
from pymafx_live.engines import ENGINES
from pymafx_live.engines.landmarks.engine import LandmarkEngine
from pymafx_live.pipeline import cli, terminal
from pymafx_live.pipeline.settings import run_settings

INSTALLED = {name for names in packages_distributions().values() for name in names}


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs `pymafx-live` with arguments; gives the exit code, standard output and standard error."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main.main([str(argument) for argument in arguments], prog_name="pymafx-live")
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("--source a.mp4", [("a.mp4", "")]),
        ("--source a.mp4 --name door", [("a.mp4", "door")]),
        ("--name door", [("0", "door")]),
        ("--source a.mp4 --source 1 --name door --realtime", [("a.mp4", "door"), ("1", "")]),
        ("--source a.mp4 --source 1 --name door --name desk", [("a.mp4", "door"), ("1", "desk")]),
    ],
)
def test_sources_and_their_names(command, monkeypatch, arguments, expected):
    ran: list[Settings] = []
    monkeypatch.setattr(terminal, "run_in_terminal", lambda settings, _: ran.append(settings))
    assert command(*arguments.split())[0] == EXIT_OK
    cameras = ran[0].cameras()
    assert [(source.uri, source.name) for source, _ in cameras] == expected
    assert {source.realtime for source, _ in cameras} == {"--realtime" in arguments}


def test_more_names_than_sources(command):
    outcome = command("--source", "a", "--source", "b", *["--name", "x"] * 3)
    assert_sentence(outcome, EXIT_USAGE, "--name is given 3 times and --source 2 times")


def assert_sentence(outcome: tuple[int, str, str], code: int, *words: str) -> None:
    exit_code, out, err = outcome
    assert (exit_code, out) == (code, "")
    assert err.startswith("pymafx-live: ")
    assert err.count("\n") == 1, err
    for word in words:
        assert word in err


def test_help_needs_nothing_heavy():
    code = "import sys, json; import pymafx_live.pipeline.cli; print(json.dumps(list(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    heavy = {"av", "cv2", "numba", "onnxruntime", "rich", "scipy", "torch", "zmq"}
    assert not heavy & set(loaded)


def test_help_names_every_flag(command):
    code, out, _ = command("--help")
    assert code == EXIT_OK
    for key in keys(run_settings()):
        assert not key.flag or f"{key.flag} " in out


def test_every_flag_sets_its_key(command, monkeypatch, tmp_path):
    given: list[Settings] = []
    monkeypatch.setattr(terminal, "run_in_terminal", lambda settings, _: given.append(settings))
    values = {bool: None, int: "3", float: "0.5", str: "word"}
    address = "127.0.0.1:9"
    numbers = {
        "detector.size": "320",
        "source.uri": "clip.mp4",
        "output.metrics": address,
        "source.webcam_size": "640x480",
        "source.max_fps": "7.5",
        "output.robot": "gmr",
        "output.robot_hold": "0.7",
        "output.vmc": address,
        "output.web": address,
        "output.rerun": address,
        "output.vmc_parts": "body",
        "output.osc_trackers": address,
        "output.osc_trackers_parts": "hip,feet",
    }
    needs = {"--engine": ["--assets", "."]}
    for key in keys(run_settings()):
        if not key.flag:
            continue
        name = f"{key.section}.{key.name}"
        choices = get_args(key.kind[-1] if isinstance(key.kind, tuple) else key.kind)
        value = choices[-1] if choices else numbers.get(name, values[key.kind])
        flag = f"--no-{key.flag[2:]}" if key.default is True else key.flag
        assert command(flag, *([value] if value else []), *needs.get(key.flag, []))[0] == EXIT_OK
        expected = value if choices else key.kind(value) if value else flag == key.flag
        assert getattr(getattr(given[-1], key.section), key.name) == expected
        assert given[-1] != run_settings()()
    (tmp_path / "live.yaml").write_text("detector: {size: 320}\nrun: {threads: 2}\n")
    command("--config", tmp_path / "live.yaml", "--threads", 4)
    assert (given[-1].detector.size, given[-1].run.threads) == (320, 4)


def test_a_wrong_flag(command):
    code, _, err = command("--sourc", "0")
    assert code == EXIT_USAGE
    assert "--source" in err


def test_a_missing_file(command, tmp_path):
    outcome = command("--source", tmp_path / "nowhere.mp4")
    assert_sentence(outcome, EXIT_SOURCE, "there is no file", "nowhere.mp4", "check the path")


def test_an_empty_video(command, tmp_path):
    (tmp_path / "empty.mp4").touch()
    outcome = command("--source", tmp_path / "empty.mp4")
    assert_sentence(outcome, EXIT_SOURCE, "empty.mp4 is empty", "give another file")


def test_an_unreadable_video(command, tmp_path):
    (tmp_path / "notes.mp4").write_text("no video")
    outcome = command("--source", tmp_path / "notes.mp4")
    assert_sentence(outcome, EXIT_SOURCE, "notes.mp4 is not a video", "give another file")


def test_a_folder_with_no_image(command, tmp_path):
    outcome = command("--source", tmp_path)
    assert_sentence(outcome, EXIT_SOURCE, f"the folder {tmp_path} holds no image", ".jpg", "check the path")


@pytest.mark.skipif(sys.platform != "linux", reason="the device nodes are Linux's")
def test_a_camera_that_is_not_there(command):
    assert_sentence(command("--source", 99, "--no-wait"), EXIT_SOURCE, "camera 99 is not there", "plug it in")


def test_a_refused_url(command):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    outcome = command("--source", f"rtsp://127.0.0.1:{port}/live", "--no-wait")
    assert_sentence(outcome, EXIT_SOURCE, f"127.0.0.1:{port}/live refused the connection", "check the address")


def test_a_silent_url(command, tmp_path):
    (tmp_path / "live.yaml").write_text("source: {timeout: 0.5}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/live"
        outcome = command("--source", url, "--config", tmp_path / "live.yaml", "--no-wait")
    assert_sentence(outcome, EXIT_SOURCE, "has sent nothing for 0.5 s", "check that it is on and reachable")


def test_a_wrong_config_key(command, tmp_path):
    (tmp_path / "live.yaml").write_text("detector: {sise: 320}")
    outcome = command("--config", tmp_path / "live.yaml")
    assert_sentence(outcome, EXIT_USAGE, "unknown key `detector.sise`", "did you mean `size`?")


def test_a_busy_port(command, clips):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        outcome = command("--source", clips.write(), "--bind", address)
    assert_sentence(outcome, EXIT_USAGE, f"cannot publish on {address}", "give another --bind")


def test_a_detector_file_that_is_missing(command, clips):
    outcome = command("--source", clips.write(), "--bind", "", "--detector", clips.folder / "nowhere.onnx")
    assert_sentence(outcome, EXIT_ASSET, "nowhere.onnx")


def test_a_detector_file_that_is_no_yolo(command, clips):
    other = Path(str(files("pymafx_live.engines.data"))) / "hand_recrop.onnx"
    for file in (other, clips.write("notes.onnx.mp4").rename(clips.folder / "notes.onnx")):
        outcome = command("--source", clips.write(), "--bind", "", "--detector", file)
        assert_sentence(outcome, EXIT_ASSET, str(file))


@pytest.mark.skipif("trackers" in INSTALLED, reason="the extra is installed")
def test_a_missing_extra(command, clips):
    outcome = command("--source", clips.write(), "--bind", "", "--tracker", "trackers:sort")
    assert_sentence(outcome, EXIT_USAGE, "trackers", "pip install")


def test_an_unknown_tracker(command, clips):
    outcome = command("--source", clips.write(), "--bind", "", "--tracker", "nonsense")
    assert_sentence(outcome, EXIT_USAGE, "nonsense")


@pytest.mark.parametrize("flag", ["--engine", "--parts", "--runtime", "--precision"])
def test_an_unknown_choice(command, flag):
    code, out, err = command(flag, "nonsense")
    assert (code, out) == (EXIT_USAGE, "")
    assert flag in err and "'nonsense' is not one of" in err


def test_pymafx_without_its_files(command, clips):
    outcome = command("--source", clips.write(), "--bind", "", "--engine", "pymafx")
    assert_sentence(outcome, EXIT_USAGE, "give --assets", "docs/pymafx.md")
    outcome = command("--source", clips.write(), "--bind", "", "--engine", "pymafx", "--assets", "nowhere")
    assert_sentence(outcome, EXIT_ASSET, "nowhere is not a folder")


def test_a_bad_calibration(command, clips):
    (clips.folder / "camera.yaml").write_text("fx: 500")
    outcome = command("--source", clips.write(), "--calibration", clips.folder / "camera.yaml")
    assert_sentence(outcome, EXIT_ASSET, "camera.yaml is not usable", "camera_matrix")


def test_listening_where_nothing_can_be(command):
    assert_sentence(command("listen", "--connect", "nowhere"), EXIT_USAGE, "cannot connect to nowhere", "tcp://")


def test_verbose_adds_the_traceback(command, tmp_path):
    code, _, err = command("--source", tmp_path / "nowhere.mp4", "-v")
    assert code == EXIT_SOURCE
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("pymafx-live: there is no file")


def test_what_a_long_start_is_at_is_shown_and_is_no_warning(command, monkeypatch):
    def begin(settings: Settings, statistics: object, watch: object, stop: object) -> None:
        log_progress("composing the network")
        logging.getLogger("pymafx_live.engines").info("not asked for")

    monkeypatch.setattr(terminal, "run", begin)
    code, _, err = command()
    assert (code, err.strip()) == (0, "composing the network")


def test_a_log_of_json_has_one_object_a_line_and_nothing_else(command, monkeypatch):
    def begin(settings: Settings, statistics: object, watch: object, stop: object) -> None:
        SECRETS.learn("rtsp://me:s3cr3t@door/1")
        logging.getLogger("pymafx_live.pipeline").warning("rtsp: no answer for me:s3cr3t@door")
        raise SourceError("the camera is gone")

    monkeypatch.setattr(terminal, "run", begin)
    code, _, err = command("--log", "json")
    lines = [json.loads(line) for line in err.splitlines()]
    assert code == SourceError.exit_code
    assert [(line["level"], line["message"].partition(":")[0]) for line in lines] == [
        ("warning", "rtsp"), ("error", "the camera is gone"), ("info", ""),
    ]  # fmt: skip
    assert "s3cr3t" not in err
    assert lines[-1]["summary"]["frames"] == 0
    assert all(line["logger"].startswith("pymafx_live.") and line["time"] > 1.7e9 for line in lines)
    _, _, err = command("--log", "json", "-v")
    errors = [line["error"] for line in map(json.loads, err.strip().splitlines()[:3]) if line["level"] == "error"]
    assert len(errors) == 1 and 'raise SourceError("the camera is gone")' in errors[0]


def test_an_error_of_ours_asks_for_a_report(command, monkeypatch):
    def broken(settings: Settings, stop: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(terminal, "run_in_terminal", broken)
    outcome = command()
    assert_sentence(outcome, 1, "ZeroDivisionError: division by zero", "please report it", "-v")


def test_flags_are_clicks_own_types():
    """A value of another type is refused by the command line itself, with its usual sentence."""
    kinds = {option.name: option.type for option in cli.main.params}
    assert kinds["detector__size"] is click.INT
    assert kinds["detector__confidence"] is click.FLOAT


@pytest.mark.parametrize(("given", "stride"), [("3", 3), ("auto", "auto")])
def test_a_stride_is_a_number_or_auto(command, monkeypatch, given, stride):
    asked: list[Settings] = []
    monkeypatch.setattr(terminal, "run_in_terminal", lambda settings, _: asked.append(settings))
    assert command("--stride", given)[0] == 0
    assert asked[0].detector.stride == stride


@pytest.mark.parametrize(
    ("given", "lock", "most"),
    [(["--lock"], "largest", 1), (["--lock", "--json", "-"], "largest", 1), (["--lock", "first"], "first", 1),
     (["--lock", "7"], 7, 1), (["--lock", "--max-people", "3"], "largest", 3), ([], None, 8)],
)  # fmt: skip
def test_who_is_locked_is_the_only_one_unless_more_are_asked_for(command, monkeypatch, given, lock, most):
    asked: list[Settings] = []
    monkeypatch.setattr(terminal, "run_in_terminal", lambda settings, _: asked.append(settings))
    assert command(*given)[0] == 0
    assert (asked[0].engine.lock, asked[0].engine.max_people) == (lock, most)


@pytest.mark.parametrize(("given", "smoothing"), [("raw", "raw"), ("0.5", 0.5), ("2", 2.0), ("smooth", "smooth")])
def test_a_smoothing_is_a_preset_or_a_number(command, monkeypatch, given, smoothing):
    asked: list[Settings] = []
    monkeypatch.setattr(terminal, "run_in_terminal", lambda settings, _: asked.append(settings))
    assert command("--smoothing", given)[0] == 0
    assert asked[0].engine.smoothing == smoothing
    assert "must be `raw`, `responsive`, `smooth` or a number" in command("--smoothing", "soft")[2]


@pytest.mark.parametrize("password", ["secret", "p@ss#wo[rd/x", "sec%20ret"])
def test_no_password_leaves_the_process_not_even_in_a_traceback(command, tmp_path, monkeypatch, password):
    monkeypatch.setenv("DOOR", f"rtsp://admin:{password}@127.0.0.1:1/live")
    kept = tmp_path / "door.txt"
    kept.write_text(f"rtsp://admin:{password}@127.0.0.1:1/live\n")
    for source in (f"rtsp://admin:{password}@127.0.0.1:1/live", "env:DOOR", f"file:{kept}"):
        code, out, err = command("--source", source, "-v", "--no-wait")
        assert code == EXIT_SOURCE
        assert "rtsp://127.0.0.1:1/live refused the connection" in err
        assert "Traceback" in err
        assert password not in out + err


@pytest.mark.parametrize(
    "value", ["s3cr3tPASS", "password=s3cr3tPASS", "rtsp:/10.0.0.1/user=admin&password=s3cr3tPASS", ""]
)
def test_what_holds_no_address_is_not_shown(command, tmp_path, monkeypatch, value):
    (tmp_path / "door.txt").write_text(value)
    monkeypatch.setenv("DOOR", value)
    for source in ("env:DOOR", f"file:{tmp_path / 'door.txt'}"):
        code, out, err = command("--source", source, "-v", "--bind", "")
        assert (code, "s3cr3t" in out + err) == (EXIT_USAGE, False), err
        assert source in err


@pytest.mark.parametrize(
    "source", ["http:/127.0.0.1/x?password=s3cr3t", "10.0.0.1/user=admin&password=s3cr3t", "x?Token=s3cr3t"]
)
def test_a_password_in_what_is_no_address_is_hidden(command, source):
    code, out, err = command("--source", source, "--bind", "", "-v")
    assert code == EXIT_SOURCE
    assert "s3cr3t" not in out + err


def test_a_file_that_holds_the_address_is_an_input(command, clips, tmp_path):
    kept = tmp_path / "camera.txt"
    kept.write_text(str(clips.write(count=2)))
    for flag in ("--json", "--stats"):
        code, _, err = command("--source", f"file:{kept}", "--bind", "", flag, kept, "--overwrite")
        assert code == EXIT_USAGE and f"{flag} {kept} would destroy" in err
    assert kept.read_text() == str(clips.folder / "clip.mp4")


@pytest.mark.parametrize("source", ["env:NOT_SET", "file:not-there.txt"])
def test_an_address_that_is_kept_nowhere(command, source):
    assert_sentence(command("--source", source), EXIT_USAGE, source.partition(":")[2])


def test_a_source_that_is_given_bare_gets_a_hint(command):
    code, _, err = command("clip.mp4")
    assert code == EXIT_USAGE
    assert "--source clip.mp4" in err


def test_a_flag_that_a_command_would_ignore_is_refused(command):
    code, _, err = command("--bind", "tcp://127.0.0.1:5556", "listen")
    assert code == EXIT_USAGE
    assert "--bind means nothing to listen" in err


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (("--uri", "0"), "Did you mean --source?"),
        (("--jsonl", "x"), "Did you mean --json?"),
        (("--timeout", "3"), "It is a key of the --config file only: source: {timeout: ...}."),
        (("demo",), "a source is given as --source demo"),
    ],
)
def test_the_name_of_a_key_or_a_source_as_a_flag_gets_a_hint(command, given, hint):
    code, _, err = command(*given)
    assert code == EXIT_USAGE
    assert err.splitlines()[-1].replace("'", "").endswith(hint)  # which click quotes since 8.2


class Failing(LandmarkEngine):
    """The embedded engine, which fails on its second frame."""

    calls = 0

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        self.calls += 1
        if self.calls == 2:
            raise MemoryError("of the card")
        return super().estimate(scenes)


def test_a_frame_on_which_the_engine_failed_is_told_at_the_end(command, clips, monkeypatch):
    monkeypatch.setitem(ENGINES, "landmarks", f"{__name__}:Failing")
    code, _, err = command("--source", clips.write(count=4), "--bind", "", "--stats", clips.folder / "stats.json")
    assert code == EXIT_FRAMES
    assert "4 frames in" in err and "Traceback" not in err
    assert err.count("the engine landmarks failed on a frame of clip.mp4 (MemoryError: of the card)") == 1
    assert err.splitlines()[-1] == (
        "pymafx-live: the engine landmarks failed on 1 frame, at first with MemoryError: of the card: who was there "
        "was held, and the run went on"
    )
    assert json.loads((clips.folder / "stats.json").read_text())["faults"] == {"engine landmarks": 1}
    code, _, err = command("--source", clips.folder / "clip.mp4", "--bind", "", "-v")
    assert code == EXIT_FRAMES
    assert 'raise MemoryError("of the card")' in err


def test_the_page_lists_every_exit_code():
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)]
    ours = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert listed == sorted({*ours, LiveError.exit_code, 130})


@pytest.mark.parametrize("name", ["\x1b[2J.mp4", "a\nb", "\u202egpj", "[red]x[/y]"])
def test_a_wrong_word_reaches_the_terminal_as_it_is_written_not_as_it_works(command, name, tmp_path):
    for arguments in ([name], ["--source", f"{tmp_path}/{name}"], ["--engine", name], ["assets", "check", name]):
        code, out, err = command(*arguments)
        assert code != EXIT_OK and name.encode("unicode_escape").decode() in (out + err).replace("\\\\", "\\")
        assert all(line.isprintable() for line in (out + err).splitlines())


@pytest.mark.parametrize("flag", ["--json", "--stats", "--save"])
def test_an_output_never_destroys_the_configuration_or_the_keys(command, clips, flag):
    file, keys = clips.folder / "live.yaml", clips.folder / "keys"
    file.write_text("run: {max_frames: 1}\n")
    assert command("keygen", keys)[0] == EXIT_OK
    ours = ["--config", file, "--source", clips.write(), "--overwrite", "--bind", "tcp://127.0.0.1:*"]
    outcome = command(*ours, flag, file)
    assert_sentence(outcome, EXIT_USAGE, "would destroy the configuration of this run")
    secret = keys / "server.key_secret"
    before = secret.read_bytes()
    code, _, err = command(*ours, "--curve", secret, flag, secret)
    assert code == EXIT_USAGE and ("would destroy" in err or "--save" in err), err
    assert secret.read_bytes() == before
