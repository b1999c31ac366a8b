"""A whole run: opens everything, loops, and closes everything whatever happens."""

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

from pymafx_live.configs.schema import CameraSettings, Settings, SourceSettings, TrackerSettings
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.core.interfaces import Detector, Engine, Output, Tracker, log_progress
from pymafx_live.core.types import SourceEvent, SourceRemoved, SourceState
from pymafx_live.engines import open_engine
from pymafx_live.engines.detectors import open_detector
from pymafx_live.engines.imaging import Pictures
from pymafx_live.engines.reid import Reid
from pymafx_live.pipeline.camera import Lens, Mount, read_calibration, read_extrinsics
from pymafx_live.pipeline.cameras import Cameras
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.events import SourceStates
from pymafx_live.pipeline.faults import Faults
from pymafx_live.pipeline.foot_lock import FootLock
from pymafx_live.pipeline.ground import Ground
from pymafx_live.pipeline.halves import ahead
from pymafx_live.pipeline.history import History
from pymafx_live.pipeline.lane import Lane, Look, Stride
from pymafx_live.pipeline.loop import Result
from pymafx_live.pipeline.loop import watch as watch_sources
from pymafx_live.pipeline.outputs import open_outputs
from pymafx_live.pipeline.outputs.run import JOINTS, Run
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.overload import Overload, Reduction
from pymafx_live.pipeline.relief import Relief
from pymafx_live.pipeline.roster import Member, Roster
from pymafx_live.pipeline.selection import Selection
from pymafx_live.pipeline.smoothing import Smoother
from pymafx_live.pipeline.sources import kept_in, open_source, open_sources
from pymafx_live.pipeline.statistics import Reductions, Statistics
from pymafx_live.pipeline.stats_file import StatsFile
from pymafx_live.pipeline.stop import Interrupted, Stop
from pymafx_live.pipeline.watchdog import Watchdog
from pymafx_live.pipeline.world import Given
from pymafx_live.trackers import open_tracker
from pymafx_live.trackers.looks import looks

logger = logging.getLogger(__name__)


class Closable(Protocol):
    """Whatever has to be closed at the end."""

    def close(self) -> None:
        """Gives back what it holds."""


Part = TypeVar("Part", bound=Closable)


@dataclass(frozen=True, slots=True)
class Makers:
    """How the parts of the loop are made; another maker puts another part in."""

    detector: Callable[[Settings, Pictures], Detector] = open_detector
    tracker: Callable[[TrackerSettings], Tracker] = open_tracker
    engine: Callable[[Settings, Pictures], Engine] = open_engine


class _Entrance:
    """Opens the sources that come later, and makes the lane of each source."""

    def __init__(self, settings: Settings, makers: Makers, look: Look, targets: Targets, stop: Stop) -> None:
        self._settings, self._makers, self._look = settings, makers, look
        self._targets, self._stop = targets, stop

    def lane(self, live: bool, ground: Ground, run_id: str = "") -> Lane:
        """The lane of a source that is `live` or not, and stands on a `ground`."""
        settings = self._settings
        return Lane(
            self._makers.tracker(settings.tracker), stride(settings, live),
            select=Selection(settings.engine.max_people, settings.engine.lock),
            smooth=History(Smoother(settings.engine.smoothing, settings.output.raw)), ground=ground, look=self._look,
            run_id=run_id,
        )  # fmt: skip

    def __call__(self, wanted: SourceSettings, camera: CameraSettings) -> Member:
        """See `roster.Enter`."""
        ground = Ground(stance(wanted, camera))
        source = open_source(wanted, lens(camera), self._stop)
        try:
            self._targets.read(source.files)
            return Member(source, self.lane(source.live, ground, uuid4().hex))
        except BaseException:
            source.close()
            raise


