"""What a worker's `state()` says of its load, and of what each of its cameras costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PICTURE = 1.5
"""What the detector takes for a picture, in times of what the engine takes for a person (docs/performance.md)."""
_MOST_DROPPED = 0.9
"""A larger share of dropped frames says nothing more exact of how much too much there is."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of a `placement.WorkerLoad`; `costs` are those of its cameras that give results, for `CameraLoad`."""

    age: float | None
    dropped: float
    busy: float
    costs: Mapping[str, float]


def demanded(done: float, dropped: float) -> float:
    """What would have been done had no frame been dropped: three times as much where two of three were."""
    return done / (1 - min(max(dropped, 0.0), _MOST_DROPPED))


def measure(state: Mapping[str, Any]) -> Measurement:
    """The load of a worker (`pipeline.fleet.worker.Worker.state`) and its shares.

    The load is divided among the cameras by the frames that each has, those nobody looked at included, each a picture
    with so many people in it.
    """
    cameras = {name: camera for name, camera in state["cameras"].items() if camera["fps"]}
    arrived = {name: demanded(camera["fps"], camera["dropped"]) for name, camera in cameras.items()}
    total = sum(arrived.values())
    dropped = sum(arrived[name] * camera["dropped"] for name, camera in cameras.items()) / total if total else 0.0
    weights = {name: arrived[name] * (PICTURE + camera["people"]) for name, camera in cameras.items()}
    load, whole = demanded(state["busy"], dropped), sum(weights.values())
    ages = [camera["age_ms"]["p50"] / 1000 for camera in cameras.values() if camera["age_ms"]]
    costs = {name: load * weight / whole for name, weight in weights.items()} if whole else {}
    return Measurement(max(ages, default=None), dropped, state["busy"], costs)
