"""A real cluster of Ray with two nodes on this machine, and somebody who listens to the fleet in it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.pipeline.client import NoMessageError, Subscriber
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.fleet import Fleet, running

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0
"""Seconds for whatever has to happen on a machine that has other work."""
_STORE = 80 * 2**20
_CPUS = 2


@contextmanager
def two_nodes() -> Iterator["Nodes"]:
    """Within it there is a cluster; at the end there is no process of it any more."""
    folder = tempfile.mkdtemp(prefix="r")  # Unix sockets below it have no room for a long name
    before = {name: os.environ.get(name) for name in ("RAY_TMPDIR", "RAY_AUTH_MODE")}
    os.environ.update(RAY_TMPDIR=folder, RAY_AUTH_MODE="disabled")
    ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(True, head_node_args={"num_cpus": _CPUS, "object_store_memory": _STORE})
    nodes = Nodes(cluster, folder)
    try:
        nodes.add()
        yield nodes
    finally:
        processes = [p for p in _processes() if folder in _command(p)]
        cluster.shutdown()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


class Nodes:
    """The cluster's head, and one node that can vanish and come back."""

    def __init__(self, cluster: Any, folder: str) -> None:
        self._cluster, self.folder, self._second = cluster, folder, None
        self.address: str = cluster.address

    def add(self) -> None:
        self._second = self._cluster.add_node(num_cpus=_CPUS, object_store_memory=_STORE)

    @contextmanager
    def foreign(self, folder: Path) -> Iterator[str]:
        """A third node, which has other code of the same version."""
        package = folder / "pymafx_live"
        package.mkdir()
        for name in ("core", "configs", "engines", "trackers", "export", "bench"):
            (package / name).symlink_to(ROOT / name)
        shutil.copytree(ROOT / "pipeline", package / "pipeline", ignore=shutil.ignore_patterns("node_modules"))
        (package / "pipeline" / "fleet" / "version.py").open("a").write("# other code\n")
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = str(folder)
        try:
            node = self._cluster.add_node(num_cpus=_CPUS, object_store_memory=_STORE)
        finally:
            os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
        yield str(node.node_id)
        self._cluster.remove_node(node, allow_graceful=False)

    @property
    def second(self) -> str:
        return str(self._second.node_id)

    def raylet(self) -> int:
        """The process that is the second node."""
        return int(self._second.all_processes["raylet"][0].process.pid)

    def processes(self) -> list[int]:
        """All that are a worker of Ray's, on this machine."""
        return [process for process in _processes() if self.title(process).startswith("ray::")]

    @staticmethod
    def title(process: int) -> str:
        """What it calls itself, as `ps` shows it."""
        return _command(process)

    def vanish(self) -> None:
        """Kills all that the second node has, at once, as when its power fails."""
        children = [p for p in _processes() if _parent(p) == self.raylet()]
        for process in (self.raylet(), *children):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(Exception):
            self._cluster.remove_node(self._second, allow_graceful=False)


def _processes() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdecimal()]


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _parent(process: int) -> int:
    try:
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def is_gone(process: int) -> bool:
    """Whether a process has ended, also where nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@dataclass(frozen=True, slots=True)
class Heard:
    """A result, as it came."""

    at: float
    source: str
    run: str
    sequence: int
    dropped: int
    final: bool


class Ear:
    """Listens all the time on a thread of its own; a subscriber as anybody's."""

    def __init__(self, address: str) -> None:
        self.results: list[Heard] = []
        self.events: list[SourceEvent] = []
        self._over = threading.Event()
        self._subscriber = Subscriber(address, timeout=0.2, on_event=self.events.append)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while not self._over.is_set():
            with suppress(NoMessageError):
                self._note(next(self._subscriber))

    def _note(self, result: FrameResult) -> None:
        heard = Heard(
            time.monotonic(), result.source, result.run_id, result.sequence, result.dropped, result.final
        )  # fmt: skip
        self.results.append(heard)

    def of(self, source: str, after: float = 0.0) -> list[Heard]:
        """The results of a source that came after an instant, without those that say goodbye."""
        return [r for r in list(self.results) if r.source == source and r.at > after and not r.final]

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        self._subscriber.close()


