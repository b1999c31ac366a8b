"""The trackers by name. To add one, write a class with the methods of `Tracker` and `open`, and give it a line here."""

from collections.abc import Mapping

from pymafx_live.configs.schema import TrackerSettings
from pymafx_live.core.interfaces import Tracker
from pymafx_live.core.registry import pick

TRACKERS: Mapping[str, str] = {
    "bytetrack": "pymafx_live.trackers.bytetrack:ByteTrack",
    "sort": "pymafx_live.trackers.sort:Sort",
    "trackers:*": "pymafx_live.trackers.roboflow:RoboflowTracker",
}


def open_tracker(settings: TrackerSettings) -> Tracker:
    """The tracker that is asked for, by its class's `open(settings)`.

    Raises `UsageError` for a name or an option that does not exist, for a value that makes no sense, and for a
    missing extra.
    """
    tracker: Tracker = pick(TRACKERS, settings.name, "tracker").open(settings)
    return tracker
