"""A polite request to end the run, which signals, a closed window or a closed pipe may make."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Becomes `requested` once and stays so. A plain flag, because a signal handler must not take a lock."""

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Asks the run to end after the frame it is at."""
        self.requested = True

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within it, SIGINT and SIGTERM request the stop; a second one interrupts at once."""

        def handle(_signal: int, _frame: FrameType | None) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.request()

        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
