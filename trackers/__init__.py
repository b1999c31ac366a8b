"""Trackers: boxes become people over time. `create_tracker` picks one by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Any

from pymafx_live.core.errors import UsageError
from pymafx_live.trackers.bytetrack import ByteTrack
from pymafx_live.trackers.sort import Sort

if TYPE_CHECKING:
    from pymafx_live.trackers.roboflow import RoboflowTracker

ROBOFLOW = "trackers:"
TRACKERS: Mapping[str, type[ByteTrack | Sort]] = {"bytetrack": ByteTrack, "sort": Sort}


def create_tracker(name: str = "bytetrack", **options: Any) -> ByteTrack | Sort | RoboflowTracker:
    """A tracker by `name`: "bytetrack", "sort", or "trackers:<name>" for one of Roboflow's package `trackers`.

    `options` are the keyword arguments of its class. Raises `UsageError` for a name or an option that does not
    exist, for a value that makes no sense, and for a missing extra.
    """
    if name.startswith(ROBOFLOW):
        from pymafx_live.trackers.roboflow import RoboflowTracker

        return RoboflowTracker(name.removeprefix(ROBOFLOW), **options)
    if name not in TRACKERS:
        raise UsageError(f'there is no tracker "{name}": choose {", ".join(TRACKERS)} or {ROBOFLOW}<name>.')
    tracker = TRACKERS[name]
    known = inspect.signature(tracker).parameters
    for option, value in options.items():
        if option not in known:
            raise UsageError(f'the tracker {name} has no option "{option}": it has {", ".join(known)}.')
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < inf:
            raise UsageError(f"the tracker's {option} is {value!r}, but must be a number of 0 or more.")
    return tracker(**options)
