"""Who opens and closes cameras when: the workers here answer when they are told to, which Ray's do not."""

import asyncio
from types import SimpleNamespace

from pymafx_live.pipeline.fleet.allocation import Member
from pymafx_live.pipeline.fleet.casting import Casting, Place
from pymafx_live.pipeline.fleet.crew import Employee
from pymafx_live.pipeline.fleet.fleet_file import key_of
from pymafx_live.pipeline.fleet.journal import Journal
from pymafx_live.pipeline.fleet.placement import MOVES_AT_ONCE

LIVE = {"state": "live", "fps": 5.0, "dropped": 0.0, "people": 1.0, "age_ms": {"p50": 50.0}}


class Worker:
    """Opens what it is asked to once it `may`."""

    def __init__(self):
        self.may, self.asked, self.closed = asyncio.Event(), [], []
        self.add = SimpleNamespace(remote=self._add)
        self.remove = SimpleNamespace(remote=self._remove)

    async def _add(self, camera, seconds):
        self.asked.append(camera["name"])
        await self.may.wait()
        return LIVE

    async def _remove(self, camera, moved):
        self.closed.append((camera, moved))


class Workers(dict):
    """A crew in which everybody is ready."""

    @property
    def workers(self):
        return self

    def ready(self):
        return self


async def hand_over(camera, worker):
    pass


def employee(name, handle, cameras):
    state = {"cameras": dict.fromkeys(cameras, LIVE), "busy": 0.1}
    return Employee(Member(name, "hall", name, "key", 2, 0), handle, state=state)


async def drained():
    """Cameras that a worker was asked for before the first was open, and all that have moved in the end."""
    wanted = {f"c{n}": {"name": f"c{n}", "pool": "hall", "priority": 0} for n in range(3 * MOVES_AT_ONCE - 1)}
    old, new = Worker(), Worker()
    crew = Workers(old=employee("old", old, wanted), new=employee("new", new, ()))
    crew["old"].leaving = True
    places = {name: Place("old", key_of(camera)) for name, camera in wanted.items()}
    address = SimpleNamespace(hand_over=hand_over)
    casting = Casting(places, crew, address, Journal(), lambda: None)
    casting.wanted, casting.pools = wanted, {"hall": {"cameras": "auto"}}

    async def steps(count):
        for _ in range(count):
            casting.step()
            for _ in range(5):
                await asyncio.sleep(0)

    await steps(5)
    first = list(new.asked)
    new.may.set()
    await steps(5)
    assert sorted(old.closed) == sorted((name, True) for name in new.asked)
    return first, new.asked, set(wanted), {place.worker for place in casting.places.values()}


def test_a_worker_that_is_drained_gives_away_so_many_cameras_at_one_time():
    first, asked, wanted, places = asyncio.run(drained())
    assert len(first) == MOVES_AT_ONCE
    assert sorted(asked) == sorted(wanted) and places == {"new"}
