"""An engine whose halves are as far apart as `run.overlap` brings them, on a film of several cameras."""

from collections.abc import Sequence
from threading import Event
from typing import Any

from pymafx_live.core.types import Estimate, Frame, Scene, Seen
from pymafx_live.pipeline.camera import Lens
from support.gpu_pipeline import FPS, clip_frames

LIMIT = 300.0
"""Seconds that a thread is waited for which must come."""


def film(source: str, people: int, count: int, cut: int = -1) -> list[Frame]:
    """Frames of the clip that ships, see `clip_frames`."""
    images = clip_frames(people, count)
    camera = Lens().camera(images[0].shape[1], images[0].shape[0])
    return [Frame(image, source, k, k / FPS, 0.0, camera, cut=k == cut) for k, image in enumerate(images)]


class Late:
    """An engine that estimates each of so many frames only after it has looked at the next one."""

    def __init__(self, engine: Any, count: int) -> None:
        self._engine, self.name, self.looks_ahead = engine, engine.name, engine.looks_ahead
        self._looked = [Event() for _ in range(count)]
        self.met: list[bool] = []
        self.estimate, self.forget = engine.estimate, engine.forget

    def look(self, scenes: Sequence[Scene]) -> Sequence[Seen]:
        seen: Sequence[Seen] = self._engine.look(scenes)
        self._looked[max(scene.frame.sequence for scene in scenes)].set()
        return seen

    def estimate_seen(self, seen: Sequence[Seen]) -> Estimate:
        for later in self._looked[max(one.scene.frame.sequence for one in seen) + 1 :][:1]:
            self.met.append(later.wait(LIMIT))
        made: Estimate = self._engine.estimate_seen(seen)
        return made
