"""`pymafx-live fleet` where there is nothing to join, and what it prints."""

import json
import socket

import pytest
from click.testing import CliRunner
from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.cli import main
from pymafx_live.pipeline.fleet.manager import _changes, _check_room, _complete
from pymafx_live.pipeline.fleet.report import event, line, tables


@pytest.fixture
def command(tmp_path, monkeypatch):
    """What a command answers, in a home of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "cameras.yaml").write_text("cameras: [{name: a, uri: demo}]")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(main, ["fleet", *arguments])
        return result.exit_code, result.output

    return run


def test_a_file_that_is_wrong_begins_nothing(command, tmp_path):
    (tmp_path / "cameras.yaml").write_text("cameras: [{name: a, uri: demo, pool: b}]")
    code, said = command("cameras.yaml")
    assert code == 2 and "pool 'b'" in said and not (tmp_path / "cache").exists()


@pytest.mark.parametrize("arguments", [("status",), ("move", "a"), ("drain", "n"), ("stop",), ("targets", "t.json")])
def test_no_fleet_on_this_machine(command, arguments):
    pytest.importorskip("ray")
    code, said = command(*arguments)
    assert code == 2 and said.count("\n") == 1 and "no fleet runs on this machine" in said


def test_clusters_that_are_not_there(command):
    pytest.importorskip("ray")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{probe.getsockname()[1]}"
    for address, why in [
        (nobody, f"there is no cluster at {nobody} (Connection refused)"),
        ("here", "here is no address of a cluster"),
        ("ray://127.0.0.1:10001", "is no address of a cluster"),
        ("auto", "no cluster was begun on this machine"),
    ]:
        code, said = command("cameras.yaml", "--address", address)
        assert code == 2 and why in said and said.count("\n") == 1


NODES = [{"id": "a", "cpus": 4.0, "gpus": 0.0}]


def test_what_no_node_has():
    with pytest.raises(UsageError, match="the pool fast needs 1 GPU a worker, and no node of the cluster has one"):
        _check_room({"fast": {"cpus": 1.0, "gpus": 1.0}}, NODES)
    with pytest.raises(UsageError, match=r"needs 8 CPUs and 0 GPUs a worker, .* \(the largest has 4 CPUs\)"):
        _check_room({"slow": {"cpus": 8.0, "gpus": 0.0}}, NODES)
    _check_room({"slow": {"cpus": 4.0, "gpus": 0.0}}, NODES)


def test_a_file_without_pools_takes_what_there_is():
    wanted = {"settings": {}, "pools": {}}
    assert _complete(wanted, NODES)["pools"]["default"]["cpus"] == 2
    assert _complete(wanted, [*NODES, {"id": "b", "cpus": 4.0, "gpus": 2.0}])["pools"]["default"]["gpus"] == 1


def test_what_has_changed_is_said():
    door, pool = {"uri": "demo"}, {"cpus": 1.0}
    common = {"publish": "tcp://*:1", "curve": "", "insecure": True, "timeout": 5.0, "balance": True}
    one = {"cameras": {"door": door, "yard": door}, "pools": {"p": pool}, **common}
    other = {
        "cameras": {"door": {**door, "rotate": 90}, "roof": door},
        "pools": {"p": pool},
        **common,
        "balance": False,
    }
    assert _changes({}, one) == ["camera door is added", "camera yard is added", "pool p is added"]
    assert _changes(one, one) == []
    assert _changes(one, other) == [
        "camera yard is removed", "camera roof is added", "camera door is changed", "balance is False",
    ]  # fmt: skip
    assert _changes(one, {**one, "publish": "tcp://*:2"}) == ["the address is tcp://*:2"]


STATUS = {
    "version": "1", "address": "tcp://127.0.0.1:1", "fault": "", "short": {}, "event": 1,
    "nodes": [{"id": "c0ffee00", "name": "hall", "address": "10.0.0.1", "cpus": 4.0, "gpus": 1.0, "head": True,
               "drained": False, "version": "1"}],
    "workers": [{"name": "p-1", "pool": "p", "node": "c0ffee00", "state": "ready", "pid": 7, "busy": 0.5,
                 "metrics": "", "cameras": ["door"]}],
    "cameras": [
        {"name": "door", "state": "live", "worker": "p-1", "reason": "", "fps": 12.5, "dropped": 0.25, "people": 2,
         "age_ms": {"p50": 80.0, "p95": 120.0}, "run": "0123456789ab"},
        {"name": "ya\x1brd", "state": "waiting", "worker": "", "reason": "no room"},
    ],
}  # fmt: skip


def test_the_line_and_the_tables():
    said = line(STATUS)
    for part in ("1 live, 1 waiting", "1 worker on 1 node", "12.5 results/s", "120 ms old (door)", "25% dropped"):
        assert part in said
    assert "2 people" in said and "pool p: full" in line({**STATUS, "short": {"p": "full"}})
    assert json.dumps(STATUS)
    cells = [str(cell) for table in tables(STATUS) for column in table.columns for cell in column.cells]
    assert "ya\\x1brd" in cells and "80, 120" in cells and "c0ffee00" in cells
    assert event({"number": 1, "at": 0.0, "text": "a\nb"}).endswith("a\\nb")
