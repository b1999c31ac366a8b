"""How many workers there are to be, and on which nodes: pure functions, without Ray."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster that may run workers: what it has in all."""

    id: str
    cpus: float
    gpus: float


@dataclass(frozen=True, slots=True)
class Member:
    """A worker that there is. `key` says which pool, settings and code it was made with."""

    name: str
    pool: str
    node: str
    key: str
    cpus: float
    gpus: float
    cameras: int = 0


@dataclass
class Allocation:
    """What is to be done: `starts` are pools and nodes; who `leaves` gives its cameras away first, and who is to be
    `closed` does not; `short` says of pools why they have fewer workers than they should."""

    starts: list[tuple[str, str]] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    short: dict[str, str] = field(default_factory=dict)


def allocate(
    pools: Mapping[str, Mapping[str, Any]],
    keys: Mapping[str, str],
    wanted: Mapping[str, int],
    nodes: Sequence[Node],
    members: Iterable[Member],
    doubtful: Collection[str] = (),
) -> Allocation:
    """What is to be done so that each pool has its workers.

    `pools` are as in `read_fleet`, `keys` what their workers should have been made with, `wanted` the number of cameras
    of each: a pool of `workers: auto` has as many as there is room for, but no more than cameras. `nodes` are those
    that may be used; whoever is elsewhere leaves. On those of them that are `doubtful` nothing is started. Every worker
    holds what it reserves until it is gone.
    """
    members = sorted(members, key=lambda member: member.name)
    made, usable = Allocation(), {node.id: node for node in nodes}
    stay = [m for m in members if m.pool in pools and m.node in usable and m.key == keys[m.pool]]
    made.leaves = [m.name for m in members if m not in stay]
    free = {node.id: [node.cpus, node.gpus] for node in nodes if node.id not in doubtful}
    for member in members:
        if member.node in free:
            free[member.node][0] -= member.cpus
            free[member.node][1] -= member.gpus
    targets = {name: _target(pool, wanted.get(name, 0)) for name, pool in pools.items()}
    count = Counter(m.pool for m in stay)
    for name in pools:
        extra = sorted((m for m in stay if m.pool == name), key=lambda m: (m.cameras, m.name))
        made.leaves += [m.name for m in extra[: max(count[name] - targets[name], 0)]]
    _fill(made, pools, targets, count, free, [m for m in stay if m.name not in made.leaves])
    for name, pool in pools.items():
        outdated = [m for m in members if m.pool == name and m.node in usable and m.key != keys[name]]
        _explain(made, name, pool, targets[name] - count[name], count[name], outdated)
    return made


def _target(pool: Mapping[str, Any], cameras: int) -> int:
    return cameras if pool["workers"] == "auto" else int(pool["workers"])


def _fill(
    made: Allocation, pools: Mapping[str, Mapping[str, Any]], targets: Mapping[str, int], count: Counter[str],
    free: dict[str, list[float]], stay: Sequence[Member],
) -> None:  # fmt: skip
    """Starts workers where there is room, a pool after the other, those of a number first; counts them in `count`."""
    on = Counter((m.pool, m.node) for m in stay)
    for fixed in (True, False):
        waiting = [name for name, pool in pools.items() if (pool["workers"] != "auto") == fixed]
        while waiting:
            for name in list(waiting):
                cpus, gpus = pools[name]["cpus"], pools[name]["gpus"]
                room = [node for node, (c, g) in free.items() if c >= cpus and g >= gpus]
                if count[name] >= targets[name] or not room:
                    waiting.remove(name)
                    continue
                node = min(room, key=lambda node: (on[name, node], -free[node][1], -free[node][0], node))
                free[node][0] -= cpus
                free[node][1] -= gpus
                on[name, node] += 1
                count[name] += 1
                made.starts.append((name, node))


def _explain(
    made: Allocation, name: str, pool: Mapping[str, Any], missing: int, count: int, outdated: Sequence[Member]
) -> None:
    """Where a pool cannot have what it should: why, and which of its outdated workers makes room for a new one."""
    if missing <= 0:
        return
    if outdated and name not in (started for started, _ in made.starts):
        made.closed.append(min(outdated, key=lambda m: (m.cameras, m.name)).name)
    if pool["workers"] != "auto" or not count:
        each = f"{pool['gpus']:g} GPU" if pool["gpus"] else f"{pool['cpus']:g} CPUs"
        made.short[name] = f"{missing} worker{'s' if missing > 1 else ''} of {each} find no room in the cluster"
