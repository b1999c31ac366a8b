"""What a message tells of a person's past: when each part was last measured, and how fast the pelvis moves."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from pymafx_live.core.arrays import Reals
from pymafx_live.core.types import Floats, Frame, Origin, Part, Person, Smoothing
from pymafx_live.pipeline.smoothing import GAP, SPEED_CUTOFF, Smoother, share

FASTEST = 10.0
"""Metres per second: a step that is faster is a correction of what was thought before, and no movement."""


@dataclass(slots=True)
class _Memory:
    """Of one track: when each part was last measured (Unix seconds); the `place` (3,) of the pelvis as it was last
    measured, at `time`, and its `velocity` (3,)."""

    since: dict[str, float] = field(default_factory=dict)
    time: float = -np.inf
    place: Reals = field(default_factory=lambda: np.zeros(3))
    velocity: Reals | None = None


class History:
    """Has the last word on a camera's people: smooths them, and says what it remembers of them."""

    def __init__(self, smoother: Smoother) -> None:
        self._smoother = smoother
        self._memory: dict[int, _Memory] = {}

    @property
    def smoothing(self) -> Smoothing:
        """What is told of the smoothing."""
        return self._smoother.smoothing

    def __call__(self, people: Sequence[Person], frame: Frame) -> list[Person]:
        """The people of one frame, smoothed, with `measured_at` and `velocity`."""
        smooth = self._smoother(people, frame)
        return [self._told(person, seen, frame) for person, seen in zip(smooth, people, strict=True)]

    def forget(self, ids: Collection[int]) -> None:
        """Drops what it remembers of tracks that are over."""
        self._smoother.forget(ids)
        for key in ids:
            self._memory.pop(key, None)

    def _told(self, person: Person, seen: Person, frame: Frame) -> Person:
        """The person as it leaves, whose pelvis was `seen` there before it was smoothed: that lags."""
        memory = self._memory.setdefault(person.id, _Memory())
        since = memory.since
        since.update({name: frame.captured_at for name, part in person.parts.items() if part.origin is Origin.MEASURED})
        parts = {name: Part(part.confidence, part.origin, since.get(name)) for name, part in person.parts.items()}
        return replace(person, parts=parts, velocity=self._velocity(memory, seen, frame.time))

    def _velocity(self, memory: _Memory, person: Person, time: float) -> Floats | None:
        """How fast the pelvis moves, smoothed by a first-order filter; None where nothing was measured to tell it."""
        part = person.parts.get("transl")
        if part is None or part.origin is not Origin.MEASURED:
            return None
        place, dt = person.pelvis.astype(np.float64), time - memory.time
        step = (place - memory.place) / dt if 0 < dt < GAP else None
        memory.time, memory.place = time, place
        if step is None or np.linalg.norm(step) > FASTEST:
            memory.velocity = None
            return None
        before = step if memory.velocity is None else memory.velocity
        memory.velocity = before + share(SPEED_CUTOFF, dt) * (step - before)
        return memory.velocity.astype(np.float32)
