"""What a live run does less of while it cannot hold the rate or the age that is asked for; see docs/operations.md.

Nothing here reads a clock, sleeps or knows of threads: times come with the results.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace

WINDOW, LEAST, MOST = 1.0, 4, 8
"""Seconds, and results of the camera that has most of them, after which is decided; both must have passed. There are
to be two of the frames on which everything is looked at among them: `LEAST` at least, `MOST` at most."""
WARM_UP, SETTLING = 5, 1
"""Results of each camera that do not count, at the beginning and after a step: they may have been begun before it."""
SPARE = 0.9
"""The share of the age that is asked for that results may have, so that it holds for nearly all of them."""
ROOM = 0.7
"""The load below which a step is taken back, after `STEADY` seconds."""
STEADY, LONGEST = 5.0, 300.0
"""Seconds for which there has to be room: at first, and at most, as they double with each step back that failed."""
PROBATION = 4.0
"""A step that is taken back and needed again within so many times the seconds that it was waited for has failed."""
RELIEVED = 0.7
"""A load so many times as large as when a step back failed is another situation: it may be tried again at once."""
CALM = 0.3
"""How much a window counts in the mean load that is compared for that."""
BUSY = 0.95
"""The share of the time from which the loop has none left."""
LADDER: Sequence[tuple[str, int]] = (
    ("detect_every", 2), ("face_every", 2), ("hands_every", 2),
    ("detect_every", 4), ("face_every", 4), ("hands_every", 4),
)  # fmt: skip
"""What is reduced first; then fewer people are estimated."""
FEWER = 0.75


@dataclass(frozen=True, slots=True)
class Reduction:
    """What is done at most in every n-th frame, and for how many people of each picture; as it is made nothing is less.

    `detect_every`: the detector looks; `hands_every`, `face_every`: followed hands and faces are looked at.
    """

    detect_every: int = 1
    face_every: int = 1
    hands_every: int = 1
    max_people: int | None = None

    def in_force(self) -> dict[str, int]:
        """What is reduced, by name; nothing where all is as it was asked for."""
        known = asdict(Reduction())
        return {name: value for name, value in asdict(self).items() if value != known[name]}

    def __str__(self) -> str:
        said = {"detect_every": "detector", "face_every": "faces", "hands_every": "hands"}
        words = [f"{said[name]} in every {_nth(n)} frame" for name, n in self.in_force().items() if name in said]
        if self.max_people is not None:
            words.append(f"{self.max_people} {'person' if self.max_people == 1 else 'people'} at most")
        return ", ".join(words)


def _nth(number: int) -> str:
    return {1: "", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")


@dataclass(frozen=True, slots=True)
class Measure:
    """One result: its `source` and the monotonic seconds `now` at which it was there; its `age`, and for how long the
    loop was `busy` with its batch, in seconds; and how many `people` were estimated."""

    source: str
    now: float
    age: float
    busy: float
    people: int


@dataclass(frozen=True, slots=True)
class Step:
    """A change: what holds from now on, whether that is `less` than before, and why, as half a sentence.

    `exhausted`: nothing is left to be reduced, and what is asked for does not hold.
    """

    reduction: Reduction
    less: bool
    why: str
    exhausted: bool = False


@dataclass(slots=True)
class _Seen:
    """The results of one camera in a window."""

    skip: int
    ages: list[float] = field(default_factory=list)
    busy: float = 0.0


@dataclass(slots=True)
class _Try:
    """The step that led to a depth of the ladder was taken back: the mean load then, and for how long there had to be
    room before that, in seconds."""

    load: float
    patience: float = STEADY


class Overload:
    """Decides from the results of all live cameras what is reduced for all of them, by one step at a time.

    The load is 1 where what is asked for only just holds. A camera's load is that of its ages (the most that nine of
    ten results have, against `SPARE` of `max_age`), or of its rate: how long a batch takes against `1 / target_fps`,
    but no more than what the loop has to do at all, so that a camera that is slower than asked for is no load. The
    load of the run is that of the camera for which it is largest. More than 1 over a window takes the next step
    that changes something; less than `ROOM` for a steady time takes the last one back. Where that has failed before it
    is tried again ever more rarely, or when the load has become another.
    """

    def __init__(
        self, target_fps: float | None = None, max_age: float | None = None, base: Reduction = Reduction()
    ) -> None:
        """At least so many results per second of each camera, at most so many seconds old; `base` is asked for anyway.

        Either may be None, and then is not held.
        """
        self._fps, self._max_age, self._base = target_fps, max_age, base
        self._taken: list[Reduction] = []
        self._tries: dict[int, _Try] = {}
        self._usual: float | None = None  # the mean load since the last step
        self._seen: dict[str, _Seen] = {}
        self._skip = WARM_UP
        self._began: float | None = None
        self._people = 0
        self._steady = 0.0
        self._back_at: float | None = None  # when the last step was taken back, while that is on probation
        self._exhausted = False

    @property
    def reduction(self) -> Reduction:
        """What holds now."""
        return self._taken[-1] if self._taken else Reduction()

    @property
    def depth(self) -> int:
        """How many steps are in force."""
        return len(self._taken)

    def note(self, result: Measure) -> Step | None:
        """Takes in a result; returns the step that it led to, if any."""
        seen = self._seen.setdefault(result.source, _Seen(self._skip))
        if seen.skip:
            seen.skip -= 1
            return None
        if self._began is None:
            self._began = result.now - result.busy
        seen.ages.append(result.age)
        seen.busy += result.busy
        self._people = max(self._people, result.people)
        seconds = result.now - self._began
        if seconds < WINDOW or len(seen.ages) < self._enough():
            return None
        load, why = self._load(seconds)
        self._usual = load if self._usual is None else self._usual + CALM * (load - self._usual)
        people = self._people
        self._begin_window(0)
        step = self._less(load, why, people, result.now) if load > 1 else self._more(load, seconds, result.now)
        if step is not None and not step.exhausted:
            self._begin_window(SETTLING)
            self._usual = None
        return step

    def _enough(self) -> int:
        """How many results tell what frames cost."""
        known, base = self.reduction, self._base
        cycle = max(max(r.detect_every, r.face_every, r.hands_every) for r in (known, base))
        return min(max(LEAST, 2 * cycle), MOST)

    def _begin_window(self, skip: int) -> None:
        self._seen, self._began, self._people, self._skip = {}, None, 0, skip

    def _load(self, seconds: float) -> tuple[float, str]:
        """The run's load over the window, and whose and what it is."""
        loads = [(0.0, "")]
        for source, seen in self._seen.items():
            if len(seen.ages) < LEAST - 2:
                continue
            if self._max_age is not None:
                age = quantile(seen.ages)
                loads.append((age / (SPARE * self._max_age), f"{source} is {age * 1000:.0f} ms old"))
            if self._fps is not None:
                count = len(seen.ages)
                load = min(self._fps * seen.busy / count, seen.busy / seconds / BUSY)
                loads.append((load, f"{source} has {count / seconds:.1f} results per second"))
        return max(loads)

    def _less(self, load: float, why: str, people: int, now: float) -> Step | None:
        self._steady = 0.0
        if self._back_at is not None:
            last = self._tries[self.depth + 1]
            last.patience = min(2 * last.patience, LONGEST)
        self._back_at = None
        following = self._next(people)
        if following is None:
            told, self._exhausted = self._exhausted, True
            return None if told else Step(self.reduction, True, why, exhausted=True)
        self._taken.append(following)
        return Step(following, True, why)

    def _more(self, load: float, seconds: float, now: float) -> Step | None:
        last = self._tries.get(self.depth + 1)
        if last is not None and self._back_at is not None and now - self._back_at > PROBATION * last.patience:
            self._back_at = None
            del self._tries[self.depth + 1]
        self._steady = self._steady + min(seconds, 2 * WINDOW) if load <= ROOM else 0.0
        usual = load if self._usual is None else self._usual
        known = self._tries.setdefault(self.depth, _Try(usual))
        patience = STEADY if usual <= RELIEVED * known.load else known.patience
        if not self._taken or self._steady < patience:
            return None
        self._exhausted, known.load = False, usual
        self._taken.pop()
        self._steady, self._back_at = 0.0, now
        return Step(self.reduction, False, "there is room again")

    def _next(self, people: int) -> Reduction | None:
        """The next step that changes something, None where there is none."""
        known = self.reduction
        for name, value in LADDER:
            idle = not people and name != "detect_every"
            if not idle and max(getattr(known, name), getattr(self._base, name)) < value:
                return replace(known, **{name: value})
        most = min(people, known.max_people or people)
        return replace(known, max_people=max(1, math.floor(FEWER * most))) if most > 1 else None


def quantile(ages: Sequence[float]) -> float:
    """What nine of ten do not exceed; of a few, the second largest, so that one alone says nothing."""
    return sorted(ages)[int(0.9 * (len(ages) - 1))]
