"""What tests take from sources."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame, SourceEvent


def frames_of(source: Iterable[Frame | SourceEvent]) -> Iterator[Frame]:
    """The frames of a source, without its events, until it ends or is lost."""
    with suppress(SourceError):
        yield from (item for item in source if isinstance(item, Frame))


def wait_until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    """Waits for what has to come, however fast the machine is."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
