"""Does less for the live cameras of a run while it cannot hold what is asked for, and says so."""

import logging
import time
from collections.abc import Callable, Collection, Mapping

from pymafx_live.core.types import FrameResult, TrackState
from pymafx_live.pipeline.events import SourceStates
from pymafx_live.pipeline.lane import Lane
from pymafx_live.pipeline.overload import Measure, Overload, Reduction, Step
from pymafx_live.pipeline.statistics import Reductions

logger = logging.getLogger(__name__)


class Relief:
    """Measures results, has `overload` decide, and passes on what it decides: to the lanes, the outputs and the log."""

    def __init__(
        self,
        overload: Overload,
        lanes: Callable[[], Mapping[str, Lane]],
        states: SourceStates,
        done: Reductions,
        *,
        ahead: Collection[str] = (),
    ) -> None:
        """`lanes` gives those of the live cameras there are, by source; `done` counts. `ahead`: see `halves.ahead`."""
        self._overload, self._lanes, self._states, self._done = overload, lanes, states, done
        self._ahead = ahead
        self._known = lanes()

    def note(self, result: FrameResult) -> None:
        """Takes in a result; what it leads to holds from the next frame on."""
        lanes = self._lanes()
        if lanes != self._known:
            self._known = lanes
            if self._overload.depth:
                self._reduce(self._overload.reduction)
        if result.source not in lanes:
            return
        people = sum(person.state is not TrackState.ENDED for person in result.people)
        now = time.monotonic()
        measure = Measure(result.source, now, result.age, busy(result.stages, self._ahead), people)
        step = self._overload.note(measure)
        if step is not None:
            self._take(step, now)

    def _take(self, step: Step, now: float) -> None:
        reduction = step.reduction
        if step.exhausted:
            logger.warning("overload: %s, and nothing is left to be reduced: it cannot be held", step.why)
            self._done.exhausted = True
        else:
            logger.warning("overload: %s; %s", step.why, str(reduction) or "all is done again")
            self._done.note(reduction.in_force(), step.less, now)
        self._reduce(reduction, "; what is asked for cannot be held" if step.exhausted else "")

    def _reduce(self, reduction: Reduction, more: str = "") -> None:
        for lane in self._known.values():
            lane.reduce(reduction)
        self._states.reduce(self._known, reduction.in_force(), f"overload: {reduction}{more}")


def busy(stages: Mapping[str, float], ahead: Collection[str]) -> float:
    """Seconds for which the loop worked on the batch of a result; the longer part where some stages were done ahead."""
    seconds = sum(stages.get(name, 0.0) for name in ("detect", "track", "estimate"))
    before = sum(stages.get(name, 0.0) for name in ahead)
    return max(before, seconds - before)
