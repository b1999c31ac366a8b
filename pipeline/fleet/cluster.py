"""Joins a cluster of Ray, or starts one on this machine that outlives the program which started it."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymafx_live.core.errors import UsageError, first_line
from pymafx_live.core.files import user_cache, write_whole
from pymafx_live.pipeline.fleet.engine import ray

NAMESPACE = "pymafx-live"
_SUCH_AS = "the address that `ray start --head` prints, such as 192.168.1.10:6379"
_FILE = "fleet.json"
"""In the user's cache: where the fleet of this machine is."""
_STORE = 2**27
"""Bytes of the object store of a local cluster: the fleet puts nothing into it, and Ray wants 78 MB."""
_CONNECT = 5.0
"""Seconds that a cluster may take to answer."""
_START = 90.0
"""Seconds that a local cluster may take to start, on a busy machine."""
_END = 20.0
"""Seconds after which a local cluster that does not end is killed."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process has joined. `process` is what keeps a local one, 0: it is somebody else's."""

    address: str
    process: int = 0


@contextmanager
def joined(address: str, *, start: bool) -> Iterator[Cluster]:
    """Within it this process is part of the cluster at `address` ("auto": the one that `ray start` began here).

    Without an address it is the local one, which is started where there is none and `start` asks for it.

    Raises:
        UsageError: there is no such cluster, or it lets nobody in.
    """
    if not address or _has_token():  # a local one has open ports too: nobody enters without a token
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    module = ray()
    local = Cluster(_reachable(address)) if address else _local() or (_started() if start else None)
    if local is None:
        raise UsageError("no fleet runs on this machine: start one with pymafx-live fleet FILE, or give its --address")
    try:
        module.init(
            local.address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR,
            configure_logging=False,
        )  # fmt: skip
    except Exception as error:  # which Ray raises many of
        raise UsageError(_why_not(local.address, error)) from error
    try:
        yield local
    finally:
        module.shutdown()


def _why_not(address: str, error: Exception) -> str:
    said, cause = first_line(error), error.__cause__
    if "token" in f"{error} {cause}".lower():
        said = "it does not take this machine's token, ~/.ray/auth_token: all need the same one"
    return f"cannot join the cluster at {address} ({said}): does `ray status` show it there?"


def _has_token() -> bool:
    """Whether this machine has a token of Ray's, which Ray itself shows to a cluster only when it is told to."""
    named = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    return bool(named) or (Path.home() / ".ray" / "auth_token").exists()


def _reachable(address: str) -> str:
    """The address of a cluster that answers; Ray itself would try for minutes.

    Raises:
        UsageError: nobody answers there.
    """
    if address == "auto":
        address = _begun_here()
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isdecimal()) or "/" in address:
        raise UsageError(f"{address} is no address of a cluster: give {_SUCH_AS}, or auto for the one of this machine")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(f"there is no cluster at {address} ({reason}): give {_SUCH_AS}") from error
    return address


def _begun_here() -> str:
    """The address of what `ray start` began on this machine last."""
    file = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")  # as Ray has it
    with suppress(OSError):
        if address := os.environ.get("RAY_ADDRESS") or file.read_text().strip():
            return address
    raise UsageError("no cluster was begun on this machine: `ray start` does, or leave --address out for a local one")


def _local() -> Cluster | None:
    """The cluster that this user has started on this machine, if it is there."""
    try:
        known = json.loads((user_cache() / _FILE).read_text())
        command = Path(f"/proc/{known['process']}/cmdline").read_bytes()
    except (OSError, ValueError, KeyError):
        return None
    return Cluster(known["address"], known["process"]) if __name__.encode() in command else None


def _started() -> Cluster:
    """A new cluster on this machine, kept by a process of its own."""
    log = user_cache() / "fleet.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    end = time.monotonic() + _START
    while process.poll() is None and time.monotonic() < end:
        if (local := _local()) is not None and local.process == process.pid:
            return local
        time.sleep(0.05)
    with suppress(OSError):
        process.kill()
    said = (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
    raise UsageError(f"no cluster can be started on this machine ({said}): {log} has more")


def end(cluster: Cluster) -> None:
    """Ends a local cluster, and whatever runs in it."""
    if not cluster.process:
        return
    with suppress(ProcessLookupError):
        os.kill(cluster.process, signal.SIGTERM)
    until = time.monotonic() + _END
    while _local() is not None and time.monotonic() < until:
        time.sleep(0.05)
    if _local() is not None:  # its session: what Ray has started ends with the raylet
        with suppress(ProcessLookupError):
            os.killpg(cluster.process, signal.SIGKILL)
    (user_cache() / _FILE).unlink(missing_ok=True)


def nodes() -> list[dict[str, Any]]:
    """The nodes that are alive: id, name, address, cpus, gpus, head."""
    found = []
    for node in ray().nodes():
        if node["Alive"]:
            has = node["Resources"]
            found.append({
                "id": node["NodeID"], "name": node["NodeManagerHostname"], "address": node["NodeManagerAddress"],
                "cpus": float(has.get("CPU", 0)), "gpus": float(has.get("GPU", 0)),
                "head": "node:__internal_head__" in has,
            })  # fmt: skip
    return found


def main() -> None:
    """Keeps a local cluster until a signal comes; it begins as a program of its own."""
    module, over = ray(), []
    module.init(
        address="local", namespace=NAMESPACE, include_dashboard=False, object_store_memory=_STORE, log_to_driver=False
    )
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # after Ray, which takes them for itself
        signal.signal(number, lambda *_: over.append(True))
    known = {"address": module.get_runtime_context().gcs_address, "process": os.getpid()}
    write_whole(user_cache() / _FILE, json.dumps(known).encode())
    while not over:
        signal.pause()
    module.shutdown()


if __name__ == "__main__":
    main()
