"""Which avatar shows which person, and when: at every result, and in between where none comes."""

import time
from collections.abc import Callable
from threading import Condition, Thread

from pymafx_live.core.types import FrameResult, Origin, Person, TrackState
from pymafx_live.pipeline.avatars.figure import Figure, figure_of
from pymafx_live.pipeline.avatars.follower import LET_GO, Follower, Key, Seen
from pymafx_live.pipeline.avatars.vmc import Status
from pymafx_live.pipeline.selection import Locked, Rule

TICK = 1 / 30
"""Seconds between two frames of an avatar that moves while no result comes."""
SILENT = 1.0
"""Seconds without a result of a source, and no fewer than three of its frames, after which its people are lost."""
RESERVED = 1.0
"""Seconds for which an avatar waits for a person who is not in the results, and has not ended."""
HEARTBEAT = 1.0
"""Seconds between two frames of an avatar that does not move."""

Send = Callable[[int, Figure | None, float, Status], None]
"""Takes an avatar's number, its figure (None before anybody was seen), seconds since the beginning, and its status."""


class Stage:
    """So many avatars, each of which shows one person of the results.

    A person keeps the avatar until the track ends; then it goes to who is there and has none, by `rule`.
    `send` is called for each avatar at each result, and by a thread of the stage's own in between, never twice at once.
    """

    def __init__(
        self, send: Send, most: int = 1, rule: Rule | None = None, mirror: bool = False, world: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._send, self._most, self._rule, self._clock = send, most, rule or "largest", clock
        self._mirror, self._world = mirror, world
        self._followers: list[Follower] = [Follower(mirror, world)]
        self._keys: list[Key | None] = [None]
        self._last: dict[Key, float] = {}
        self._heard: dict[str, tuple[float, float]] = {}
        self._began = self._sent = clock()
        self._changed = Condition()
        self._closed = False
        self._thread = Thread(target=self._keep_moving, name="avatars", daemon=True)
        self._thread.start()

    def show(self, result: FrameResult) -> None:
        """Takes a result, and sends all avatars."""
        with self._changed:
            now = self._clock()
            before, _ = self._heard.get(result.source, (now, 0.0))
            self._heard[result.source] = now, now - before
            self._assign(result, now)
            self._send_all(now)
            self._changed.notify()

    def close(self) -> None:
        """Lets all avatars come to rest, which takes a second where one moves, and says that this is the end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        ends = (now := self._clock()) + LET_GO
        for follower in self._followers:
            follower.lose(now)
        while not all(follower.still for follower in self._followers) and self._clock() < ends + TICK:
            time.sleep(TICK)
            self._send_all(self._clock())
        for k in range(len(self._followers)):
            self._send(k, None, self._clock() - self._began, Status(loaded=False, tracking=False))

    def _assign(self, result: FrameResult, now: float) -> None:
        """Gives the people of a result to their avatars."""
        people = {(result.source, p.id): p for p in result.people if p.state != TrackState.ENDED}
        self._last |= dict.fromkeys(people, now)
        for k, key in enumerate(self._keys):
            if key is not None and key[0] == result.source and key not in people:
                self._followers[k].lose(now)
                ended = any(p.id == key[1] for p in result.people)
                if ended or now - self._last.get(key, now) > RESERVED:
                    self._keys[k] = None
        waiting = [person for key, person in people.items() if key not in self._keys and _seen(person)]
        while (best := Locked(self._rule)(waiting, result.camera)) and (free := self._free()) is not None:
            self._keys[free] = result.source, best.id
            waiting.remove(best)
        self._last = {key: at for key, at in self._last.items() if key in self._keys}
        for k, key in enumerate(self._keys):
            if key in people:
                person, world = people[key], result.world
                seen = Seen(_seen(person), "blendshapes" in person.extra, world.origin, world.floor)
                self._followers[k].follow(key, figure_of(person, result), now, seen)

    def _free(self) -> int | None:
        """The number of an avatar that shows nobody; None where all do."""
        if None in self._keys:
            return self._keys.index(None)
        if len(self._keys) >= self._most:
            return None
        self._followers.append(Follower(self._mirror, self._world))
        self._keys.append(None)
        return len(self._keys) - 1

    def _send_all(self, now: float) -> None:
        self._sent = now
        for k, follower in enumerate(self._followers):
            figure = follower.figure(now)
            self._send(k, figure, now - self._began, Status(figure is not None, follower.tracking))

    def _keep_moving(self) -> None:
        """Moves avatars on whose source is silent, and sends those at rest now and then."""
        with self._changed:
            while not self._closed:
                self._changed.wait(TICK)
                now = self._clock()
                silent = {s for s, (at, step) in self._heard.items() if now - at > max(SILENT, 3 * step)}
                for key, follower in zip(self._keys, self._followers, strict=True):
                    if key is not None and key[0] in silent:
                        follower.lose(now)
                moving = silent and not all(follower.still for follower in self._followers)
                if now - self._sent >= (TICK if moving else HEARTBEAT):
                    self._send_all(now)


def _seen(person: Person) -> bool:
    """Whether something of the person is measured now."""
    return any(part.origin == Origin.MEASURED for part in person.parts.values())
