"""How the cameras of a worker are, over the last seconds."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition
from typing import Any

import numpy as np
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.types import OVER, Frame, FrameResult, SourceEvent, SourceRemoved, TrackState

WINDOW = 5.0
"""Seconds that figures are about."""
_MOST = 1000
"""Results of a camera in them, at most."""


@dataclass(slots=True)
class _Camera:
    """What is known of one: of its results the monotonic time, the age and the drops until then."""

    began: float
    state: str
    reason: str = ""
    run: str = ""
    sequence: int = -1
    people: int = 0
    results: deque[tuple[float, float, int]] = field(default_factory=lambda: deque(maxlen=_MOST))

    def figures(self, now: float) -> dict[str, Any]:
        """See `Worker.state`."""
        while len(self.results) > 1 and self.results[1][0] <= now - WINDOW:
            self.results.popleft()
        recent = [result for result in self.results if result[0] > now - WINDOW]
        ages = [age for _, age, _ in recent]
        seconds = now - recent[0][0] if len(recent) == _MOST else min(WINDOW, now - self.began)
        dropped = recent[-1][2] - self.results[0][2] if recent else 0  # since the last result before these
        return {
            "state": self.state, "reason": self.reason, "fps": round(len(recent) / max(seconds, 1.0), 2),
            "age_ms": {f"p{p}": round(float(np.percentile(ages, p)) * 1000, 1) for p in (50, 95)} if ages else {},
            "dropped": round(dropped / (dropped + len(recent)), 4) if dropped else 0.0,
            "people": self.people if recent else 0, "run": self.run, "sequence": self.sequence,
        }  # fmt: skip


class Meter(Output):
    """Hears the results and events of a run; what it is asked may come from any thread."""

    name = "the fleet"
    policy = Policy.DIRECT

    def __init__(self, waited: Callable[[], float]) -> None:
        """`waited` gives the seconds for which the run has had nothing to do so far."""
        self._waited = waited
        self._changed = Condition()
        self._cameras: dict[str, _Camera] = {}
        self._over = False
        self._looks: deque[tuple[float, float]] = deque()

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Notes a result."""
        with self._changed:
            if (camera := self._cameras.get(result.source)) is None:
                return
            if not camera.run:
                camera.began = time.monotonic()
            camera.results.append((time.monotonic(), result.age, result.dropped))
            camera.run, camera.sequence = result.run_id, result.sequence
            camera.people = sum(person.state is not TrackState.ENDED for person in result.people)
            self._changed.notify_all()

    def tell(self, event: SourceEvent) -> None:
        """Notes an event; one that was removed is forgotten."""
        with self._changed:
            if isinstance(event, SourceRemoved):
                self._cameras.pop(event.source, None)
            else:
                camera = self._cameras.setdefault(event.source, _Camera(time.monotonic(), str(event.state)))
                camera.state, camera.reason = str(event.state), event.reason
            self._changed.notify_all()

    def camera(self, name: str) -> dict[str, Any]:
        """The figures of a camera; as of one that is about to be opened where nothing is known of it."""
        with self._changed:
            now = time.monotonic()
            return self._cameras.get(name, _Camera(now, "connecting")).figures(now)

    def busy(self) -> float:
        """The share of the time in which the loop worked, since `WINDOW` seconds ago; 0 when it is asked first."""
        now, waited = time.monotonic(), self._waited()
        with self._changed:
            if not self._looks:
                self._looks.append((now, waited))
                return 0.0
            while len(self._looks) > 1 and self._looks[1][0] <= now - WINDOW:
                self._looks.popleft()
            at, before = self._looks[0]
            self._looks.append((now, waited))
            return round(min(max(1 - (waited - before) / max(now - at, 1e-6), 0.0), 1.0), 4)

    def wait_for_result(self, name: str, seconds: float) -> None:
        """Waits for the first result of a camera, or for its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._is_heard(name), seconds)

    def wait_for_end(self, name: str, seconds: float) -> None:
        """Waits until a camera was said to be removed."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or name not in self._cameras, seconds)

    def close(self) -> None:
        """Whoever waits need not any more."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def _is_heard(self, name: str) -> bool:
        camera = self._cameras.get(name)
        return camera is not None and (camera.sequence >= 0 or camera.state in OVER)
