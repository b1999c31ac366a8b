"""Between a person and a robot: whom to follow, how fast, when to hold still, when to stop, and what not to believe.

Pure: it is fed with results and asked what to do at times of one monotonic clock, and starts nothing of its own.
"""

import math
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.skeleton import JOINT, LEFT_HAND, RIGHT_HAND
from pymafx_live.core.types import FrameResult
from pymafx_live.pipeline.robots.pose import Pose, pose_of, standing, towards, turned_by
from pymafx_live.pipeline.robots.timeline import Timeline
from pymafx_live.pipeline.selection import Rule, preference

TICK = 0.02
"""Seconds between two commands."""
MOST_TICK = 0.1
"""Seconds for which a command moves at most, however long the last one is ago."""
SETTLED = 0.3
"""Seconds for which poses that seemed impossible have to agree with each other to be believed."""
_BODY = slice(1, JOINT["jaw"])


class State(StrEnum):
    """What the safety layer does."""

    WAITING = "waiting"
    """Nobody was there yet, or what is known of them was never young enough: nothing is commanded."""
    RAMPING = "ramping"
    """It begins to follow, or follows again: slowly at first."""
    FOLLOWING = "following"
    HOLDING = "holding"
    """What is known is too old: the last pose is commanded."""
    STOPPED = "stopped"
    """It was too old for too long: nothing is commanded."""


def _speeds() -> Reals:
    """Radians per second (55,): 3 pi as GMR limits motors, the pelvis 2 pi (a turn a second), fingers 6 pi."""
    out = np.full(len(JOINT), 3 * np.pi)
    out[0] = 2 * np.pi
    out[LEFT_HAND] = out[RIGHT_HAND] = 6 * np.pi
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """What a robot may be asked for; times in seconds."""

    hold: float = 0.5
    """Age of the newest pose, from its capture, from which the last command is held."""
    stop: float = 1.0
    """How long it is held until nothing is commanded."""
    ramp: float = 1.0
    """How long it takes until joints may be as fast as they may."""
    slow: float = 0.1
    """The part of all speeds with which a ramp begins."""
    turn: Reals = field(default_factory=_speeds)
    """Radians per second of each joint against its parent, (55,)."""
    speed: float = 2.0
    """Metres per second of the pelvis: a brisk walk, or a fall."""


@dataclass(frozen=True, slots=True, eq=False)
class Command:
    """What is to be done at one tick: `pose` is None where nothing is to be sent.

    `age` is the time since the newest believed pose was taken, infinite where there was none; `who` is the source and
    the id of whom it was of.
    """

    state: State
    pose: Pose | None
    age: float = np.inf
    who: tuple[str, int] | None = None


class Locked:
    """Whom to follow: of all who are seen whom `rule` takes at first, then the same until `release`, in sight or not.

    Unlike an avatar a robot passes on to nobody before it was stopped.
    """

    def __init__(self, rule: Rule = "largest") -> None:
        self._rule = rule
        self.who: tuple[str, int] | None = None

    def pick(self, result: FrameResult) -> Pose | None:
        """The pose of the one who is followed, if this result shows it."""
        if self.who is None:
            wanted = [p for p in result.people if not isinstance(self._rule, int) or p.id == self._rule]
            seen = [(person, pose) for person in wanted if (pose := pose_of(person, result)) is not None]
            if not seen:
                return None
            person, pose = max(seen, key=lambda found: preference(self._rule, found[0], result.camera))
            self.who = result.source, person.id
            return pose
        person_of = {(result.source, person.id): person for person in result.people}
        return pose_of(person_of[self.who], result) if self.who in person_of else None

    def release(self) -> None:
        """Whoever is seen next may be followed."""
        self.who = None


