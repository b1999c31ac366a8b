"""What a fleet says of itself in the terminal."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pymafx_live.core.text import LONGEST, quiet
from rich.table import Table


def line(status: Mapping[str, Any]) -> str:
    """The fleet in one line."""
    cameras, workers = status["cameras"], [worker for worker in status["workers"] if worker["state"] != "starting"]
    states = Counter(camera["state"] for camera in cameras)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "none"
    nodes = len({worker["node"] for worker in workers})
    parts = [f"cameras: {told}", f"{_count(len(workers), 'worker')} on {_count(nodes, 'node')}"]
    if starting := len(status["workers"]) - len(workers):
        parts.append(f"{starting} starting")
    with_results = [camera for camera in cameras if camera.get("fps")]
    if with_results:
        parts.append(f"{sum(camera['fps'] for camera in with_results):.1f} results/s")
    if ages := [(camera["age_ms"]["p95"], camera["name"]) for camera in with_results if camera.get("age_ms")]:
        age, name = max(ages)
        parts.append(f"at most {age:.0f} ms old ({quiet(name, LONGEST)})")
    if dropped := max((camera.get("dropped") or 0.0 for camera in cameras), default=0.0):
        parts.append(f"at most {dropped:.0%} dropped")
    if people := sum(camera.get("people") or 0 for camera in cameras):
        parts.append(_count(people, "person", "people"))
    parts += [f"pool {name}: {why}" for name, why in status["short"].items()]
    if status["fault"]:
        parts.append(f"fault: {status['fault']}")
    return quiet(" | ".join(parts))


def _count(number: int, what: str, several: str = "") -> str:
    return f"{number} {what if number == 1 else several or what + 's'}"


def event(told: Mapping[str, Any]) -> str:
    """What has happened, and when."""
    return quiet(f"{time.strftime('%H:%M:%S', time.localtime(told['at']))} {told['text']}")


def tables(status: Mapping[str, Any]) -> list[Table]:
    """Cameras, workers and nodes."""
    return [_cameras(status["cameras"]), _workers(status["workers"]), _nodes(status["nodes"])]


def _cameras(cameras: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        "camera", "state", "worker", ">results/s", ">age ms p50, p95", ">dropped", ">people", "run", "reason"
    )
    for camera in cameras:
        age, dropped = camera.get("age_ms") or {}, camera.get("dropped")
        _row(
            table, camera["name"], camera["state"], camera["worker"] or "-", f"{camera.get('fps') or 0:.1f}",
            f"{age['p50']:.0f}, {age['p95']:.0f}" if age else "-", "-" if dropped is None else f"{dropped:.0%}",
            str(camera.get("people", "-")), str(camera.get("run") or "-")[:8], camera["reason"],
        )  # fmt: skip
    return table


def _workers(workers: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("worker", "pool", "node", "state", ">process", ">busy", "metrics", "cameras")
    for worker in workers:
        _row(
            table, worker["name"], worker["pool"], worker["node"][:8], worker["state"], str(worker["pid"] or "-"),
            f"{worker['busy']:.0%}", worker["metrics"] or "-", ", ".join(worker["cameras"]),
        )  # fmt: skip
    return table


def _nodes(nodes: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("node", "name", "address", ">CPUs", ">GPUs", "state", "pymafx-live")
    for node in nodes:
        state = "drained" if node["drained"] else "head" if node["head"] else ""
        _row(
            table, node["id"][:8], node["name"], node["address"], f"{node['cpus']:g}", f"{node['gpus']:g}", state,
            node["version"],
        )  # fmt: skip
    return table


def _table(*columns: str) -> Table:
    table = Table()
    for column in columns:
        table.add_column(column.lstrip(">"), justify="right" if column.startswith(">") else "left")
    return table


def _row(table: Table, *cells: str) -> None:
    from rich.text import Text

    table.add_row(*(Text(quiet(cell, LONGEST)) for cell in cells))
