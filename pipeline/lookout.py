"""When the detector runs: on every n-th frame, or as often as those who are followed need it."""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from pymafx_live.core.arrays import Image
from pymafx_live.core.boxes import iou
from pymafx_live.core.interfaces import Detector, Found
from pymafx_live.core.types import Frame, Scene, Track, TrackState
from pymafx_live.pipeline.following import Whereabouts

logger = logging.getLogger(__name__)

NEWCOMERS = 0.4
"""Seconds after which a newcomer has to be there at the latest."""
INTERVAL = 0.28
"""Seconds from one detection to the next while everybody is followed with certainty."""
DELAY = 0.09
"""Seconds over which the work of such a detection is spread: its boxes are used on the first frame after them."""
SETTLED = 0.2
"""Seconds for which all has to be certain before the detector may rest."""
PATIENCE = 1.0
"""Seconds after which somebody whom the engine does not see is no reason any more to detect on every frame."""
CLOSE, NEARING = 0.4, 0.08
"""Overlap (IoU) of two people's boxes, and its change within `WINDOW`, above which who is who is decided on every
frame."""
WINDOW = 0.3
"""Seconds."""
_LONG = 1_000_000
"""Frames: the detector has not run for so long that it is to run now."""
NICENESS = 10
"""How far a detection stands back behind the networks that a frame waits for."""


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """A frame with what was found in it, None where the detector did not run, and the seconds that the loop waited.

    Where the detector looked at an earlier frame, `then` holds where the tracks were, by id.
    """

    frame: Frame
    found: Found | None = None
    seconds: float = 0.0
    then: Mapping[int, Whereabouts] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Begun:
    """A detection that is under way."""

    frame: Frame
    work: Future[Found]
    then: Mapping[int, Whereabouts] = field(default_factory=dict)


Later = Callable[[Image], Future[Found]]
"""Looks at a picture on a thread of low priority."""


