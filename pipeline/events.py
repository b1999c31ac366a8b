"""Tells the outputs what becomes of each source, as far as the run knows better than the source."""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import OVER, SourceEvent, SourceRemoved, SourceState


class SourceStates:
    """Passes on the events of sources, and adds those that a source left out.

    A source that tells nothing is live with its first result. When the block is left, what is not over has ended, or
    has failed where a `SourceError` leaves it.
    """

    def __init__(self, tell: Callable[[SourceEvent], None]) -> None:
        self._tell = tell
        self._states: dict[str, SourceState | str] = {}
        self._talkative: set[str] = set()
        self._reduced: Mapping[str, Mapping[str, int]] = {}
        self._why = ""
        self._standing: list[str] = []

    def tell(self, event: SourceEvent) -> None:
        """Passes on an event of a source, which will tell the others too."""
        if event.state is not SourceState.CONNECTING:  # of one that was added it is told for it
            self._talkative.add(event.source)
        self._pass_on(event)
        if isinstance(event, SourceRemoved):
            self._states.pop(event.source)
            self._talkative.discard(event.source)

    def connecting(self, source: str, at: float) -> None:
        """Tells that a source was about to be opened `at` so many Unix seconds."""
        self._pass_on(SourceEvent(source, SourceState.CONNECTING, at))

    def result_of(self, source: str) -> None:
        """Takes note of a result of a source."""
        if source not in self._talkative and self._states.get(source) is not SourceState.LIVE:
            self._pass_on(SourceEvent(source, SourceState.LIVE, time.time()))

    def stand(self, still: bool) -> None:
        """Tells of a replay whose sources stand still, or go on."""
        if still:
            self._standing = [source for source, last in self._states.items() if last is SourceState.LIVE]
        state, why = (SourceState.STALLED, "the replay is paused") if still else (SourceState.LIVE, "")
        for source in self._standing:
            self._pass_on(SourceEvent(source, state, time.time(), why))

    def restart(self) -> None:
        """A replay goes on elsewhere: each source is live with its next result, whatever it was."""
        self._talkative.clear()

    def reduce(self, sources: Collection[str], reduced: Mapping[str, int], why: str) -> None:
        """Tells those of `sources` that are live what is done less of from now on, and why; nothing: all is again."""
        self._reduced = dict.fromkeys(sources, reduced)
        self._why = why
        for source in sources:
            if self._states.get(source) is SourceState.LIVE:
                self._pass_on(SourceEvent(source, SourceState.LIVE, time.time()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        state = SourceState.FAILED if isinstance(error, SourceError) else SourceState.ENDED
        for source in [source for source, last in self._states.items() if last not in OVER]:
            self._pass_on(SourceEvent(source, state, time.time(), "" if error is None else str(error)))

    def _pass_on(self, event: SourceEvent) -> None:
        self._states[event.source] = event.state
        reduced = self._reduced.get(event.source, {}) if event.state is SourceState.LIVE else {}
        if reduced:
            event = replace(event, reduced=reduced, reason=event.reason or self._why)
        self._tell(event)