def run(
    settings: Settings,
    statistics: Statistics,
    *,
    watch: Callable[[int], Output] | None = None,
    makers: Makers = Makers(),
    stop: Stop | None = None,
    roster: Roster | None = None,
) -> None:
    """Runs until all sources have ended, a signal comes, `run.max_frames` are done, or no output is left.

    `statistics` is filled as it goes and holds what was done even where an error ends the run. `watch` makes
    an output that is told how many frames to expect, 0 where nobody knows. `stop` ends it from elsewhere. With a
    `roster` its sources are those that are added there, whose end or failure does not end it.

    Raises:
        LiveError: with its sentence; everything that was written until then is whole. An output that fails ends
            alone, and a detector, tracker or engine that fails on single frames ends nothing: that is raised when the
            run is over.
    """
    known = settings.cameras() if roster is None else []
    stop, watchdog, faults = stop or Stop(), Watchdog(), Faults(give_up=None if roster is None else roster.give_up)
    statistics.faults = faults
    added = roster or Roster()
    more = None if roster is None else lambda: not (added.closed or stop.requested)
    with stop.on_signals(), ExitStack() as stack:

        def opened(part: Part) -> Part:
            return stack.enter_context(closing(part))

        # What fails soonest comes first: a wrong address is told before networks are loaded.
        stack.callback(added.end)
        began = time.time()
        cameras = [(source, lens(camera)) for source, camera in known]
        grounds = [Ground(stance(source, camera)) for source, camera in known]
        sources = [opened(source) for source in open_sources(cameras, stop)]
        live = roster is not None or any(source.live for source in sources)
        read = [file for source in sources for file in source.files]
        targets = Targets([*read, *inputs(settings)], settings.output.overwrite)
        if settings.output.stats:  # before the outputs, and so closed after them: it says what they have done
            opened(StatsFile(targets.file(Path(settings.output.stats), "--stats"), statistics))
        told = run_of(settings, statistics, stop, targets)
        told.stuck = statistics.stuck = lambda: watchdog.stuck
        told.sources = [source.name for source in sources]
        delivery = opened(deliver(settings, statistics, told, live=live))
        pictures = Pictures(max(1, len(sources)), sizes={source.size for source in sources if source.size})
        detector = opened(makers.detector(settings, pictures))
        look = opened(Reid.open(settings)) if settings.tracker.reid else looks
        entrance = _Entrance(settings, makers, look, targets, stop)
        lanes = [entrance.lane(source.live, ground) for source, ground in zip(sources, grounds, strict=True)]
        engine = opened(makers.engine(settings, pictures))
        _say_where(engine, detector)
        frames = [len(source) for source in sources]
        expected = _expected(sum(frames) if all(frames) else 0, settings.run.max_frames)
        screen = opened(Delivery([watch(expected)] if watch else [], stop, live=live))

        read_by = Cameras(sources, lanes, more)
        looped = opened(watch_sources(read_by, detector, engine, overlap=settings.run.overlap, faults=faults))
        stack.callback(stop.draining)  # before the loop is closed: a thread of it may wait for a frame
        stop.looping()

        def tell(event: SourceEvent) -> None:
            delivery.tell(event)
            screen.tell(event)

        with watchdog, SourceStates(tell) as states, ExitStack() as last:
            last.callback(lambda: _say_goodbye([*lanes, *added.lanes()], delivery))
            for source in sources:
                states.connecting(source.name, began)
            live_lanes = {source.name: lane for source, lane in zip(sources, lanes, strict=True) if source.live}
            early = ahead(engine, settings.run.overlap)
            relief = None
            if live:
                relief = _relief(settings, lambda: live_lanes | added.live_lanes(), states, statistics, early)
            failures: list[str] = []
            several = failures if roster is not None or len(sources) > 1 else None
            added.begin(read_by, entrance, pictures.serve)
            for result, frame in _results_of(looped, states, statistics, added, several):
                watchdog.moved()
                delivery.write(result, frame)
                if frame is None:
                    continue
                statistics.write(result)
                if relief is not None:
                    relief.note(result)
                screen.write(result, frame)
                if stop.requested or statistics.frames == settings.run.max_frames or not delivery.alive:
                    break
            if stop.signal and not statistics.frames:
                raise Interrupted(stop.signal)  # while a source was waited for
        stop.draining()
        delivery.close()
        told.finish()
    delivery.raise_error()
    faults.raise_error()
    if failures and roster is None:
        raise SourceError(
            f"{len(failures)} of the {len(sources)} sources failed while the others went on: {failures[0]}"
        )


def _say_goodbye(lanes: Iterable[Lane], delivery: Delivery) -> None:
    """Ends who is still there, however the run ends."""
    for lane in lanes:
        if (result := lane.goodbye()) is not None:
            delivery.write(result, None)


def _results_of(
    items: Iterable[Result | SourceEvent],
    states: SourceStates,
    statistics: Statistics,
    added: Roster,
    failures: list[str] | None,
) -> Iterator[Result]:
    """The results of the loop; who else has to hears of the events between, and the log where one of several fails."""
    for item in items:
        if isinstance(item, SourceEvent):
            states.tell(item)
            statistics.tell(item)
            if isinstance(item, SourceRemoved):
                added.heard(item)
            if failures is not None and item.state is SourceState.FAILED:
                logger.warning("a source has failed: %s", item.reason)
                failures.append(item.reason)
        else:
            if item[1] is not None:
                states.result_of(item[0].source)
            yield item


