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
        """Within it, SIGINT and SIGTERM request the stop; a second one interrupts at once.

        A SIGINT that was ignored from the start stays so: a shell's background jobs are not meant to end at Ctrl-C.
        """

        def handle(_signal: int, _frame: FrameType | None) -> None:
            if self.requested:
                raise KeyboardInterrupt
            self.request()

        numbers = [signal.SIGTERM]
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            numbers.append(signal.SIGINT)
        before = {number: signal.signal(number, handle) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
