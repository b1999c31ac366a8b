"""Makes the parts of the loop from the settings, and imports only those that are asked for."""

from pymafx_live.configs.schema import Settings
from pymafx_live.pipeline.errors import UsageError
from pymafx_live.pipeline.interfaces import Detector, Engine, Tracker


def make_detector(settings: Settings) -> Detector:
    """The person detector; raises `AssetError` or `UsageError` where its weights cannot be used."""
    from pymafx_live.engines.detectors import create_detector

    detector = settings.detector
    return create_detector(
        detector.weights,
        size=detector.size,
        confidence=detector.confidence,
        iou=detector.iou,
        max_people=settings.engine.max_people,
        threads=settings.run.threads,
    )


def make_tracker(settings: Settings) -> Tracker:
    """The tracker; raises `UsageError` for a name or an option that it does not know."""
    from pymafx_live.trackers import create_tracker

    return create_tracker(settings.tracker.name, **settings.tracker.options)


def make_engine(settings: Settings) -> Engine:
    """The engine; raises `UsageError` for a name that is none of them."""
    match settings.engine.name:
        case "landmarks":
            from pymafx_live.engines.landmarks.engine import LandmarkEngine, LandmarkOptions

            return LandmarkEngine(LandmarkOptions(threads=settings.run.threads))
        case name:
            raise UsageError(f"there is no engine {name!r}: give --engine landmarks")
