"""Runs on what is there at once, and on what is better as soon as another process has built it."""

import logging
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from threading import Lock, Thread

from pymafx_live.core.errors import LiveError
from pymafx_live.core.interfaces import Progress
from pymafx_live.engines.runtime.interface import Array, Runner, TensorSpec

logger = logging.getLogger(__name__)

GRACE = 5.0
"""Seconds for a build to end when it is asked to, before it is killed."""


class Later:
    """Runners by name that come once a command has ended well: it has left in the cache what `opened` then finds.

    A process of its own builds, since a build may take all of a thread's time, or crash. Its lines go to `progress`.
    Where it fails that is logged once, and what was there before goes on.
    """

    def __init__(
        self, command: Sequence[str], opened: Callable[[], Mapping[str, Runner]], device: str, progress: Progress
    ) -> None:
        """`device` is where the runners must be: consumers have laid out their own work for it."""
        self._opened, self._device, self._progress = opened, device, progress
        self._lock = Lock()
        self._come: dict[str, Runner] = {}
        self._closed = False
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            start_new_session=True,  # so that Ctrl-C ends the run, which then ends it
        )  # fmt: skip
        self._thread = Thread(target=self._wait, name="build", daemon=True)
        self._thread.start()

    def take(self, name: str) -> Runner | None:
        """The runner of that name, once, as soon as it is there."""
        with self._lock:
            return self._come.pop(name, None)

    def close(self) -> None:
        """Ends the build where it still runs, and closes what nobody has taken. What is built stays in the cache."""
        with self._lock:
            self._closed = True
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._thread.join()
        with self._lock:
            while self._come:
                self._come.popitem()[1].close()

    def _wait(self) -> None:
        last = ""
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                last = line.strip() or last
                self._progress(last)
        code = self._process.wait()
        if self._closed:
            return
        if code:
            logger.warning("The better runtime was not built (%s): the networks stay where they are.", last or code)
            return
        try:
            self._open()
        except LiveError as error:
            logger.warning("%s The networks stay where they are.", error)
        except Exception as error:  # the run goes on without it
            logger.warning("The better runtime does not open (%s): the networks stay where they are.", error)

    def _open(self) -> None:
        runners = dict(self._opened())
        elsewhere = [runner.about for runner in runners.values() if runner.device != self._device]
        with self._lock:
            if not self._closed and not elsewhere:
                self._come, runners = runners, {}
        for runner in runners.values():
            runner.close()
        if elsewhere:
            logger.warning("%s is not on %s: the networks stay where they are.", elsewhere[0], self._device)


class SwitchingRunner:
    """A runner that becomes another one between two calls, once that is there. See `Runner`."""

    def __init__(self, name: str, now: Runner, later: Later, progress: Progress) -> None:
        """`name` is the runner's in `later`, which is closed with this one."""
        self._name, self._now, self._later, self._progress = name, now, later, progress
        self._switched = False
        self.inputs: Mapping[str, TensorSpec] = now.inputs
        self.outputs: Mapping[str, TensorSpec] = now.outputs
        self.runtime, self.about, self.device = now.runtime, now.about, now.device

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """See `Runner.run`."""
        if not self._switched and (better := self._later.take(self._name)) is not None:
            before, self._now, self._switched = self._now, better, True
            self.runtime, self.about = better.runtime, better.about
            before.close()
            self._progress(f"{self._name} runs on {better.about} from now on")
        return self._now.run(inputs)

    def close(self) -> None:
        """See `Runner.close`."""
        self._later.close()
        self._now.close()
