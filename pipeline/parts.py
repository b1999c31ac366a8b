"""Makes the parts of the loop from the settings, and imports only those that are asked for."""

from pathlib import Path

from pymafx_live.configs.schema import Settings
from pymafx_live.core.interfaces import Detector, Engine
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


def make_engine(settings: Settings, pictures: Pictures | None = None) -> Engine:
    """The engine, which shares `pictures` too; raises `AssetError` or `UsageError` where it cannot be made."""
    if settings.engine.name == "landmarks":
        from pymafx_live.engines.landmarks.engine import LandmarkEngine, LandmarkOptions

        return LandmarkEngine(LandmarkOptions(threads=settings.run.threads, runtime=settings.run.runtime), pictures)
    from pymafx_live.engines.pymafx.engine import open_engine

    engine = settings.engine
    return open_engine(
        Path(engine.assets),
        parts=engine.parts,
        rtmlib_pose=Path(engine.rtmlib_pose) if engine.rtmlib_pose else None,
        hands_every=engine.hands_every,
        face_every=engine.face_every,
        freeze_shape=engine.freeze_shape,
        max_batch=engine.max_batch,
        threads=settings.run.threads,
        runtime=settings.run.runtime,
        precision=settings.run.precision,
        pictures=pictures,
    )


def drawn_body(settings: Settings) -> str:
    """The SMPL-X file to draw: the one that is given, or that of PyMAF-X's own folder; empty: the embedded body."""
    if settings.output.smplx_file or settings.engine.name != "pymafx":
        return settings.output.smplx_file
    from pymafx_live.engines.pymafx.files.sources import SMPLX

    file = Path(settings.engine.assets) / SMPLX
    return str(file) if file.exists() else ""