class Hall:
    """A fleet that runs in a cluster, with its file, and somebody who listens."""

    def __init__(self, folder: Path, nodes: Nodes, address: str) -> None:
        self.folder, self.nodes, self.address = folder, nodes, address
        self.file = folder / "cameras.yaml"
        self.fleet: Fleet
        self.ear: Ear

    def write(self, content: dict[str, Any]) -> None:
        self.file.write_text(yaml.safe_dump(content))

    def read(self) -> dict[str, Any]:
        return yaml.safe_load(self.file.read_text())

    def command(self, *arguments: object, patience: float = PATIENCE) -> "subprocess.CompletedProcess[str]":
        """What `pymafx-live fleet` answers."""
        return subprocess.run(
            [*_PROGRAM, *map(str, arguments), "--address", self.nodes.address],
            capture_output=True, text=True, timeout=patience, check=False,
        )  # fmt: skip

    def driver(self) -> "subprocess.Popen[str]":
        """A program that applies the file and goes on showing the fleet."""
        return subprocess.Popen(
            [*_PROGRAM, str(self.file), "--address", self.nodes.address], stderr=subprocess.PIPE, text=True
        )

    def status(self) -> dict[str, Any]:
        return self.fleet.call("status")

    def camera(self, name: str) -> dict[str, Any]:
        return next(camera for camera in self.status()["cameras"] if camera["name"] == name)

    def worker(self, name: str) -> dict[str, Any]:
        return next(worker for worker in self.status()["workers"] if worker["name"] == name)

    def wait(self, condition: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The status once it is so."""
        end = time.monotonic() + PATIENCE
        while not condition(status := self.status()):
            assert time.monotonic() < end, (what, status)
            time.sleep(0.1)
        return status

    def wait_live(self) -> dict[str, Any]:
        """The status once all workers are ready and all cameras give results that are heard."""
        since = time.monotonic()
        status = self.wait(is_well, "all live")
        for camera in status["cameras"]:
            self.hear(camera["name"], 3, since)
        return self.status()

    def hear(self, source: str, count: int, after: float, run: str = "") -> list[Heard]:
        """So many results of a source (of one run) that came after an instant."""
        end = time.monotonic() + PATIENCE
        while len(found := [r for r in self.ear.of(source, after) if not run or r.run == run]) < count:
            assert time.monotonic() < end, (source, len(found), self.status())
            time.sleep(0.05)
        return found


_PROGRAM = (str(Path(sys.executable).with_name("pymafx-live")), "fleet")


def is_well(status: dict[str, Any]) -> bool:
    return (
        bool(status["cameras"])
        and all(camera["state"] == "live" and camera.get("run") for camera in status["cameras"])
        and all(worker["state"] == "ready" for worker in status["workers"])
        and not status["short"]
    )


def assert_whole(results: list[Heard]) -> None:
    """Of each run every frame was heard of, or was dropped by who had no time for it: none was lost on the way."""
    for one, other in pairwise(results):
        if one.run == other.run:
            assert other.sequence - one.sequence - 1 == other.dropped - one.dropped, (one, other)


def assert_one_after_the_other(results: list[Heard]) -> None:
    """No run speaks after the next one has begun, and none says anything twice."""
    runs = [r.run for r in results]
    assert sum(one != other for one, other in pairwise(runs)) == len(set(runs)) - 1
    assert len({(r.run, r.sequence) for r in results}) == len(results)


@contextmanager
def hall(folder: Path, content: dict[str, Any], address: str) -> Iterator[Hall]:
    """A fleet as `content` says, running on two nodes."""
    with ExitStack() as stack:
        nodes = stack.enter_context(two_nodes())
        made = Hall(folder, nodes, address)
        made.write(content)
        told = made.command("apply", made.file, "--detach")
        assert told.returncode == 0, told.stderr
        made.fleet = stack.enter_context(running(nodes.address))
        made.ear = Ear(address)
        stack.callback(made.ear.close)
        yield made
