"""The two halves of an engine, which sees who is where and then estimates; one that has no halves does all at once."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pymafx_live.core.interfaces import Engine, LookingEngine
from pymafx_live.core.types import Estimate, Floats, Origin, Person, Scene, Seen
from pymafx_live.pipeline.presence import finite

DETECTING = ("detect",)
LOOKING = ("detect", "track", "estimate/look")


def in_halves(engine: Engine | LookingEngine) -> LookingEngine:
    """The engine itself where it has halves."""
    return engine if isinstance(engine, LookingEngine) else _Whole(engine)


def ahead(engine: Engine, overlap: bool) -> tuple[str, ...]:
    """The stages of a result that were done while the results before were made."""
    if not overlap:
        return ()
    return LOOKING if in_halves(engine).looks_ahead else DETECTING


@dataclass(frozen=True, slots=True, eq=False)
class _Made(Seen):
    """What an engine without halves has made of a scene already."""

    made: Sequence[Person]
    stages: Mapping[str, float]


class _Whole:
    """An engine without halves: to see who is where it estimates."""

    looks_ahead = False

    def __init__(self, engine: Engine) -> None:
        self._engine, self.name = engine, engine.name

    def look(self, scenes: Sequence[Scene]) -> list[Seen]:
        """See `LookingEngine.look`."""
        made = self._engine.estimate(scenes)
        return [
            _Made(s, keypoints_of(people), people, made.stages) for s, people in zip(scenes, made.people, strict=True)
        ]

    def estimate_seen(self, seen: Sequence[Seen]) -> Estimate:
        """See `LookingEngine.estimate_seen`."""
        known = cast(Sequence[_Made], seen)
        return Estimate([one.made for one in known], known[0].stages if known else {})

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        """See `Engine.forget`."""
        self._engine.forget(source, ids)


def keypoints_of(people: Sequence[Person]) -> dict[int, Floats | None]:
    """The keypoints of the people who were measured in this frame, None of those who have none."""
    return {
        person.id: person.extra.get("keypoints") for person in people
        if "transl" in person.parts and person.parts["transl"].origin is Origin.MEASURED and finite(person)
    }  # fmt: skip
