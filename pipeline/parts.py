"""Makes the parts of the loop from the settings, and imports only those that are asked for."""

from pymafx_live.configs.schema import Settings
from pymafx_live.core.interfaces import Detector
from pymafx_live.engines.imaging import Pictures

MOST_BOXES = 20
"""What the tracker is given at least, so that who is estimated is chosen among all that are there."""


def make_detector(settings: Settings, pictures: Pictures | None = None) -> Detector:
    """The person detector; raises `AssetError` or `UsageError` where its weights cannot be used.

    It and the engine share `pictures`, so that a frame goes up to a GPU once.
    """
    from pymafx_live.engines.detectors import create_detector

    detector = settings.detector
    return create_detector(
        detector.weights,
        size=detector.size,
        confidence=detector.confidence,
        iou=detector.iou,
        max_people=max(MOST_BOXES, settings.engine.max_people),
        threads=settings.run.threads,
        runtime=settings.run.runtime,
        pictures=pictures,
        batch=len(settings.cameras()),
    )
