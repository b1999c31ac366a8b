"""A worker as an actor of a real Ray, with the real networks: what is left when it dies."""

import os
import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymafx_live.core.errors import SourceError
from pymafx_live.pipeline.client import Subscriber
from pymafx_live.pipeline.fleet import keys
from pymafx_live.pipeline.fleet.actors import OPENING, make_worker
from pymafx_live.pipeline.fleet.allocation import Member
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.worker import Worker
from support.clips import write
from support.watching import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")]
LIMIT = 180
"""Seconds that an answer may take on a machine that has other work."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Ray on this machine, in a folder of its own; at the end no process of it is left."""
    folder = tempfile.mkdtemp(prefix="r")  # Unix sockets below it have no room for a long name
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "disabled")  # or it writes a token into the user's folder
    module = ray()
    module.init(
        address="local", num_cpus=2, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False,
        configure_logging=False, _temp_dir=folder,
    )  # fmt: skip
    processes = psutil.Process().children(recursive=True)
    try:
        yield module
    finally:
        module.shutdown()
        psutil.wait_procs(processes, 30)
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
        patch.undo()


def started(cluster: Any, name: str) -> tuple[Any, dict[str, Any]]:
    settings = {"run": {"runtime": "onnxruntime"}}
    actor = cluster.remote(Worker).options(num_cpus=1, max_concurrency=8).remote(name, settings)
    return actor, cluster.get(actor.state.remote(), timeout=LIMIT)


def camera(clip: Path, name: str) -> dict[str, Any]:
    return {"uri": str(clip), "name": name, "realtime": True, "loop": True, "priority": 1}


def heard(address: str, source: str, count: int) -> list[tuple[str, int]]:
    with Subscriber(address, source, timeout=LIMIT) as results:
        return [(result.run_id, result.sequence) for _, result in zip(range(count), results, strict=False)]


def test_a_worker_that_is_killed_leaves_nothing_and_another_has_its_camera(cluster, tmp_path) -> None:
    clip = write(tmp_path / "hall.mp4", 0, 30, (320, 240))
    doomed, state = started(cluster, "w1")
    other, others = started(cluster, "w2")
    assert state["node"] and state["pid"] != others["pid"] and state["version"] == others["version"]
    with pytest.raises(SourceError, match=r"there is no file .*absent\.mp4"):
        cluster.get(doomed.add.remote(camera(tmp_path / "absent.mp4", "yard")), timeout=LIMIT)
    run = cluster.get(doomed.add.remote(camera(clip, "door"), LIMIT), timeout=LIMIT)["run"]
    before = cluster.get(other.add.remote(camera(clip, "yard"), LIMIT), timeout=LIMIT)
    assert {of for of, _ in heard(state["address"], "door", 3)} == {run}

    children = psutil.Process(state["pid"]).children(recursive=True)
    os.kill(state["pid"], signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(state["pid"]), LIMIT)
    assert not [child for child in children if child.is_running()]
    for address in (state["address"].removeprefix("tcp://"), state["metrics"]):
        host, _, port = address.rpartition(":")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, int(port)), 10)
    with pytest.raises(cluster.exceptions.RayActorError):
        cluster.get(doomed.state.remote(), timeout=LIMIT)

    after = cluster.get(other.add.remote(camera(clip, "door"), LIMIT), timeout=LIMIT)
    assert after["run"] not in (run, before["run"])
    seen = heard(others["address"], "door", 3)
    assert {of for of, _ in seen} == {after["run"]}
    assert cluster.get(other.state.remote(), timeout=LIMIT)["cameras"]["yard"]["run"] == before["run"]
    cluster.get(other.close.remote(), timeout=LIMIT)


def test_a_worker_that_waits_for_absent_cameras_says_how_it_is(cluster) -> None:
    node = cluster.get_runtime_context().get_node_id()
    member = Member("w1", "pool", node, "key", 1.0, 0.0)
    worker = make_worker(member, {"run": {"runtime": "onnxruntime"}}, keys.make().worker)
    try:
        cluster.get(worker.state.remote(), timeout=LIMIT)
        names = [f"away-{k}" for k in range(OPENING + 4)]  # more than are opened at once
        adds = [worker.add.remote({"uri": "rtsp://127.0.0.1:9/x", "name": name}, 10 * LIMIT) for name in names]
        wait_until(lambda: len(cluster.get(worker.state.remote(), timeout=30)["cameras"]) == OPENING, LIMIT)
        assert cluster.wait(adds, num_returns=1, timeout=0)[0] == []
        cluster.get(worker.remove.remote("away-0"), timeout=30)
    finally:
        cluster.kill(worker)


def test_ray_reports_to_nobody(cluster) -> None:
    node = cluster._private.worker._global_node
    logs = Path(node.get_logs_dir_path(), "dashboard.log")
    wait_until(lambda: logs.exists() and "Usage reporting is disabled" in logs.read_text(), LIMIT)
    told = [process for process in psutil.Process().children(recursive=True) if process.name() == "gcs_server"]
    assert [process.environ()["RAY_USAGE_STATS_ENABLED"] for process in told] == ["0"]
