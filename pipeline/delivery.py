"""Gives results and events to the outputs so that none holds up the run, or another."""

import logging
import time
from collections.abc import Iterable
from threading import Thread

from pymafx_live.core.errors import LiveError, OutputError, first_line
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import Frame, FrameResult, SourceEvent
from pymafx_live.pipeline.faults import MOST
from pymafx_live.pipeline.foot_lock import FootLock
from pymafx_live.pipeline.mailbox import Item, Mailbox
from pymafx_live.pipeline.statistics import Durations, OutputFigures
from pymafx_live.pipeline.stop import Stop

PATIENCE = 10.0
"""Seconds that one call of an output may last when the run is to end; it is then left behind."""
_POLL = 0.1
GOES_ON = "it goes on, and counts further errors"

logger = logging.getLogger(__name__)


class Delivery:
    """The outputs of a run, each behind a mailbox and on a thread of its own, but for those of the policy `DIRECT`.

    `write` and `tell` return at once, but for an output of the policy `BLOCK` whose mailbox is full, and only where
    no source is `live`. An output that raises a `LiveError` ends alone; another error costs it that result, and ends it
    after `MOST` in a row. `outputs` are opened as the iterable is gone through; they
    are closed here, also if one cannot be opened. With a `lock` those that are not `raw` get its results.
    """

    def __init__(self, outputs: Iterable[Output], stop: Stop, *, live: bool, lock: FootLock | None = None) -> None:
        self._posts: list[_Post] = []
        self._lock = lock
        try:
            for output in outputs:
                direct = output.policy is Policy.DIRECT
                self._posts.append(_Post(output) if direct else _ThreadedPost(output, stop, live))
        except BaseException:
            self.close()
            raise

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Hands a result to every output; `frame` is None in a replay."""
        locked = result if self._lock is None else self._lock(result)
        for post in self._posts:
            post.put((result if post.raw else locked, frame))

    def tell(self, event: SourceEvent) -> None:
        """Hands an event to every output."""
        for post in self._posts:
            post.put(event)

    @property
    def alive(self) -> bool:
        """Whether an output is left that takes results, or nobody wanted one."""
        return not self._posts or any(post.error is None for post in self._posts)

    def figures(self) -> list[OutputFigures]:
        """What each output has done so far."""
        return [post.figures() for post in self._posts]

    def close(self) -> None:
        """Waits until every output has what was handed to it, and has closed; a stuck one is left behind."""
        for post in self._posts:
            post.end()
        for post in self._posts:
            post.join()

    def raise_error(self) -> None:
        """Raises the error of the first output that failed, as a `LiveError`, if one did."""
        for post in self._posts:
            if isinstance(post.error, LiveError):
                raise post.error
            if post.error is not None:
                raise OutputError(post.sentence()) from post.error
        for post in self._posts:
            if post.first is not None:
                raise OutputError(f"{post.sentence()}; it went on after {post.failed} such errors") from post.first


class _Post:
    """An output that is called at once (policy `DIRECT`), and what it has done."""

    def __init__(self, output: Output) -> None:
        self.error: BaseException | None = None
        """What ended it early."""
        self.first: Exception | None = None
        """What it failed with first, and went on."""
        self.failed = 0
        self._row = 0
        self._output, self._policy, self.raw = output, output.policy, output.raw
        self._behind = Durations()
        self._closed = False

    def put(self, item: Item) -> None:
        if self._closed:
            return
        try:
            self._hand(item, time.monotonic())
        except Exception as error:
            self._fail(error)
            self._close()

    def end(self) -> None:
        """Takes nothing more, and finishes what was taken."""
        if not self._closed:
            self._close()

    def join(self) -> None:
        """Waits until it is finished."""

    def figures(self) -> OutputFigures:
        sentence = "" if self.error is None else self.sentence()
        behind = self._behind
        return OutputFigures(
            self._output.name, str(self._policy), behind.count, self._dropped(), self.failed, behind.summary(),
            sentence, self._output.address,
        )  # fmt: skip

    def sentence(self) -> str:
        error = self.error or self.first
        if isinstance(error, LiveError):
            return str(error)
        return f"{self._output.name} failed ({type(error).__name__}: {error}): -v shows where"

    def _hand(self, item: Item, placed_at: float) -> None:
        """Raises what ends the output; an error that may be of this item only is counted."""
        try:
            if isinstance(item, SourceEvent):
                self._output.tell(item)
            else:
                self._output.write(*item)
                if not item[0].final:
                    self._behind.add(time.monotonic() - placed_at)
            self._row = 0
        except LiveError:
            raise
        except Exception as error:
            self.failed, self._row = self.failed + 1, self._row + 1
            if self._row >= MOST:
                raise
            if self.first is None:
                self.first = error
                said = f"{type(error).__name__}: {first_line(error)}"
                name = self._output.name
                self._say(error, f"{name} failed on a result ({said}): {GOES_ON}; -v shows where")

    def _close(self) -> None:
        self._closed = True
        try:
            self._output.close()
        except Exception as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Says once why the output ends."""
        if self.error is None:
            self.error = error
            self._say(error, self.sentence())

    @staticmethod
    def _say(error: BaseException, sentence: str) -> None:
        logger.error("%s", sentence, exc_info=error if logger.isEnabledFor(logging.INFO) else None)

    def _dropped(self) -> int:
        return 0


class _ThreadedPost(_Post):
    """An output with a mailbox and a thread."""

    def __init__(self, output: Output, stop: Stop, live: bool) -> None:
        super().__init__(output)
        self._stop = stop
        self._policy = Policy.ALL if live and output.policy is Policy.BLOCK else output.policy
        self._box = Mailbox(self._policy)
        self._late, self._left = False, False
        # A daemon, because a call that never returns must not keep the process alive.
        self._thread = Thread(target=self._run, name=f"output {output.name}", daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        self._box.put(item, give_up=lambda: self._stop.requested and self._stuck())
        if self._policy is not Policy.NEWEST and self._box.dropped and not self._late:
            self._late = True
            logger.warning("%s is too slow: results are dropped for it", self._output.name)

    def end(self) -> None:
        self._box.close()

    def join(self) -> None:
        while self._thread.is_alive() and not self._left:
            self._thread.join(_POLL)
            self._left = self._thread.is_alive() and self._stuck()
        if self._left:
            self._fail(OutputError(f"{self._output.name} has not come to an end: what is not written yet is lost"))

    def _stuck(self) -> bool:
        return time.monotonic() - self._box.taken_at > PATIENCE

    def _run(self) -> None:
        try:
            while (taken := self._box.take()) is not None:
                self._hand(*taken)
                del taken  # it may hold a picture, and the next one may be long in coming
        except BaseException as error:  # whatever it is, it ends this output and nothing else
            self._fail(error)
        self._close()

    def _fail(self, error: BaseException) -> None:
        self._box.close()
        self._box.empty()
        super()._fail(error)

    def _dropped(self) -> int:
        return self._box.dropped
