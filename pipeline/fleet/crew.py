"""The workers of a fleet, as the manager knows them: started, watched, found again, given up."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pymafx_live.pipeline.fleet.actors import find, make_worker, worker_name
from pymafx_live.pipeline.fleet.address import Address
from pymafx_live.pipeline.fleet.allocation import Member
from pymafx_live.pipeline.fleet.answers import Trouble, plain, quietly, why, within
from pymafx_live.pipeline.fleet.engine import ray
from pymafx_live.pipeline.fleet.journal import Journal

PERIOD = 0.5
"""Seconds between two looks at everything."""
START = 180.0
"""Seconds that a worker may take to start."""
CLOSE = 10.0
"""Seconds that a worker may take to say goodbye."""
YOUNG = 60.0
"""Seconds: a worker that dies sooner may do so again and again."""


@dataclass
class Employee:
    """A worker, by its actor. `heard` is when its last answer came, `asked` when the question of `state` was put."""

    member: Member
    handle: Any
    found: bool = False
    """It was started before this manager."""
    born: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    asked: float = 0.0
    state: dict[str, Any] | None = None
    """As of `Worker.state`; None until it is ready."""
    dead: str = ""
    """Why it is no more."""
    leaving: bool = False
    watch: "asyncio.Task[None] | None" = None

    @property
    def name(self) -> str:
        """The worker's."""
        return self.member.name

    @property
    def cameras(self) -> Mapping[str, Mapping[str, Any]]:
        """What it says of its cameras."""
        return {} if self.state is None else self.state["cameras"]

    def has_been_silent(self, now: float, timeout: float) -> float:
        """Seconds without an answer, where those are too many; else 0."""
        patience = START if self.state is None and not self.found else timeout
        return now - self.heard if now - self.heard > patience else 0.0


class Crew:
    """All workers. `kept` is what a manager that comes after has to know: names given so far, and members."""

    def __init__(self, kept: dict[str, Any], address: Address, journal: Journal) -> None:
        self.workers: dict[str, Employee] = {}
        self.timeout = 5.0
        """Seconds without an answer after which a worker is given up."""
        self.suspects: set[str] = set()
        """Nodes on which a worker did not answer: nothing is begun there before the node itself has."""
        self.crashes: dict[str, Trouble] = {}
        """Of pools whose workers die young."""
        self._kept, self._address, self._journal = kept, address, journal

    def __getitem__(self, name: str) -> Employee:
        return self.workers[name]

    def __contains__(self, name: str) -> bool:
        return name in self.workers

    def ready(self) -> dict[str, Employee]:
        """Those who have started."""
        return {name: worker for name, worker in self.workers.items() if worker.state is not None}

    def excuse(self, seconds: float) -> None:
        """So long nobody listened to them."""
        for worker in self.workers.values():
            worker.heard += seconds

    async def find_again(self) -> None:
        """Those that a manager before this one has started."""
        for name, told in self._kept["members"].items():
            handle = await asyncio.to_thread(find, worker_name(name))
            worker = Employee(Member(**told), handle, found=True)
            worker.dead = "" if handle is not None else "it is not there any more"
            self._employ(worker)

    def start(self, pool: str, key: str, what: Mapping[str, Any], node: str) -> None:
        """A new worker of a pool, unless those of that pool die young."""
        if time.monotonic() < self.crashes.get(pool, Trouble()).until:
            return
        self._kept["count"] += 1
        member = Member(f"{pool}-{self._kept['count']}", pool, node, key, what["cpus"], what["gpus"])
        self._kept["members"][member.name] = asdict(member)
        self._journal.note(f"worker {member.name} starts on {node[:8]}")
        self._employ(Employee(member, make_worker(member, what["settings"], self._address.keys["worker"])))

    def take_the_dead(self) -> list[Employee]:
        """Those who are no more, who are crossed out."""
        dead = [worker for worker in self.workers.values() if worker.dead]
        for worker in dead:
            if worker.state is None or time.monotonic() - worker.born < YOUNG:
                pool = worker.member.pool
                known = self.crashes.get(pool, Trouble())
                self.crashes[pool] = known.again(worker.dead, time.monotonic())
            self.remove(worker)
        return dead

    async def dismiss(self, worker: Employee, reason: str) -> None:
        """Lets a worker say goodbye, and ends it."""
        self._journal.note(f"worker {worker.name} ends: {reason}")
        self._stop_watching(worker)
        if worker.state is not None:
            await quietly(within(worker.handle.close.remote(), CLOSE))
        self.remove(worker)

    def remove(self, worker: Employee) -> None:
        """Ends a worker at once, also one that does not hear: Ray kills it then."""
        if self.workers.pop(worker.name, None) is None:
            return
        self._address.drop(worker.name)  # at once, as another one speaks for its cameras soon
        self._stop_watching(worker)
        if worker.handle is not None:
            ray().kill(worker.handle)
        self._kept["members"].pop(worker.name, None)

    async def end_strangers(self) -> None:
        """Ends workers that were given up and are there again, such as behind a network that was split."""
        names = await asyncio.to_thread(lambda: ray().util.list_named_actors())
        known = {worker_name(name) for name in self._kept["members"]}
        for name in [name for name in names if name.startswith(worker_name("")) and name not in known]:
            if (stranger := await asyncio.to_thread(find, name)) is not None:
                ray().kill(stranger)

    def _employ(self, worker: Employee) -> None:
        self.workers[worker.name] = worker
        if not worker.dead:
            worker.watch = asyncio.create_task(self._watch(worker))

    @staticmethod
    def _stop_watching(worker: Employee) -> None:
        if worker.watch is not None:
            worker.watch.cancel()

    async def _watch(self, worker: Employee) -> None:
        """Asks a worker how it is, one question at a time, until it is no more."""
        while not worker.dead:
            asked = time.monotonic()
            answer = asyncio.ensure_future(plain(worker.handle.state.remote()))
            while not answer.done():
                await asyncio.wait({answer}, timeout=PERIOD)
                if not answer.done() and self._is_silent(worker):
                    answer.cancel()
                    return
            self._note_answer(worker, asked, answer)
            await asyncio.sleep(PERIOD)

    def _is_silent(self, worker: Employee) -> bool:
        silent = worker.has_been_silent(time.monotonic(), self.timeout)
        if silent > 0:
            worker.dead = f"it has not answered for {silent:.0f} s"
            self.suspects.add(worker.member.node)
        return silent > 0

    def _note_answer(self, worker: Employee, asked: float, answer: "asyncio.Future[dict[str, Any]]") -> None:
        if (error := answer.exception()) is not None:
            if isinstance(error, ray().exceptions.ActorUnavailableError):
                self._is_silent(worker)  # it may be reached again
            else:
                worker.dead = why(error)
            return
        if worker.state is None and not worker.found:
            self._journal.note(f"worker {worker.name} is ready on {worker.member.node[:8]}")
        worker.heard, worker.asked, worker.state = time.monotonic(), asked, answer.result()
        worker.dead = str(worker.state.get("error") or "")
