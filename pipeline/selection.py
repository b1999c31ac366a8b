"""Chooses whom to estimate where there are more people than there is time for, and whom to follow."""

import logging
from collections.abc import Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np
from pymafx_live.core.types import Camera, Floats, Track, TrackState

Rule = int | Literal["largest", "centre", "first"]
"""Whom to lock on to: the largest box, the one nearest the picture's centre, who was seen first, or an id."""
KEEP = 1.2
"""How much larger than one that was chosen before another box must be to take its place."""

logger = logging.getLogger(__name__)


class Candidate(Protocol):
    """Somebody who can be chosen: a `Track` or a `Person`."""

    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> TrackState | str: ...  # noqa: D102
    @property
    def box(self) -> Floats: ...  # noqa: D102


Kind = TypeVar("Kind", bound=Candidate)


class Selection:
    """At most so many tracks: the largest; or with `lock` those whom the rule prefers, each until the track ends."""

    def __init__(self, most: int | None = None, lock: Rule | None = None) -> None:
        """`most` None: everybody."""
        self.most, self.lock = most, lock
        self.limit: int | None = None
        """At most so many as long as there is no time for more, in the same order."""
        self._chosen: set[int] = set()
        self._warned = False

    def __call__(self, tracks: Sequence[Track], camera: Camera) -> list[Track]:
        """The chosen of a frame's tracks, none of which has ended, in their order."""
        if isinstance(self.lock, int):
            self._warn_if_over(self.lock, tracks)
            tracks = [track for track in tracks if track.id == self.lock]
        best = sorted(tracks, key=lambda track: self._rank(track, camera), reverse=True)
        best = best[: self.most][: self.limit]
        self._chosen = {track.id for track in best}
        return [track for track in tracks if track.id in self._chosen]

    def _rank(self, track: Track, camera: Camera) -> tuple[bool, bool, float]:
        chosen = track.id in self._chosen
        if self.lock is not None:
            return chosen, *preference(self.lock, track, camera)
        # A little larger is not enough to take a place, or two people of one size would alternate.
        return False, False, _area(track.box) * (KEEP if chosen else 1.0)

    def _warn_if_over(self, wanted: int, tracks: Sequence[Track]) -> None:
        """Says once that nobody will have the wanted id any more: ids only rise."""
        ids = {track.id for track in tracks}
        if not self._warned and wanted not in ids and (wanted in self._chosen or max(ids, default=0) > wanted):
            logger.warning("--lock: person %d is gone and no id is given twice: nobody is estimated any more", wanted)
            self._warned = True


class Locked:
    """Picks one person of each result of a source, and stays with them until they have ended.

    Whoever is `lost` is still held on to. Then the next one is picked by the same rule; of an id nobody is, as no id is
    given twice. An output for one avatar or one robot follows a `Locked` of its own, with the rule of `engine.lock`.
    """

    def __init__(self, rule: Rule = "largest") -> None:
        self.rule = rule
        self._id: int | None = rule if isinstance(rule, int) else None

    def __call__(self, people: Sequence[Kind], camera: Camera) -> Kind | None:
        """The one of a result's people; None where nobody is there whom the rule would take."""
        there = {person.id: person for person in people if person.state != TrackState.ENDED}
        if self._id not in there and not isinstance(self.rule, int):
            best = max(there.values(), key=lambda person: preference(self.rule, person, camera), default=None)
            self._id = None if best is None else best.id
        return None if self._id is None else there.get(self._id)


def preference(rule: Rule, who: Candidate, camera: Camera) -> tuple[bool, float]:
    """The larger the rather is somebody taken anew; who is lost comes last."""
    match rule:
        case "largest":
            liking = _area(who.box)
        case "centre":
            centre = (who.box[:2] + who.box[2:]) / 2
            liking = -float(np.hypot(centre[0] - camera.width / 2, centre[1] - camera.height / 2))
        case _:
            liking = -float(who.id)
    return who.state != TrackState.LOST, liking


def _area(box: Floats) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))
