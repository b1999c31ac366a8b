"""Shows one person after another with one avatar, which never jumps: it eases from one to the next, and to rest."""

from dataclasses import dataclass, replace

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.world import FloorOrigin, WorldOrigin
from pymafx_live.pipeline.avatars.figure import Figure, at_rest

CATCH_UP = 0.4
"""Seconds in which an avatar that shows somebody gets to where a new person is."""
LET_GO = 1.0
"""Seconds in which it gets to rest when the person is lost."""
FACE = 0.25
"""Seconds in which a face that is not seen any more comes to rest, and one that is seen again comes back."""
Key = tuple[str, int]
"""A source's name and a person's id in it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether a person is seen now, and the face, and the origins of the world that the person stands in."""

    person: bool = True
    face: bool = True
    up: str = WorldOrigin.GIVEN
    floor: str = FloorOrigin.GIVEN


@dataclass(frozen=True, slots=True)
class _Move:
    """On the way from a figure: since when, and how many seconds it takes."""

    start: Figure
    began: float
    lasts: float


class Follower:
    """The figure of one avatar over time; times are in seconds of any clock that advances.

    The avatar's place is relative to where its person was first seen, so that whoever stands before the camera appears
    at the scene's origin; with `world` it is the world's. With `mirror` it shows the mirror image.
    """

    def __init__(self, mirror: bool = False, world: bool = False) -> None:
        self._mirror, self._world = mirror, world
        self._key: Key | None = None
        self._anchor: tuple[Key, str, str] | None = None
        self._here = self._sure = False
        self._target: Figure | None = None
        self._move: _Move | None = None
        self._home: Reals = np.zeros(3)
        self._face: Reals = np.zeros(0)
        self._weight = self._time = 0.0

    @property
    def tracking(self) -> bool:
        """Whether it follows somebody who is seen."""
        return self._here and self._sure

    @property
    def still(self) -> bool:
        """Whether it is at rest, or has shown nobody yet."""
        return not self._here and self._move is None

    def follow(self, key: Key, figure: Figure, time: float, seen: Seen = Seen()) -> None:
        """Takes on the person `key`, whose figure this is now."""
        figure = figure.mirrored() if self._mirror else figure
        figure = self._with_face(figure, time, seen.face, new=key != self._key)
        anchor = key, seen.up, seen.floor
        if self._target is not None and not (self._here and anchor == self._anchor):
            self._start(time, CATCH_UP)
        if anchor != self._anchor:
            self._home = self._origin(figure, key, seen.floor)
        self._key, self._anchor, self._here, self._sure = key, anchor, True, seen.person
        self._target = figure.moved(-self._home)

    def lose(self, time: float) -> None:
        """Lets go of the person: from now on it eases to rest, upright, in the person's proportions."""
        if self._here and self._target is not None:
            self._start(time, LET_GO)
            place = self._target.place * [1, 0, 1] if self._world else np.zeros(3)
            self._target = replace(
                at_rest(), bones=self._target.bones, place=place + [0, self._target.height, 0]
            )  # fmt: skip
        self._here = self._sure = False

    def figure(self, time: float) -> Figure | None:
        """What the avatar shows at a time; None before anybody was seen."""
        move = self._move
        if self._target is None or move is None:
            return self._target
        way = (time - move.began) / move.lasts
        if way >= 1:
            self._move = None
            return self._target
        way = max(way, 0.0)
        return move.start.toward(self._target, way * way * (3 - 2 * way))

    def _origin(self, figure: Figure, key: Key, floor: str) -> Reals:
        """What the avatar's place is relative to: who stands on a floor that is not known is thought to be on it."""
        there = np.zeros(3) if self._target is None or key != self._key else self._target.place
        home = np.zeros(3) if self._world else figure.place - there
        home[1] = figure.place[1] - figure.height if floor == FloorOrigin.ASSUMED else 0.0
        return home

    def _start(self, time: float, lasts: float) -> None:
        start = self.figure(time)
        assert start is not None
        self._move = _Move(start, time, lasts)

    def _with_face(self, figure: Figure, time: float, seen: bool, new: bool) -> Figure:
        """The figure, whose face fades to rest while it is not seen."""
        step, self._time = (time - self._time) / FACE, time
        if new:
            self._face, self._weight = figure.face, float(seen)
        elif seen:
            self._face, self._weight = figure.face, min(1.0, self._weight + step)
        else:
            self._weight = max(0.0, self._weight - step)
        return replace(figure, face=self._weight * self._face)
