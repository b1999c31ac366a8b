"""The trackers of Roboflow's package `trackers` (Apache-2.0, https://github.com/roboflow/trackers)."""

import importlib.util
import inspect
import sys
from collections.abc import Collection, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
from pymafx_live.configs.schema import TrackerSettings
from pymafx_live.core.errors import UsageError
from pymafx_live.core.types import Floats, Track, TrackState

FRAMES_PER_SECOND = 30
"""The package counts its buffer in frames of this rate, also where it is given time stamps."""


class RoboflowTracker:
    """One of the package's trackers, with the ids and states of this project.

    The package names a person only once it is sure, so no track is ever NEW. On frames without detection it
    predicts nothing, and the boxes stay where they were. Motion of the camera is not compensated.
    """

    def __init__(self, name: str, *, buffer: float = 1.0, **options: Any) -> None:
        trackers: dict[str, Any] = {
            value.tracker_id: value
            for value in vars(package()).values()
            if isinstance(getattr(value, "tracker_id", None), str)
        }
        if name not in trackers:
            raise UsageError(f'the package trackers has no "{name}": choose {", ".join(sorted(trackers))}.')
        known = inspect.signature(trackers[name]).parameters
        for option in options:
            if option not in known:
                raise UsageError(f'the tracker {name} has no option "{option}": it has {", ".join(known)}.')
        if "enable_cmc" in known:
            options.setdefault("enable_cmc", False)  # it would need the image
        try:
            self._tracker = trackers[name](lost_track_buffer=round(buffer * FRAMES_PER_SECOND), **options)
        except (TypeError, ValueError) as error:
            raise UsageError(f"the tracker {name} does not accept its options: {error}.") from error
        self._next_id = count(1)
        self._tracks: dict[int, Track] = {}  # by the package's id

    @classmethod
    def open(cls, settings: TrackerSettings) -> Self:
        """Of the name `trackers:sort` its `sort`, with the options."""
        options: dict[str, Any] = settings.options
        return cls(settings.name.partition(":")[2], **options)

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """The tracks after detections `boxes` (N, 4) x1, y1, x2, y2 and `scores` (N,) at `time` in seconds."""
        from supervision import Detections

        detections = Detections(xyxy=boxes, confidence=scores, class_id=np.zeros(len(boxes), int))
        found = self._tracker.update(detections, timestamp=time)
        seen = dict(zip(found.tracker_id.tolist(), (found.confidence if len(found) else ()), strict=True))
        alive = self._tracker.tracked_objects
        before, self._tracks = self._tracks, {}
        for key, box in zip(alive.tracker_id.tolist(), alive.xyxy.astype(np.float32), strict=True):
            old = before.pop(key, None)
            state = TrackState.TRACKED if key in seen else TrackState.LOST
            score = float(seen[key]) if key in seen else old.score if old else 0.0
            track_id = old.id if old else next(self._next_id)
            self._tracks[key] = Track(track_id, state, box, score, key in seen)
        return [*self._tracks.values(), *_ended(before)]

    def predict(self, time: float) -> list[Track]:
        """The tracks where they last were, on a frame without detection."""
        return [Track(t.id, t.state, t.box, t.score, seen=False) for t in self._tracks.values()]

    def follow(self, boxes: Mapping[int, Floats]) -> None:
        """List the tracks of these ids at `boxes` (4,) until the next detection; the package is not told."""
        for key, track in self._tracks.items():
            if track.id in boxes and track.state is TrackState.TRACKED:
                self._tracks[key] = replace(track, box=boxes[track.id])

    def renew(self, ids: Collection[int]) -> None:
        """Give the tracks of these ids new ones, as they have been said goodbye to; the package is not told."""
        for key, track in self._tracks.items():
            if track.id in ids:
                self._tracks[key] = replace(track, id=next(self._next_id))

    def reset(self) -> list[Track]:
        """End all tracks, because the scene was cut, and list them a last time."""
        before, self._tracks = self._tracks, {}
        self._tracker.reset()
        return _ended(before)


def _ended(tracks: dict[int, Track]) -> list[Track]:
    return [Track(t.id, TrackState.ENDED, t.box, t.score, seen=False) for t in tracks.values()]


def package() -> ModuleType:
    """The package, from where it is installed: in a checkout `import trackers` may find this very folder."""
    try:
        path = Path(str(distribution("trackers").locate_file("trackers/__init__.py")))
    except PackageNotFoundError as error:
        raise UsageError(
            "this tracker needs the package trackers, which is not installed: pip install 'pymafx-live[trackers]'."
        ) from error
    loaded = sys.modules.get("trackers")
    if loaded is not None and loaded.__file__ == str(path):
        return loaded
    spec = importlib.util.spec_from_file_location("trackers", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["trackers"] = module
    spec.loader.exec_module(module)
    return module
