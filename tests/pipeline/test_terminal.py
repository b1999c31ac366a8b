"""What the terminal shows, on a real pseudo-terminal's console: names are shown as they are, and never obeyed."""

import io
import logging
import re

import pytest
from pymafx_live.core.types import Camera, FrameResult
from pymafx_live.pipeline import terminal
from pymafx_live.pipeline.statistics import Statistics
from rich.console import Console

NAMES = {
    "[red]a[/x] :door:": "[red]a[/x] :door:",
    "[bold": "[bold",
    "\x1b]0;mine\x07\x9b2J\n": r"\x1b]0;mine\x07\x9b2J\n",
    "\u202egpj": r"\u202egpj",
}


@pytest.fixture
def shown() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def console(shown: io.StringIO) -> Console:
    return Console(file=shown, force_terminal=True, width=200, color_system=None)


def result(name: str) -> FrameResult:
    return FrameResult(name, 1, "run", 0.0, 1.0, 2.0, Camera(4, 3, 1, 1, 1, 1))


def plain(text: str) -> str:
    """Without rich's own orders to the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_a_name_in_the_progress_bar_and_the_headline(console, shown, name, expected):
    statistics = Statistics()
    statistics.write(result(name))
    bar = terminal.ProgressOutput(console, statistics, 10)
    bar.write(result(name), None)
    bar._progress.refresh()
    bar.close()
    assert f"{expected}  " in plain(shown.getvalue())
    terminal.say(console, terminal.headline(statistics))
    assert f"{expected}: 1 frames" in plain(shown.getvalue())


@pytest.mark.parametrize(("name", "expected"), NAMES.items())
def test_a_name_in_the_log_and_in_a_traceback(console, shown, name, expected):
    logger = logging.getLogger("pymafx_live")
    before = logger.handlers, logger.level, logger.propagate
    try:
        terminal._log_to(console, logging.INFO)
        try:
            raise ValueError(name)
        except ValueError as error:
            logging.getLogger("pymafx_live.test").warning("the source %s", name, exc_info=error)
    finally:
        logger.handlers, logger.level, logger.propagate = before
    first, *_ = shown.getvalue().splitlines()
    assert first.rstrip() == f"the source {expected}"
    assert not set(shown.getvalue()) & set("\x1b\x07\x9b\u202e")