class Safety:
    """Says at each tick what a robot may be asked to do."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self._limits = limits
        self._timeline = Timeline(limits.hold)
        self._state, self._since = State.WAITING, 0.0
        self._pose: Pose | None = None
        self._at: float | None = None
        self._who: tuple[str, int] | None = None
        self._doubted: tuple[float, float, Pose] | None = None

    def feed(self, pose: Pose, captured: float, now: float, who: tuple[str, int]) -> None:
        """Takes the pose of the person who is followed, that was taken at `captured` and came `now`."""
        newest = self._timeline.newest
        if newest is not None and who == self._who:
            if captured <= newest[0]:
                return
            # What comes after a doubted pose has no more time to get there than that had.
            until = captured if self._doubted is None else self._doubted[0]
            if implausible(newest[1], pose, until - newest[0]):
                if not self._settled(pose, captured):
                    return
                newest = None
        self._doubted = None
        if newest is None or who != self._who or captured - newest[0] > self._limits.hold:
            self._begin_anew(who)
        self._timeline.add(captured, pose, now)

    def step(self, now: float) -> Command:
        """What to do at a tick; `now` never runs backwards."""
        since = TICK if self._at is None else min(now - self._at, MOST_TICK)
        self._at, self._since = now, min(self._since, now)
        newest = self._timeline.newest
        age = np.inf if newest is None else max(now - newest[0], 0.0)
        self._change(now, age)
        if self._state in (State.RAMPING, State.FOLLOWING):
            target = self._timeline.at(now)
            if self._pose is None:
                self._pose = standing(target)
            share = self._share(now)
            self._pose = towards(
                self._pose, target, self._limits.turn * since * share, self._limits.speed * since * share
            )
        silent = self._state in (State.WAITING, State.STOPPED)
        return Command(self._state, None if silent else self._pose, age, self._who)

    def _change(self, now: float, age: float) -> None:
        """Goes over to the state that an age asks for."""
        limits = self._limits
        idle = self._state in (State.WAITING, State.STOPPED)
        if age > limits.hold + limits.stop:
            self._go(State.WAITING if self._state is State.WAITING else State.STOPPED, now)
        elif age > limits.hold:
            self._go(self._state if idle else State.HOLDING, now)
        elif idle or self._state is State.HOLDING:
            self._go(State.RAMPING, now)
        elif self._state is State.RAMPING and now - self._since >= limits.ramp:
            self._go(State.FOLLOWING, now)

    def _go(self, state: State, now: float) -> None:
        if state is not self._state:
            self._state, self._since = state, now

    def _share(self, now: float) -> float:
        """The part of full speed that is allowed."""
        if self._state is State.FOLLOWING or self._limits.ramp <= 0:
            return 1.0
        slow = self._limits.slow
        return slow + (1 - slow) * min(max((now - self._since) / self._limits.ramp, 0.0), 1.0)

    def _begin_anew(self, who: tuple[str, int]) -> None:
        """Another person, or the same after a gap or a jump that turned out to be true: slowly, from the next tick on.

        A ramp that begins between two ticks has risen before the first.
        """
        self._timeline, self._who = Timeline(self._limits.hold), who
        if self._state in (State.FOLLOWING, State.RAMPING):
            self._state, self._since = State.RAMPING, math.inf

    def _settled(self, pose: Pose, captured: float) -> bool:
        """Whether a pose that seems impossible agrees with others before it, for long enough to be true."""
        if self._doubted is None or implausible(self._doubted[2], pose, captured - self._doubted[1]):
            self._doubted = captured, captured, pose
            return False
        first = self._doubted[0]
        self._doubted = first, captured, pose
        return captured - first >= SETTLED


def implausible(a: Pose, b: Pose, seconds: float) -> bool:
    """Whether nobody can get from a to b in so many seconds: what is measured may be off, and people are only so fast.

    The pelvis by 0.2 m and 6 m/s, or by 0.6 and 12 radians per second; a joint of the body, as the pelvis sees it, by
    0.25 m and 8 m/s.
    """
    if np.linalg.norm(b.pelvis - a.pelvis) > 0.2 + 6 * seconds or turned_by(a, b) > 0.6 + 12 * seconds:
        return True
    moved = np.linalg.norm(b.inner_joints()[_BODY] - a.inner_joints()[_BODY], axis=1)
    return bool((moved > 0.25 + 8 * seconds).any())
