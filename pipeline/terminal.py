"""What a run shows in the terminal: progress while it goes, a table when it is done, all on standard error."""

import json
import logging
import sys
import time

from pymafx_live.configs.schema import Settings
from pymafx_live.core.addresses import SECRETS
from pymafx_live.core.errors import LiveError
from pymafx_live.core.interfaces import PROGRESS, Output, Policy
from pymafx_live.core.text import LONGEST, quiet, quiet_lines
from pymafx_live.core.types import Frame, FrameResult
from pymafx_live.pipeline.replay import recording_of, run_recording
from pymafx_live.pipeline.run import run
from pymafx_live.pipeline.statistics import Durations, Statistics
from pymafx_live.pipeline.stop import Stop
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

logger = logging.getLogger(__name__)


def run_in_terminal(settings: Settings, stop: Stop) -> None:
    """Runs with a progress bar, and prints the table even where an error ends the run."""
    console = Console(stderr=True)
    _log_to(console, logging.INFO if settings.run.verbose else logging.WARNING, settings.run.log)
    statistics = Statistics()
    if console.is_terminal and settings.run.log == "text":
        console.print("getting ready", style="dim")

    def watch(expected: int) -> Output:
        return ProgressOutput(console, statistics, expected)

    try:
        if (recording := recording_of(settings)) is not None:
            run_recording(recording, settings, statistics, watch=watch, stop=stop)
        else:
            run(settings, statistics, watch=watch, stop=stop)
    except LiveError as error:
        if settings.run.log == "json":
            logger.error("%s", error, exc_info=settings.run.verbose)
            sys.exit(error.exit_code)
        raise
    finally:
        if settings.run.log == "json":
            logging.getLogger(PROGRESS).info("%s", headline(statistics), extra={"summary": statistics.summary()})
        elif statistics.frames:
            say(console, headline(statistics))
            console.print(closing_table(statistics))
            for line in lost(statistics):
                say(console, line)


def say(console: Console, line: str) -> None:
    """Prints a line as it is: rich takes `[brackets]` and `:words:` for orders, and a terminal control characters."""
    console.print(quiet(SECRETS.hide(line)), soft_wrap=True, highlight=False, markup=False, emoji=False)


class ProgressOutput(Output):
    """The progress bar; it stays silent where standard error is no terminal."""

    name = "the terminal"
    policy = Policy.NEWEST
    _EVERY = 0.2
    """Seconds between two updates."""

    def __init__(self, console: Console, statistics: Statistics, expected: int) -> None:
        self._statistics = statistics
        self._next = 0.0
        self._progress = Progress(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
            TimeRemainingColumn(), console=console, transient=True, redirect_stdout=False,
            disable=not console.is_terminal,
        )  # fmt: skip
        self._task = self._progress.add_task("waiting for the first frame", total=expected or None)
        self._progress.start()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Updates the bar now and then."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._EVERY
        done, name = self._statistics, quiet(result.source, LONGEST)
        self._progress.update(
            self._task,
            completed=done.frames,
            description=f"{name}  {done.fps:.1f} fps  {done.now} people  age {result.age * 1000:.0f} ms",
        )

    def close(self) -> None:
        """Removes the bar."""
        self._progress.stop()


def headline(statistics: Statistics) -> str:
    """Frames, rate, people and drops in one line."""
    return (
        f"{statistics.source}: {statistics.frames} frames in {statistics.seconds:.1f} s, "
        f"{statistics.fps:.1f} fps, {len(statistics.people)} people, {statistics.dropped} dropped"
    )


def lost(statistics: Statistics) -> list[str]:
    """One line for each part of the loop that failed on frames, for each output that did not take all, and for what
    was reduced under overload."""
    return (
        statistics.faults.sentences()
        + reduced(statistics)
        + [
            f"{figures.name}: {figures.written} results written, {figures.dropped} dropped"
            + (f", {figures.failed} failed" if figures.failed else "")
            + (f"; ended early: {figures.error}" if figures.error else "")
            for figures in statistics.outputs()
            if figures.dropped or figures.failed or figures.error
        ]
    )


def reduced(statistics: Statistics) -> list[str]:
    """What was done less of to hold what was asked for, as one line, or none where that was not needed."""
    done = statistics.reductions
    if done is None or not done.less:
        return []
    now = ", ".join(f"{name} {value}" for name, value in done.now.items()) or "nothing reduced"
    return [
        f"overload: {done.less} steps down and {done.more} back, at the end {now}"
        + ("; what is asked for could not be held" if done.exhausted else "")
    ]


def closing_table(statistics: Statistics) -> Table:
    """p50, p95 and p99 of each stage and of the age."""
    table = Table()
    table.add_column("milliseconds")
    for percent in ("p50", "p95", "p99"):
        table.add_column(percent, justify="right")
    for name, stage in statistics.stages.items():
        table.add_row(*_row(name.replace("estimate/", "  "), stage))
    table.add_section()
    table.add_row(*_row("age when published", statistics.age))
    return table


def _row(name: str, durations: Durations) -> list[str]:
    return [name, *(f"{durations.percentile(percent) * 1000:.1f}" for percent in (50, 95, 99))]


def _log_to(console: Console, level: int, form: str = "text") -> None:
    """Sends our own log lines of that level above the progress bar, and what a long start is at, in any case."""
    logging.getLogger(PROGRESS).setLevel(logging.INFO)
    ours = logging.getLogger("pymafx_live")
    handler: logging.Handler = logging.StreamHandler()  # a file or a pipe has no width to wrap to
    if form == "json":
        handler.setFormatter(JsonFormatter())
    elif console.is_terminal:
        handler = RichHandler(logging.NOTSET, console, show_time=False, show_level=False, show_path=False, markup=False)
    handler.addFilter(_without_secrets)
    ours.handlers = [handler]
    ours.setLevel(level)
    ours.propagate = False


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (Unix seconds), level, logger, message; summary at the end; error with traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": round(record.created, 3), "level": record.levelname.lower(), "logger": record.name,
            "message": record.getMessage(),
        }  # fmt: skip
        if summary := getattr(record, "summary", None):
            line["summary"] = summary
        if record.exc_text:  # the filter has made it of the exception
            line["error"] = record.exc_text
        return json.dumps(line, ensure_ascii=False)


def _without_secrets(record: logging.LogRecord) -> bool:
    record.msg, record.args = quiet(SECRETS.hide(record.getMessage())), ()
    if record.exc_info:
        record.exc_text = quiet_lines(SECRETS.hide(logging.Formatter().formatException(record.exc_info)))
        record.exc_info = None
    return True
