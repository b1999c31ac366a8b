"""A real fleet on a real Ray of two nodes, with real cameras, and everything that can be broken in it."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from importlib import resources
from pathlib import Path

import av
import pytest
from support.camera_process import CameraProcess

pytest.importorskip("ray")

from pymafx_live.core.errors import UsageError
from pymafx_live.pipeline.fleet.fleet import check_versions
from support.fleets import PATIENCE, Hall, assert_one_after_the_other, assert_whole, hall, is_gone, is_well

pytestmark = pytest.mark.slow
FPS = 4
EVERY = 6
"""Of the demo's 25 frames a second."""
SIZE = (256, 144)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """Two people in a small picture, few frames a second; beside it the same as `people.h264`, for a camera."""
    file = tmp_path_factory.mktemp("clip") / "people.mp4"
    _write_small(file)
    _write_small(file.with_suffix(".h264"))
    return file


def _write_small(file: Path) -> None:
    demo = str(resources.files("pymafx_live.engines.data") / "demo.mp4")
    with av.open(demo) as source, av.open(str(file), "w") as film:
        stream = film.add_stream("libx264", rate=FPS, options={"g": "2", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, frame in enumerate(source.decode(video=0)):
            if number % EVERY == 0:
                small = frame.reformat(*SIZE, "yuv420p")
                small.pts, small.time_base = number // EVERY, Fraction(1, FPS)
                film.mux(stream.encode(small))
        film.mux(stream.encode(None))


@pytest.fixture(scope="module")
def cameras(clip) -> Iterator[list[CameraProcess]]:
    film = clip.with_suffix(".h264")
    with CameraProcess(film, FPS) as one, CameraProcess(film, FPS) as other:
        yield [one, other]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory, clip, cameras) -> Iterator[Hall]:
    """Four cameras, two that play a file and two that are real, on two workers, one on each node."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    content = {
        "publish": address,
        "timeout": 8.0,  # such machines have other work too
        "balance": False,
        "pools": [{"name": "hall", "cpus": 2, "workers": 2, "cameras": 5}],
        "settings": {
            "engine": {"max_people": 1},
            "detector": {"size": 256},
            "run": {"threads": 1},
            "source": {"timeout": 5.0},
        },
        "cameras": [
            {"name": "film", "uri": str(clip), "realtime": True, "loop": True, "target_fps": FPS},
            {"name": "reel", "uri": str(clip), "realtime": True, "loop": True},
            {"name": "door", "uri": cameras[0].url},
            {"name": "yard", "uri": cameras[1].url, "priority": 5},
        ],
    }
    with hall(tmp_path_factory.mktemp("fleet"), content, address) as made:
        made.wait_live()
        yield made


@pytest.fixture(autouse=True)
def _all_is_well(fleet) -> Iterator[None]:
    """Each test begins and ends with a fleet in which all is well, and nobody has heard anything twice."""
    fleet.wait_live()
    fleet.ear.results.clear()
    yield
    fleet.wait_live()
    for name in ("film", "reel", "door", "yard"):
        assert_one_after_the_other(fleet.ear.of(name))
        assert_whole(fleet.ear.of(name))


def _of_the_others(fleet: Hall, worker: str) -> dict[str, str]:
    """The runs of the cameras that are on other workers."""
    return {c["name"]: c["run"] for c in fleet.status()["cameras"] if c["worker"] != worker}


def _victim(fleet: Hall) -> tuple[dict, list[str]]:
    """A worker on the second node, and its cameras."""
    worker = next(w for w in fleet.status()["workers"] if w["node"] == fleet.nodes.second)
    for name in ("door", "reel"):
        if name not in worker["cameras"]:
            fleet.fleet.call("move", name, worker["name"])
    fleet.wait_live()
    fleet.ear.results.clear()
    return fleet.worker(worker["name"]), ["door", "reel"]


def _assert_undisturbed(fleet: Hall, runs: dict[str, str]) -> None:
    for name, run in runs.items():
        assert {r.run for r in fleet.ear.of(name)} == {run}, name


def test_each_node_has_a_worker_and_each_camera_one_of_them(fleet):
    """Who is ready first has all cameras at first; it may be long before the other is."""
    status = fleet.status()
    assert len({worker["node"] for worker in status["workers"]}) == len(status["workers"]) == 2
    assert sorted(name for worker in status["workers"] for name in worker["cameras"]) == [
        "door",
        "film",
        "reel",
        "yard",
    ]
    worker, moved = _victim(fleet)
    assert set(moved) <= set(worker["cameras"])
    for name in moved:
        fleet.hear(name, 3, 0.0, fleet.camera(name)["run"])


def test_the_same_file_again_changes_nothing(fleet):
    before = {camera["name"]: camera["run"] for camera in fleet.status()["cameras"]}
    told = fleet.command("apply", fleet.file, "--detach")
    assert told.returncode == 0 and "nothing is changed" in told.stderr
    began = time.monotonic()
    for name, run in before.items():
        fleet.hear(name, 3, began, run)
    assert {camera["name"]: camera["run"] for camera in fleet.status()["cameras"]} == before


def test_a_camera_moves_without_a_gap(fleet):
    worker, (name, *_) = _victim(fleet)
    others = {c["name"]: c["run"] for c in fleet.status()["cameras"] if c["name"] != name}
    before = fleet.camera(name)["run"]
    assert fleet.command("move", name).returncode == 0
    after = next(camera for camera in fleet.wait_live()["cameras"] if camera["name"] == name)
    assert after["worker"] != worker["name"] and after["run"] != before
    fleet.hear(name, 3, 0.0, after["run"])
    _assert_undisturbed(fleet, others)
    refused = fleet.command("move", name, after["worker"])
    assert refused.returncode == 2 and "another worker" in refused.stderr


def test_a_worker_that_is_killed(fleet):
    worker, lost = _victim(fleet)
    others = _of_the_others(fleet, worker["name"])
    runs = {name: fleet.camera(name)["run"] for name in lost}
    os.kill(worker["pid"], signal.SIGKILL)
    for name in lost:
        fleet.wait(lambda s, n=name: any(
            c["name"] == n and c["state"] == "live" and c.get("run") not in (None, runs[n]) for c in s["cameras"]
        ), "live elsewhere")  # fmt: skip
        fleet.hear(name, 3, 0.0, fleet.camera(name)["run"])
    _assert_undisturbed(fleet, others)
    events = [event for event in fleet.ear.events if event.source in lost]
    assert any(event.state == "reconnecting" and worker["name"] in event.reason for event in events)


def test_a_worker_behind_a_network_that_is_split(fleet):
    """It stands still, and when it goes on it has been replaced: nothing of it is heard any more, and it ends."""
    worker, lost = _victim(fleet)
    others = _of_the_others(fleet, worker["name"])
    os.kill(worker["pid"], signal.SIGSTOP)
    try:
        fleet.wait(lambda s: all(w["name"] != worker["name"] for w in s["workers"]), "given up")
        fleet.wait(lambda s: all(c["state"] == "live" for c in s["cameras"] if c["name"] in lost), "live elsewhere")
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker["pid"], signal.SIGCONT)
    end = time.monotonic() + PATIENCE
    while not is_gone(worker["pid"]):
        assert time.monotonic() < end
        time.sleep(0.1)
    _assert_undisturbed(fleet, others)


def test_a_node_that_vanishes_and_comes_back(fleet):
    worker, lost = _victim(fleet)
    others = _of_the_others(fleet, worker["name"])
    fleet.nodes.vanish()
    try:
        fleet.wait(lambda s: all(w["name"] != worker["name"] for w in s["workers"]), "given up")
        fleet.wait(lambda s: all(c["state"] == "live" for c in s["cameras"] if c["name"] in lost), "live elsewhere")
        _assert_undisturbed(fleet, others)
    finally:
        fleet.nodes.add()
    fleet.wait(lambda s: any(w["node"] == fleet.nodes.second for w in s["workers"]) and is_well(s), "a new worker")


def test_a_node_whose_raylet_stands_still(fleet):
    """Its workers are reached by the manager all the same, so nothing happens to their cameras as long as Ray waits."""
    worker, _ = _victim(fleet)
    others = _of_the_others(fleet, worker["name"])
    raylet = fleet.nodes.raylet()
    os.kill(raylet, signal.SIGSTOP)
    try:
        since = time.monotonic()
        for camera in fleet.status()["cameras"]:
            fleet.hear(camera["name"], 3, since)
    finally:
        os.kill(raylet, signal.SIGCONT)
    _assert_undisturbed(fleet, others)


def test_a_camera_that_dies_and_one_that_floods(fleet, cameras):
    others = {c["name"]: c["run"] for c in fleet.status()["cameras"] if c["name"] != "door"}
    worker = fleet.camera("door")["worker"]
    cameras[0].kill()
    fleet.wait(lambda s: any(c["name"] == "door" and c["state"] != "live" for c in s["cameras"]), "gone")
    for name, run in others.items():
        fleet.hear(name, 3, time.monotonic(), run)
    cameras[0].start(fps=50 * FPS)
    try:
        fleet.wait_live()
        fleet.wait(lambda s: any(c["name"] == "door" and c["dropped"] > 0 for c in s["cameras"]), "too many frames")
        since = time.monotonic()
        for name in ("door", *others):
            fleet.hear(name, 5, since)
    finally:
        cameras[0].kill()
        cameras[0].start()
    fleet.wait_live()
    assert fleet.camera("door")["worker"] == worker  # a worker waits for its camera; nobody moves it about
    _assert_undisturbed(fleet, others)


def test_the_driver_and_the_manager_are_killed(fleet):
    runs = {camera["name"]: camera["run"] for camera in fleet.status()["cameras"]}
    driver = fleet.driver()
    try:
        assert driver.stderr is not None
        assert "nothing is changed" in driver.stderr.readline()
    finally:
        driver.kill()
        driver.wait()
    for name, run in runs.items():
        fleet.hear(name, 3, time.monotonic(), run)
    manager = next(p for p in fleet.nodes.processes() if "ManagerActor" in fleet.nodes.title(p))
    os.kill(manager, signal.SIGKILL)
    for name, run in runs.items():
        fleet.hear(name, 3, time.monotonic(), run)
    again = fleet.driver()
    try:
        assert again.stderr is not None
        assert "nothing is changed" in again.stderr.readline()
    finally:
        again.send_signal(signal.SIGINT)
        assert again.wait(PATIENCE) == 0
    _assert_undisturbed(fleet, runs)


def test_the_proxy_is_killed(fleet):
    runs = {camera["name"]: camera["run"] for camera in fleet.status()["cameras"]}
    proxy = next(p for p in fleet.nodes.processes() if "ProxyActor" in fleet.nodes.title(p))
    os.kill(proxy, signal.SIGKILL)
    killed = time.monotonic()
    for name, run in runs.items():
        fleet.hear(name, 3, killed + 1, run)


def test_the_object_store_is_full(fleet):
    """Nothing of the fleet goes through it, so that cameras still are opened and moved."""
    import numpy as np
    import ray

    held: list = []
    with suppress(ray.exceptions.RayError):
        held.extend(ray.put(np.ones(5 * 2**20, np.uint8)) for _ in range(30))  # of 80 MB; the rest goes to disk
    _, (name, *_) = _victim(fleet)
    assert fleet.command("move", name).returncode == 0
    began = time.monotonic()
    for camera in fleet.status()["cameras"]:
        fleet.hear(camera["name"], 3, began)
    assert len(held) > 8


def test_a_node_is_drained_and_may_have_workers_again(fleet):
    runs = {c["name"]: c["run"] for c in fleet.status()["cameras"] if c["node"] != fleet.nodes.second}
    second = fleet.nodes.second
    assert fleet.command("drain", second[:12]).returncode == 0
    fleet.wait(lambda s: all(w["node"] != second for w in s["workers"]), "drained")
    fleet.wait(lambda s: all(c["state"] == "live" for c in s["cameras"]), "live elsewhere")
    _assert_undisturbed(fleet, runs)
    assert fleet.command("drain", second[:12], "--back").returncode == 0
    fleet.wait(lambda s: any(w["node"] == second for w in s["workers"]) and is_well(s), "a new worker")


def test_a_node_with_other_code_is_not_used(fleet, tmp_path):
    with fleet.nodes.foreign(tmp_path) as other:
        status = fleet.wait(
            lambda s: any(other[:8] in e["text"] and "not used" in e["text"] for e in s["events"]), "told"
        )
        assert not any(worker["node"] == other for worker in status["workers"])
        with pytest.raises(UsageError, match=r"has pymafx-live .*, and here is .*: install the same on every node"):
            check_versions()
    fleet.wait(lambda s: all(node["id"] != other for node in s["nodes"]), "gone")


def test_a_camera_is_added_and_removed(fleet, clip):
    before = fleet.read()
    runs = {camera["name"]: camera["run"] for camera in fleet.status()["cameras"]}
    fleet.write({**before, "cameras": [*before["cameras"], {"name": "roof", "uri": str(clip), "realtime": True}]})
    try:
        told = fleet.command("apply", fleet.file, "--detach")
        assert "camera roof is added" in told.stderr
        fleet.hear("roof", 3, 0.0)
    finally:
        fleet.write(before)
        told = fleet.command("apply", fleet.file, "--detach")
    assert "camera roof is removed" in told.stderr
    fleet.wait(lambda s: all("roof" not in worker["cameras"] for worker in s["workers"]), "closed")
    _assert_undisturbed(fleet, runs)
