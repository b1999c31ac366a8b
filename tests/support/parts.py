"""Trackers with settings that a test says in a line."""

from pymafx_live.configs.schema import TrackerSettings
from pymafx_live.core.interfaces import Tracker
from pymafx_live.trackers import open_tracker


def create_tracker(name: str = "bytetrack", **options: bool | float | str) -> Tracker:
    """A tracker with these options."""
    return open_tracker(TrackerSettings(name=name, options=options))
