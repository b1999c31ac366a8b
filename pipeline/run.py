"""A whole run: opens everything, loops, and closes everything whatever happens."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from pymafx_live.configs.schema import CameraSettings, Settings
from pymafx_live.core.interfaces import Detector, Engine, Output, Tracker
from pymafx_live.engines.imaging import Pictures
from pymafx_live.pipeline import parts
from pymafx_live.pipeline.camera import Lens, read_calibration
from pymafx_live.pipeline.lane import Stride
from pymafx_live.pipeline.loop import results
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.stats import StatsFile
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.sources import open_source
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stop import Stop


class Closable(Protocol):
    """Whatever has to be closed at the end."""

    def close(self) -> None:
        """Gives back what it holds."""


Part = TypeVar("Part", bound=Closable)


@dataclass(frozen=True, slots=True)
class Makers:
    """How the parts of the loop are made; another maker puts another part in."""

    detector: Callable[[Settings, Pictures], Detector] = parts.make_detector
    tracker: Callable[[Settings], Tracker] = parts.make_tracker
    engine: Callable[[Settings, Pictures], Engine] = parts.make_engine


def run(
    settings: Settings,
    statistics: Statistics,
    *,
    watch: Callable[[int], Output] | None = None,
    makers: Makers = Makers(),
) -> None:
    """Runs until the source ends, a signal comes, or `run.max_frames` are done.

    `statistics` is filled as it goes and holds what was done even where an error ends the run. `watch` makes
    an output that is told how many frames to expect, 0 where nobody knows.

    Raises:
        LiveError: with its sentence; everything that was written until then is whole.
    """
    stop = Stop()
    with ExitStack() as stack:

        def opened(part: Part) -> Part:
            return stack.enter_context(closing(part))

        # What fails soonest comes first: a wrong address is told before networks are loaded.
        source = opened(open_source(settings.source, lens(settings.camera), stop))
        outputs: list[Output] = [statistics]
        outputs.extend(opened(output) for output in open_outputs(settings.output, stop, parts.drawn_body(settings)))
        if settings.output.stats:
            outputs.append(opened(StatsFile(Path(settings.output.stats), statistics)))
        pictures = Pictures()
        detector = opened(makers.detector(settings, pictures))
        tracker = makers.tracker(settings)
        engine = opened(makers.engine(settings, pictures))
        if watch is not None:
            outputs.append(opened(watch(_expected(len(source), settings.run.max_frames))))

        with stop.on_signals():
            looped = opened(
                results(
                    source, detector, tracker, engine,
                    stride=stride(settings, source.live), overlap=settings.run.overlap,
                    select=Selection(settings.engine.max_people, settings.engine.lock),
                    smooth=Smoother(settings.engine.smoothing),
                )
            )  # fmt: skip
            stack.callback(stop.request)  # before the loop is closed: a thread of it may wait for a frame
            for result, frame in islice(looped, settings.run.max_frames or None):
                for output in outputs:
                    output.write(result, frame)
                if stop.requested:
                    break


def _expected(frames: int, limit: int) -> int:
    return min(frames or limit, limit or frames)


def stride(settings: Settings, live: bool) -> Stride:
    """The detector's stride: what is said, or else `auto` where the source is live and nothing is detected ahead."""
    if settings.detector.stride is not None:
        return settings.detector.stride
    return "auto" if live and not settings.run.overlap else 1


def lens(settings: CameraSettings) -> Lens:
    """What the settings say of the camera; raises `AssetError` for a calibration that cannot be used."""
    calibrated = read_calibration(Path(settings.calibration)) if settings.calibration else None
    return Lens(settings.fov, settings.focal, calibrated)
