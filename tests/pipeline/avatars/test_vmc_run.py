"""What a user gives for an avatar, and what becomes of it in a run."""

import logging
import re
import socket
import subprocess
import sys

import pytest
from pydantic import ValidationError
from pymafx_live.core.errors import AssetError, UsageError
from pymafx_live.pipeline.avatars.udp import UdpSender
from pymafx_live.pipeline.outputs.osc_trackers import TrackerOutput, TrackerSettings
from pymafx_live.pipeline.outputs.vmc import VmcOutput, VmcSettings
from pythonosc.osc_packet import OscPacket
from support.vrm_avatar import make


@pytest.mark.parametrize("address", ["127.0.0.1:0", "127.0.0.1:70000", "no-such-host.invalid:39539"])
def test_an_address_that_cannot_be_is_one_sentence(address):
    with pytest.raises(UsageError, match=rf"cannot send to {address}.*give .*--vmc"):
        VmcOutput(VmcSettings(vmc=address))
    with pytest.raises(UsageError, match="--osc-trackers"):
        TrackerOutput(TrackerSettings(osc_trackers=address))


@pytest.mark.parametrize("wrong", [{"vmc": "127.0.0.1"}, {"vmc": ":9"}, {"vmc_parts": "feet"}, {"vmc_face": "happy"}])
def test_a_value_that_does_not_fit_is_refused(wrong):
    with pytest.raises(ValidationError):
        VmcSettings(**wrong)


def test_an_avatar_that_is_none_is_one_sentence(tmp_path):
    (tmp_path / "text.vrm").write_text("an avatar")
    for file, why in (
        ("text.vrm", "is no VRM avatar: it is no binary glTF file"),
        ("none.vrm", "cannot read the avatar"),
    ):
        with pytest.raises(AssetError, match=why):
            VmcOutput(VmcSettings(vmc="127.0.0.1:39539", vmc_avatar=str(tmp_path / file)))


def test_nobody_who_listens_is_said_once_and_stops_nothing(caplog):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        app.bind(("127.0.0.1", 0))
        port = app.getsockname()[1]
    with UdpSender("127.0.0.1", port, "--vmc") as sender, caplog.at_level(logging.WARNING):
        for _ in range(6):
            sender.send([b"1", b"2"])
        assert len([r for r in caplog.records if "nobody listens there" in r.message]) == 1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
            app.bind(("127.0.0.1", port))
            app.settimeout(5)
            sender.send([b"3"])
            sender.send([b"4"])
            assert app.recv(9) in (b"3", b"4")  # the answer to what went nowhere may still be to come


def run(folder, *arguments):
    program = "from pymafx_live.pipeline.start import main; main()"
    command = [sys.executable, "-c", program, "--bind", "", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_run_moves_an_avatar_and_lets_it_rest(tmp_path):
    make(tmp_path / "avatar.vrm", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        app.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        app.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{app.getsockname()[1]}"
        (tmp_path / "live.yaml").write_text(
            f"output: {{vmc: '{address}', vmc_avatar: avatar.vrm, vmc_bundles: off, osc_trackers: '{address}'}}"
        )
        done = run(tmp_path, "--config", "live.yaml", "--source", "demo", "--max-frames", "8")
        assert done.returncode == 0, done.stderr
        app.setblocking(False)
        messages = []
        with pytest.raises(BlockingIOError):
            while True:
                messages += [m.message for m in OscPacket(app.recv(65536)).messages]
    states = [m.params for m in messages if m.address == "/VMC/Ext/OK"]
    assert [1, 3, 0, 1] in states  # followed
    assert [1, 3, 0, 0] in states  # lost, at the end of the run
    assert states[-1][0] == 0
    assert {m.params[0] for m in messages if m.address == "/VMC/Ext/Bone/Pos"} >= {"Hips", "LeftLittleDistal"}
    assert {m.params[0] for m in messages if m.address == "/VMC/Ext/Blend/Val"} >= {"A", "Blink_L"}
    assert any(re.fullmatch(r"/tracking/trackers/head/position", m.address) for m in messages)
