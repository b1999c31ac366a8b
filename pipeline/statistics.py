"""What a run has done so far: frames, people, drops, and how long each stage took."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pymafx_live.core.types import OVER, FrameResult, SourceEvent, SourceRemoved, TrackState
from pymafx_live.pipeline.faults import Faults

_STEP = math.log(1.01)


class Durations:
    """Percentiles of any number of durations in little memory: they are counted in bins of 1 %."""

    def __init__(self) -> None:
        self.count = 0
        self._bins: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Counts one duration; below a microsecond counts as a microsecond."""
        self._bins[round(math.log(max(seconds, 1e-6)) / _STEP)] += 1
        self.count += 1

    def percentile(self, percent: float) -> float:
        """The duration in seconds that `percent` of all do not exceed, within 0.5 %; NaN where there is none."""
        rank, seen = percent / 100 * self.count, 0
        for index in sorted(self._bins):
            seen += self._bins[index]
            if seen >= rank:
                return math.exp(index * _STEP)
        return math.nan

    def summary(self) -> dict[str, float]:
        """Percentiles in milliseconds; empty where nothing was counted."""
        percents = (50, 95, 99) if self.count else ()
        return {f"p{percent}": round(self.percentile(percent) * 1000, 3) for percent in percents}


@dataclass(frozen=True, slots=True)
class OutputFigures:
    """What an output has done: results `written`, `dropped` and `failed`, and the sentence of what ended it early; and
    the `address` at which it can be reached, empty where nobody connects to it.

    `behind_ms` are percentiles of the milliseconds from when a result was there to when it was written.
    """

    name: str
    policy: str
    written: int
    dropped: int
    failed: int
    behind_ms: Mapping[str, float]
    error: str
    address: str = ""


@dataclass(slots=True)
class Reductions:
    """What was done less of to hold what was asked for: steps to `less` and to `more`, for how many `seconds` anything
    was reduced, what is `now`, and whether at some time nothing was left to reduce."""

    less: int = 0
    more: int = 0
    seconds: float = 0.0
    now: Mapping[str, int] = field(default_factory=dict)
    exhausted: bool = False
    _since: float = 0.0

    def note(self, now: Mapping[str, int], less: bool, at: float) -> None:
        """Counts a step, `at` so many monotonic seconds."""
        if self.now:
            self.seconds += at - self._since
        self.less, self.more = self.less + less, self.more + (not less)
        self.now, self._since = now, at

    def summary(self, at: float) -> dict[str, Any]:
        """The closing figures of a run whose last result came `at` so many monotonic seconds."""
        seconds = self.seconds + (max(at - self._since, 0.0) if self.now else 0.0)
        return {
            "steps_less": self.less, "steps_more": self.more, "seconds_reduced": round(seconds, 3),
            "now": dict(self.now), "exhausted": self.exhausted,
        }  # fmt: skip


@dataclass(slots=True)
class Statistics:
    """What a run counts; its memory does not grow with the frames."""

    run_id: str = ""
    frames: int = 0
    people: set[tuple[str, int]] = field(default_factory=set)
    """Whoever was there, by source and id."""
    age: Durations = field(default_factory=Durations)
    stages: dict[str, Durations] = field(default_factory=dict)
    _dropped: dict[str, int] = field(default_factory=dict)
    _dropped_before: int = 0
    _now: dict[str, int] = field(default_factory=dict)
    outputs: Callable[[], Sequence[OutputFigures]] = tuple
    stuck: Callable[[], str] = str
    """At what the loop is stuck, or ""."""
    faults: Faults = field(default_factory=Faults)
    reductions: Reductions | None = None
    """None where no rate and no age is asked for, or no source is live."""
    _began: float = field(default_factory=time.monotonic)
    _ended: float = 0.0

    def write(self, result: FrameResult) -> None:
        """Counts one frame. The clock runs from the first frame's capture."""
        if not self.frames:
            self._began = time.monotonic() - result.age
            self.run_id = result.run_id
        self._ended = time.monotonic()
        self.frames += 1
        self._dropped[result.source] = result.dropped
        present = [person.id for person in result.people if person.state is not TrackState.ENDED]
        self._now[result.source] = len(present)
        self.people.update((result.source, id_) for id_ in present)
        self.age.add(result.age)
        for name, seconds in result.stages.items():
            if name not in self.stages:
                self.stages[name] = Durations()
            self.stages[name].add(seconds)

    def tell(self, event: SourceEvent) -> None:
        """Takes in that a source is over, or was removed: should one of its name come, it counts anew."""
        if event.state in OVER or isinstance(event, SourceRemoved):
            self._now.pop(event.source, None)
        if isinstance(event, SourceRemoved) and event.source in self._dropped:
            self._dropped_before += self._dropped[event.source]
            self._dropped[event.source] = 0

    @property
    def source(self) -> str:
        """The sources' names."""
        return ", ".join(self._dropped)

    @property
    def dropped(self) -> int:
        """Frames that were dropped, of all sources."""
        return sum(self._dropped.values()) + self._dropped_before

    @property
    def now(self) -> int:
        """People in the last frame of each source."""
        return sum(self._now.values())

    @property
    def seconds(self) -> float:
        """From the first frame's capture to the last result."""
        return max(self._ended - self._began, 1e-9) if self.frames else 0.0

    @property
    def fps(self) -> float:
        """Results per second."""
        return self.frames / self.seconds if self.frames else 0.0

    def summary(self) -> dict[str, Any]:
        """The closing figures; durations in milliseconds."""
        return {
            "source": self.source,
            "run_id": self.run_id,
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 2),
            "dropped": self.dropped,
            "people": len(self.people),
            "stages_ms": {name: stage.summary() for name, stage in self.stages.items()},
            "age_ms": self.age.summary(),
            "faults": dict(self.faults.frames),
            "outputs": [asdict(figures) for figures in self.outputs()],
            **({} if self.reductions is None else {"overload": self.reductions.summary(self._ended)}),
        }
