"""Detectors and trackers with settings that a test says in a line."""

from typing import Any

from pymafx_live.configs.schema import DetectorSettings, RunSettings, Settings, SourceEntry, TrackerSettings
from pymafx_live.core.interfaces import Detector, Tracker
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.trackers import open_tracker


def create_detector(
    weights: str = "demo",
    *,
    threads: int = 0,
    runtime: Any = "auto",
    pictures: Pictures | None = None,
    batch: int = 1,
    **options: Any,
) -> Detector:
    """A detector for `batch` cameras, with these options of its section."""
    settings = Settings(
        sources=[SourceEntry(uri=str(k)) for k in range(batch)],
        detector=DetectorSettings(weights=weights, **options),
        run=RunSettings(threads=threads, runtime=runtime),
    )
    return open_detector(settings, pictures or Pictures())


def create_tracker(name: str = "bytetrack", **options: bool | float | str) -> Tracker:
    """A tracker with these options."""
    return open_tracker(TrackerSettings(name=name, options=options))
