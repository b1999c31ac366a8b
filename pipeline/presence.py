"""Who is there: what was last published of each person of a source, to be held or to be said goodbye to."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from time import monotonic

import numpy as np
from pymafx_live.core.types import SHAPES, Camera, FrameResult, Origin, Person, Track, TrackState

MOMENTARY = ("keypoints", "blendshapes")
"""Of `Person.extra`, what is said of one frame only."""


class Presence:
    """The people of a source's results who have not ended, as they last were."""

    def __init__(self) -> None:
        self._people: dict[int, Person] = {}
        self._last: FrameResult | None = None
        self._noted = 0.0

    def note(self, result: FrameResult) -> None:
        """Takes in what was published of a frame."""
        self._last, self._noted = replace(result, people=()), monotonic()
        for person in result.people:  # whom an engine leaves out has not ended
            if person.state is TrackState.ENDED:
                self._people.pop(person.id, None)
            else:
                self._people[person.id] = person

    def held(self, tracks: Sequence[Track], camera: Camera) -> list[Person]:
        """Those of `tracks` who are known, as they last were, moved along with their boxes."""
        return [_moved(self._people[track.id], track, camera) for track in tracks if track.id in self._people]

    def gone(self, ids: Collection[int]) -> list[Person]:
        """Those who are known and not among `ids`, as they last were, and ended."""
        return [
            replace(_unseen(person), state=TrackState.ENDED)
            for person in self._people.values() if person.id not in ids
        ]  # fmt: skip

    def goodbye(self, now: bool = True) -> FrameResult | None:
        """The last result of the source, once: it ends who is still there. None where nobody is.

        It is published `now`, or when that result was: in a replay, which may have stood still.
        """
        people, last = self.gone(()), self._last
        self._people = {}
        if last is None or not people:
            return None
        published_at = last.published_at + (monotonic() - self._noted if now else 0.0)
        return replace(last, people=people, stages={}, final=True, published_at=published_at)


def _moved(person: Person, track: Track, camera: Camera) -> Person:
    step = camera.shift(person.box, track.box, float(person.pelvis[2]))
    return replace(
        _unseen(person), state=track.state, box=track.box, score=track.score,
        transl=person.transl + step, pelvis=person.pelvis + step,
        joints=person.joints + step,
    )  # fmt: skip


def _unseen(person: Person) -> Person:
    """The person in whom nothing is measured now."""
    parts = {
        name: replace(
            part,
            confidence=0.0,
            origin=Origin.DEFAULT if part.origin is Origin.DEFAULT or name in MOMENTARY else Origin.HELD,
        )
        for name, part in person.parts.items()
    }
    extra = {name: values for name, values in person.extra.items() if name not in MOMENTARY}
    return replace(person, parts=parts, extra=extra, velocity=None, contact=None, raw=None)


def finite(person: Person) -> bool:
    """Whether all numbers of a person are numbers."""
    named = [getattr(person, name) for name in (*SHAPES, "box", "pelvis", "joints")]
    arrays = [np.ravel(values) for values in (*named, *person.extra.values())]
    return bool(np.isfinite(np.concatenate(arrays)).all() and np.isfinite(person.score))
