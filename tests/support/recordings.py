"""People who move, with joints that agree with their poses, as a run tells of them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pymafx_live.core.types import (
    Camera,
    CaptureOrigin,
    FrameResult,
    Origin,
    Part,
    Person,
    SourceEvent,
    SourceState,
    TrackState,
)
from pymafx_live.core.wire import encode, encode_event
from pymafx_live.pipeline.mailbox import Item
from support.people import person

CAMERA = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)


def person_of(id_: int, pose: np.ndarray, pelvis: np.ndarray, bones: np.ndarray | None = None) -> Person:
    """A person whose joints are those of the embedded body in `pose` (55, 3), with the pelvis at `pelvis` (3,)."""
    parts = {"torso": Part(1.0, Origin.MEASURED, 100.0), "transl": Part(1.0, Origin.MEASURED, 100.0)}
    extra = {"blendshapes": np.linspace(0, 1, 52, dtype=np.float32)}
    return person(
        pose, pelvis, bones, id_, parts, score=0.5, state=TrackState.TRACKED, box=(20, 20, 80, 110), extra=extra
    )


def moving(number: int, id_: int = 1, seed: int = 0) -> Person:
    """A person in the frame of that number, who turns, waves and walks at any seed's own measure."""
    rng = np.random.default_rng(seed + 100 * id_)
    swing, phase = rng.normal(0, 0.3, (55, 3)), rng.uniform(0, 6.3, (55, 3))
    pose = swing * np.sin(number / 12 + phase)
    pose[0] = np.array([np.pi, 0, 0]) + 0.5 * pose[0]
    pelvis = np.array([0.3 * id_ + number / 100, 0.1 * np.sin(number / 8), 3 - number / 200])
    return person_of(id_, pose, pelvis, 1 + 0.1 * rng.uniform(-1, 1, 55))


def recorded(
    count: int = 40, ids: Sequence[int] = (1, 2), fps: float = 25.0, source: str = "cam", seed: int = 0
) -> list[Item]:
    """What a run of `count` frames tells: it begins, goes on, everybody is said goodbye to, and it ends."""
    items: list[Item] = [SourceEvent(source, SourceState.LIVE, 1_700_000_000.0)]
    for number in range(count):
        people = tuple(moving(number, id_, seed) for id_ in ids)
        result = FrameResult(
            source, number, "run", number / fps, 1_700_000_000 + number / fps, 1_700_000_000.05 + number / fps, CAMERA,
            people, {"estimate": 0.02}, capture_origin=CaptureOrigin.ESTIMATED,
        )  # fmt: skip
        items.append((result, None))
    last = replace(result, people=tuple(replace(p, state=TrackState.ENDED) for p in people), final=True)
    return [*items, (last, None), SourceEvent(source, SourceState.ENDED, 1_700_000_000 + count / fps)]


def told(items: Sequence[Item]) -> list[bytes]:
    """The items as bytes, which are equal where every field is."""
    return [encode_event(item) if isinstance(item, SourceEvent) else encode(item[0]) for item in items]
