"""Replays recordings: what is in them enters behind the engine, and goes to any output."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from pymafx_live.configs.schema import Settings
from pymafx_live.core.errors import SourceError, UsageError
from pymafx_live.core.interfaces import Output, log_progress
from pymafx_live.core.types import FrameResult, SourceEvent
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.events import SourceStates
from pymafx_live.pipeline.mailbox import Item
from pymafx_live.pipeline.outputs.targets import Targets
from pymafx_live.pipeline.playback import Playback
from pymafx_live.pipeline.presence import Presence
from pymafx_live.pipeline.recordings import is_recording, reader_of
from pymafx_live.pipeline.run import deliver, inputs, run_of
from pymafx_live.pipeline.sources import kept_in, plain_address
from pymafx_live.pipeline.statistics import Statistics
from pymafx_live.pipeline.stats_file import StatsFile
from pymafx_live.pipeline.stop import Stop

_POLL = 0.05
"""Seconds between two looks at whether the wait for a result is to end."""


def recording_of(settings: Settings) -> Path | None:
    """The recording that a run replays, if its source is one; raises `UsageError` for what cannot be."""
    sources = [source for source, _ in settings.cameras()]
    named = [Path(place) for source in sources if is_recording(place := _place(source.uri))]
    if named and len(sources) > 1:
        raise UsageError(f"{named[0]} is a recording and is replayed alone: give it as the only --source")
    if named and sources[0].loop:
        raise UsageError(f"{named[0]} is a recording, whose people come and go once: leave --loop out")
    return named[0] if named else None


def _place(uri: str) -> str:
    """The plain address of a source; that of what can be read only once, such as a pipe, is left to who opens it."""
    kept = kept_in(uri)
    return plain_address(uri) if not kept or Path(kept).is_file() else uri


def run_recording(
    file: Path,
    settings: Settings,
    statistics: Statistics,
    *,
    watch: Callable[[int], Output] | None = None,
    stop: Stop | None = None,
) -> None:
    """As `pipeline.run.run` of a recording: at its own times with `source.realtime`, else as fast as it is taken.

    With a page, and no output that is to hold it all, the page steers it; it then ends with a signal. `source.name`
    replays that source only. Raises `LiveError`.
    """
    stop, source = stop or Stop(), settings.cameras()[0][0]
    with stop.on_signals(), ExitStack() as stack:
        reader, steered = reader_of(file, "--source"), _is_steered(settings)
        stored = _of_source(reader.read(file), source.name)
        first = list(_until_a_result(stored))  # before an output is opened that might replace something
        if not first or isinstance(first[-1], SourceEvent):
            of = f" of a source {source.name!r}: leave --name out for all" if source.name else ""
            raise SourceError(f"{file} holds no result{of}")
        targets = Targets([file, *inputs(settings)], settings.output.overwrite)
        if settings.output.stats:
            stats = StatsFile(targets.file(Path(settings.output.stats), "--stats"), statistics)
            stack.enter_context(closing(stats))
        told = run_of(settings, statistics, stop, targets)
        told.replayed = True
        if steered:
            tape = reader.tape(file)
            told.playback = Playback(tape.seconds)
        delivery = stack.enter_context(closing(deliver(settings, statistics, told, live=source.realtime or steered)))
        limit = settings.run.max_frames
        screen = stack.enter_context(closing(Delivery([watch(limit)] if watch else [], stop, live=True)))
        items: Iterator[Item] = chain(first, stored)
        stop.looping()

        def note(result: FrameResult) -> bool:
            if not result.final:
                statistics.write(result)
                screen.write(result, None)
            return stop.requested or (limit > 0 and statistics.frames >= limit)

        if told.playback is None:
            replay(_paced(items, stop) if source.realtime else items, delivery, note)
        else:
            play(
                lambda at: (timed for timed in tape.read(at) if source.name in ("", _source_of(timed[1]))),
                told.playback, delivery, note, stop,
            )  # fmt: skip
        stop.draining()
        delivery.close()
        told.finish()
    delivery.raise_error()


def replay(items: Iterable[Item], delivery: Delivery, done: Callable[[FrameResult], bool] = lambda _: False) -> None:
    """Delivers results and events, as fast as they come and the outputs take them, until `done` says so of a result.

    Where a recording was cut short, or its writer killed, who is still there ends here, and so do the sources.
    """
    with SourceStates(delivery.tell) as states:
        _deliver(items, delivery, states, done)


def play(
    read: Callable[[float], Iterator[tuple[float, Item]]],
    playback: Playback,
    delivery: Delivery,
    done: Callable[[FrameResult], bool],
    stop: Stop,
) -> None:
    """As `replay` of what `read` has from a moment on, as `playback` is steered; at the end it waits for a jump.

    Before a jump everybody is said goodbye to, and what comes then has a `run_id` of its own: for who hears it, ids and
    sequence numbers begin anew. A source stands still as one that has stalled.
    """
    at: float | None = 0.0
    jumps, told = 0, False
    while at is not None:
        with SourceStates(delivery.tell) as states:
            while at is not None:
                states.restart()
                items = _due(read(at), playback, stop, states)
                if _deliver(_renamed(items, f"+{jumps}") if jumps else items, delivery, states, done) or stop.requested:
                    return
                jumps += 1
                at = playback.jump()
        if not told:
            log_progress("the recording is over: the page can go back in it, and Ctrl-C ends the run")
        told = True
        at = playback.rest(stop)


def _due(timed: Iterator[tuple[float, Item]], playback: Playback, stop: Stop, states: SourceStates) -> Iterator[Item]:
    """The items, each result when it is due, until there is a jump to be taken."""
    for at, item in timed:
        if not isinstance(item, SourceEvent) and not playback.due(at, stop, states.stand):
            return
        yield item


def _renamed(items: Iterator[Item], suffix: str) -> Iterator[Item]:
    for item in items:
        if isinstance(item, SourceEvent):
            yield item
        else:
            yield replace(item[0], run_id=item[0].run_id + suffix), item[1]


def _deliver(
    items: Iterable[Item], delivery: Delivery, states: SourceStates, done: Callable[[FrameResult], bool]
) -> bool:
    """Delivers until `done`, and says goodbye to who is still there; returns whether nothing is to come any more."""
    over = False
    present: dict[str, Presence] = {}
    for item in items:
        if isinstance(item, SourceEvent):
            states.tell(item)
            continue
        result, frame = item
        states.result_of(result.source)
        present.setdefault(result.source, Presence()).note(result)
        delivery.write(result, frame)
        if over := done(result) or not delivery.alive:
            break
    for last in present.values():
        if (goodbye := last.goodbye(now=False)) is not None:
            delivery.write(goodbye, None)
    return over


def _paced(items: Iterable[Item], stop: Stop) -> Iterator[Item]:
    """The items, each result when it is due: as long after its source's first one as its frame was.

    Several sources begin as far apart as they did when they were recorded.
    """
    starts: dict[str, float] = {}
    """When, by `time.monotonic`, the `time` of each source is 0."""
    clock = None
    for item in items:
        if not isinstance(item, SourceEvent):
            result = item[0]
            if clock is None:
                clock = time.monotonic() - result.captured_at
            start = starts.setdefault(result.source, clock + result.captured_at - result.time)
            while (left := start + result.time - time.monotonic()) > 0 and not stop.requested:
                time.sleep(min(left, _POLL))
        yield item


def _of_source(items: Iterator[Item], name: str) -> Iterator[Item]:
    """The items of the source of that name; all where it is empty."""
    return (item for item in items if name in ("", _source_of(item)))


def _source_of(item: Item) -> str:
    return item.source if isinstance(item, SourceEvent) else item[0].source


def _is_steered(settings: Settings) -> bool:
    """Whether the page steers: files are to hold a recording from its beginning to its end."""
    wanted = {name: getattr(settings.output, name, "") for name in ("web", "save", "jsonl", "record")}
    return bool(wanted.pop("web")) and not any(wanted.values())


def _until_a_result(items: Iterator[Item]) -> Iterator[Item]:
    """The items up to the first result, with it."""
    for item in items:
        yield item
        if not isinstance(item, SourceEvent):
            return
