"""A polite request to end the run, which signals, a closed window or a closed pipe may make."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupted(KeyboardInterrupt):
    """A signal of this `number` ends the program at once."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Stop:
    """Becomes `requested` once and stays so. A plain flag, because a signal handler must not take a lock."""

    def __init__(self) -> None:
        self.requested = False
        self.signal = 0
        """The number of the signal that requested it, if one did."""
        self._looping, self._over = False, False
        self._interrupted = 0

    def request(self) -> None:
        """Asks the run to end after the frame it is at."""
        self.requested = True

    def looping(self) -> None:
        """From here on a signal ends the run politely; one that a library caught while starting ends it now."""
        if self._interrupted:
            raise Interrupted(self._interrupted)
        self._looping = True

    def draining(self) -> None:
        """From here on signals do nothing: what is written is brought to its end, which takes seconds at most."""
        self.requested, self._looping = True, False

    def ignore_signals(self) -> None:
        """Where a signal ended the run, further ones do nothing any more: neither now nor behind `on_signals`."""
        self._over = self.signal != 0

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Within it SIGINT, SIGTERM and SIGHUP raise `Interrupted`, which undoes what was begun, until `looping`.

        Then the first requests the stop, and a second one interrupts a frame that does not come to its end. What was
        ignored from the start stays so: a shell's background jobs are not meant to end at Ctrl-C, nor what `nohup`
        starts at the end of the terminal. On another thread than the main one nothing is heard: Python lets none.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def handle(number: int, _frame: FrameType | None) -> None:
            if self._looping and not self.requested:
                self.signal = number
                self.request()
            elif self._looping or not self.requested:
                self._looping, self._interrupted = False, number
                raise Interrupted(number)

        names = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP
        numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
        heard = [number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, handle) for number in heard}
        try:
            yield
        except Exception as error:
            if self._interrupted:  # raised in the middle of an import, it may come out as another error
                raise Interrupted(self._interrupted) from error
            raise
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if self._over else handler)