def run_of(settings: Settings, statistics: Statistics, stop: Stop, targets: Targets) -> Run:
    """What outputs are told of any run, live or replayed."""
    return Run(
        stop, drawn_body(settings), targets, JOINTS[settings.output.joints],
        figures=lambda: statistics.outputs(), floor=settings.output.floor, lock=settings.engine.lock,
    )  # fmt: skip


def deliver(settings: Settings, statistics: Statistics, told: Run, *, live: bool) -> Delivery:
    """The outputs that are asked for, open, and counted by `statistics`; raises what `open_outputs` does."""
    lock = FootLock() if settings.output.foot_lock else None
    delivery = Delivery(open_outputs(settings.output, told), told.stop, live=live, lock=lock)
    statistics.outputs = delivery.figures
    return delivery


def _say_where(engine: Engine, detector: Detector) -> None:
    """Says on what the networks run; those who do not tell what they are `about` are left out."""
    where = {"runtime": getattr(engine, "about", ""), "detector": getattr(detector, "about", "")}
    if where["runtime"] == where["detector"]:
        del where["detector"]
    if any(where.values()):
        log_progress("; ".join(f"{what}: {about}" for what, about in where.items() if about))


def _relief(
    settings: Settings,
    lanes: Callable[[], Mapping[str, Lane]],
    states: SourceStates,
    statistics: Statistics,
    early: Collection[str],
) -> Relief | None:
    """What holds the rate and the age that are asked for; None where none is."""
    wanted, engine = settings.run, settings.engine
    if wanted.target_fps is None and wanted.max_age_ms is None:
        return None
    every = settings.detector.stride if isinstance(settings.detector.stride, int) else 1
    base = Reduction(every, engine.face_every, engine.hands_every)
    statistics.reductions = Reductions()
    age = None if wanted.max_age_ms is None else wanted.max_age_ms / 1000
    overload = Overload(wanted.target_fps, age, base)
    return Relief(overload, lanes, states, statistics.reductions, ahead=early)


def inputs(settings: Settings) -> list[Path]:
    """The files and folders that a run reads beside its sources."""
    calibrations = [camera.calibration for _, camera in settings.cameras()]
    given = [getattr(settings.output, name, "") for name in ("curve", "vmc_avatar")]
    kept = [kept_in(source.uri) for source, _ in settings.cameras()]
    networks = [settings.detector.weights, settings.tracker.reid, settings.engine.assets]
    named = [*networks, settings.output.smplx_file, *given, *calibrations, *kept]
    return [Path(name).expanduser() for name in named if name]


def _expected(frames: int, limit: int) -> int:
    return min(frames or limit, limit or frames)


def stride(settings: Settings, live: bool) -> Stride:
    """The detector's stride: what is said, or else `auto` where the source is live and that can be known in time."""
    if settings.detector.stride is not None:
        return settings.detector.stride
    return "auto" if live and not settings.detects_ahead() else 1


def lens(settings: CameraSettings) -> Lens:
    """What the settings say of the camera; raises `AssetError` for a calibration that cannot be used."""
    calibrated = read_calibration(Path(settings.calibration)) if settings.calibration else None
    return Lens(settings.fov, settings.focal, calibrated)


def stance(source: SourceSettings, camera: CameraSettings) -> Given:
    """What the settings say of how the camera stands; raises `AssetError` for a calibration that cannot be used."""
    pitch, roll = (None if angle is None else math.radians(angle) for angle in (camera.pitch, camera.roll))
    world = read_extrinsics(Path(camera.calibration)) if camera.calibration else None
    if world is not None and (pitch, roll, camera.height) != (None, None, None):
        raise UsageError(
            f"the calibration {camera.calibration} says where the camera stands (rvec, tvec): leave --camera-pitch, "
            "--camera-roll and --camera-height away"
        )
    shown = None if world is None else Mount(source.rotate, source.mirror).world(world)
    return Given(pitch, roll, camera.height, shown)


def drawn_body(settings: Settings) -> str:
    """The SMPL-X file to draw: the one that is given, or that of PyMAF-X's own folder; empty: the embedded body."""
    if settings.output.smplx_file or settings.engine.name != "pymafx":
        return settings.output.smplx_file
    from pymafx_live.engines.pymafx.files.sources import SMPLX

    file = Path(settings.engine.assets) / SMPLX
    return str(file) if file.exists() else ""