class SharedDetector:
    """One detector for all cameras: for a batch at once, or for single frames on a thread of low priority.

    It is one thread's at a time: who comes second waits.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector, self._lock, self._told = detector, Lock(), False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="detect", initializer=stand_back)

    def detect(self, images: Sequence[Image]) -> list[Found]:
        """See `Detector.detect`."""
        with self._lock:
            return [self._sound(found) for found in self._detector.detect(images)]

    def _sound(self, found: Found) -> Found:
        """What is found without boxes that are no numbers: a tracker would keep them for good."""
        boxes, scores = found
        good = np.isfinite(boxes).all(1) & np.isfinite(scores)
        if good.all():
            return found
        if not self._told:
            logger.warning("the detector gave boxes that are no numbers; such boxes count as nothing found")
            self._told = True
        return boxes[good], scores[good]

    def later(self, image: Image) -> Future[Found]:
        """What will have been found in one image."""
        return self._worker.submit(lambda: self.detect([image])[0])

    def close(self) -> None:
        """Waits for what is under way: afterwards the detector is not used."""
        self._worker.shutdown(cancel_futures=True)


class Schedule:
    """Decides on which frames of one camera the detector runs: this one on all."""

    at_most: int = 1
    """It runs in every so many-th frame at most, and on the first after a cut."""

    def ask(self, frame: Frame, later: Later) -> Detection | None:
        """None where the detector has to look at this frame now, or else what there is instead."""
        return None

    def missed(self, frame: Frame) -> None:
        """Takes in that the detector failed on a frame: it is to look at the next one."""

    def note(
        self, scene: Scene, tracks: Sequence[Track], seen: Collection[int], whereabouts: Mapping[int, Whereabouts]
    ) -> None:
        """Takes in what became of a frame: its tracks and where they are, and who was seen of those in the scene."""


class Every(Schedule):
    """The detector runs on every `stride`-th frame, and on the first after a cut."""

    def __init__(self, stride: int) -> None:
        self._stride, self._since = stride, _LONG

    def ask(self, frame: Frame, later: Later) -> Detection | None:
        """See `Schedule.ask`."""
        due = frame.cut or self._since >= max(self._stride, self.at_most)
        self._since = 1 if due else self._since + 1
        return None if due else Detection(frame)

    def missed(self, frame: Frame) -> None:
        """See `Schedule.missed`."""
        self._since = _LONG


class Lookout(Schedule):
    """Runs the detector at once where somebody must be found, and else now and then, beside the other networks.

    It runs on the very next frame while nobody is followed, while a track is new or lost, while the engine does not
    see somebody whom it is to estimate (for `PATIENCE` at most: of some people too little is in the picture), and
    while two people meet, part or hide each other; and until none of this was so for `SETTLED` seconds. Then, every
    `INTERVAL` seconds, a frame is handed to a thread of low priority, which works where a core has nothing better to
    do. After `DELAY` its boxes are used, and waited for if need be, so that the results depend on the frames' times
    alone. Between two frames that it looks at lie as many as `at_most` asks for, whoever is sought.
    """

    def __init__(self) -> None:
        self._begun: _Begun | None = None
        self._forget()

    def _forget(self) -> None:
        """Starts anew, at whatever time."""
        self._at = self._before = self._doubt = -np.inf  # the last detection's time, the last frame's, the last doubt's
        self._urgent, self._since = True, _LONG
        self._meetings = Meetings()
        self._unseen: dict[int, float] = {}  # since when the engine has not seen somebody, by id

    def ask(self, frame: Frame, later: Later) -> Detection | None:
        """See `Schedule.ask`; `note` is to be told of each frame before the next is asked for."""
        if frame.cut:
            self._forget()
        pause, self._before = frame.time - self._before, frame.time
        due, self._since = self._since >= self.at_most, self._since + 1
        if self._urgent and due:
            self._looks(frame)
            self._drop()
            return None
        begun = self._begun
        if begun is not None and frame.time >= begun.frame.time + DELAY:
            self._begun = None
            start = time.perf_counter()
            return Detection(frame, begun.work.result(), time.perf_counter() - start, begun.then)
        if due and pause >= DELAY and frame.time + pause > self._at + NEWCOMERS:  # so few: nothing to spread
            self._looks(frame)
            return None
        if due and pause < DELAY and begun is None and frame.time >= self._at + INTERVAL:
            self._looks(frame)
            self._begun = _Begun(frame, later(frame.image))
        return Detection(frame)

    def missed(self, frame: Frame) -> None:
        """See `Schedule.missed`."""
        self._doubt, self._since = frame.time, _LONG

    def note(
        self, scene: Scene, tracks: Sequence[Track], seen: Collection[int], whereabouts: Mapping[int, Whereabouts]
    ) -> None:
        """Takes in what became of a frame: its tracks and where they are, and who was seen of those in the scene."""
        frame, asked = scene.frame, [track.id for track in scene.tracks]
        if self._begun is not None and self._begun.frame is frame:
            self._begun.then = whereabouts
        self._unseen = {key: self._unseen.get(key, frame.time) for key in asked if key not in seen}
        missing = any(frame.time - since < PATIENCE for since in self._unseen.values())
        # of some who are seen nothing but the detector says where they are
        missing |= any(whereabouts[key].keypoints is None for key in asked if key in seen)
        if missing or unsettled(tracks) or self._meetings.in_doubt(tracks, frame.time):
            self._doubt = frame.time
        self._urgent = frame.time - self._doubt < SETTLED

    def _looks(self, frame: Frame) -> None:
        """Takes note that the detector looks at this frame."""
        self._at, self._since = frame.time, 1

    def _drop(self) -> None:
        """Forgets what is under way."""
        begun, self._begun = self._begun, None
        if begun is not None and not begun.work.cancel():
            begun.work.result()  # an error of the detector is told all the same


class Meetings:
    """Whose boxes overlap, and since when how much."""

    def __init__(self) -> None:
        self._before: deque[tuple[float, dict[tuple[int, int], float]]] = deque()

    def in_doubt(self, tracks: Sequence[Track], time: float) -> bool:
        """Whether two of a frame's tracks hide each other, meet or part."""
        now = _overlaps(tracks)
        self._before.append((time, now))
        while time - self._before[0][0] > WINDOW:
            self._before.popleft()
        then = self._before[0][1]
        pairs = now.keys() | then.keys()
        return any(now.get(p, 0.0) > CLOSE or abs(now.get(p, 0.0) - then.get(p, 0.0)) > NEARING for p in pairs)


def _overlaps(tracks: Sequence[Track]) -> dict[tuple[int, int], float]:
    """The overlap (IoU) of each two tracks that do overlap, by their ids."""
    if len(tracks) < 2:
        return {}
    boxes = np.stack([track.box for track in tracks])
    overlaps = iou(boxes[:, None], boxes)
    rows, columns = np.nonzero(np.triu(overlaps, 1))
    return {
        (tracks[i].id, tracks[j].id): float(overlaps[i, j])
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    }


def unsettled(tracks: Sequence[Track]) -> bool:
    """Whether nobody is followed, or somebody not with certainty."""
    return not tracks or any(track.state is not TrackState.TRACKED for track in tracks)


def stand_back() -> None:
    """Gives the thread that calls this a low priority: it works where others leave a core free."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
