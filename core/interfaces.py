"""The five roles of the pipeline. Whoever has these methods can play: no registration at import."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pymafx_live.core.types import Estimate, Floats, Frame, FrameResult, Scene, Seen, SourceEvent, Track

Progress = Callable[[str], None]
"""Is told each step of what takes long, as half a sentence."""


Found = tuple[Floats, Floats]
"""The people in one picture: boxes (N, 4) as x1, y1, x2, y2 in its pixels, and scores (N,) in 0..1."""


def log_progress(step: str) -> None:
    """Tells the log `PROGRESS`, which the terminal shows, and which is no warning."""
    logging.getLogger(PROGRESS).info(step)


PROGRESS = "pymafx_live.progress"


class Source(Protocol):
    """Yields frames until the source ends, and tells between them what happens to it.

    `live` sources skip to the newest frame, others lose none. One that fails for good raises a `LiveError`.
    """

    name: str
    live: bool

    @property
    def files(self) -> Sequence[Path]:
        """What is read from the disk: no output may be one of them."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height that its frames will have, as far as it says so before the first."""

    def __iter__(self) -> Iterator[Frame | SourceEvent]: ...
    def __len__(self) -> int:
        """How many frames are to come in all, 0 where nobody knows."""

    def close(self) -> None: ...


class Detector(Protocol):
    """Finds people in pictures."""

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Found]:
        """What is found in each of a batch of (H, W, 3) BGR images, whose sizes may differ."""

    def close(self) -> None: ...


class Tracker(Protocol):
    """Gives boxes an identity over time. `time` is in seconds and never runs backwards, but after a `reset`."""

    def update(self, boxes: Floats, scores: Floats, time: float, looks: Floats | None = None) -> list[Track]:
        """The tracks after detections (N, 4), (N,); a track that ends is in one last list as `ENDED`.

        `looks` (N, D), of unit length, are alike for one person's boxes and differ between people, where known.
        """

    def predict(self, time: float) -> list[Track]:
        """The tracks at a frame on which the detector did not run."""

    def follow(self, boxes: Mapping[int, Floats]) -> None:
        """Moves tracks that are TRACKED, by id, to boxes (4,) where the engine sees them: these are no detections."""

    def renew(self, ids: Collection[int]) -> None:
        """Gives the tracks of these ids new ones: those who were there under them have been said goodbye to."""

    def reset(self) -> list[Track]:
        """Ends all tracks, because the scene was cut, and returns them as `ENDED`."""


class Engine(Protocol):
    """Turns tracked boxes into SMPL-X parameters, those of all cameras at once.

    What it remembers belongs to a source and a track's id. A call that does not mention a track does not end it.
    """

    name: str

    def estimate(self, scenes: Sequence[Scene]) -> Estimate:
        """One person per track, none of which has ended, of one scene at most per source.

        A frame that is a `cut` starts anew what was learnt of its camera, and of no other.
        """

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        """Drops what is remembered of these tracks of a source, or of all that it had, as it is over."""

    def close(self) -> None: ...


@runtime_checkable
class LookingEngine(Protocol):
    """An engine that works in two halves: it looks where people are, which trackers follow, and then estimates them.

    Each half has the scenes in the order of their frames. `forget` belongs to the first half, and so comes before the
    last scenes that were seen are estimated, which may still need what is over.
    """

    name: str

    @property
    def looks_ahead(self) -> bool:
        """Whether one thread may look at the next scenes while another estimates the last."""

    def look(self, scenes: Sequence[Scene]) -> Sequence[Seen]:
        """What is seen in each scene; otherwise as `Engine.estimate`."""

    def estimate_seen(self, seen: Sequence[Seen]) -> Estimate:
        """The people of scenes, of one at most per source, each seen before by this engine."""

    def forget(self, source: str, ids: Collection[int] | None = None) -> None:
        """See `Engine.forget`."""


class Policy(StrEnum):
    """What becomes of results that an output cannot take as fast as they come."""

    NEWEST = "newest"
    """Only the newest of each source waits for it: for what is looked at, or acts."""
    ALL = "all"
    """A limited number waits; then the oldest are dropped, counted and told."""
    BLOCK = "block"
    """As `ALL`, but where the source can wait (a file), the run does, and nothing is lost: for recordings."""
    DIRECT = "direct"
    """None waits: the output is called at once, on the run's own thread. Only for what never blocks."""


class Output:
    """Takes every result, in order; derive from it and override what you need.

    All calls come on one thread of the output's own: it may be slow (see `policy`), and what it raises ends it alone.
    """

    name: str = "output"
    """What messages and statistics call it."""
    address: str = ""
    """Where it can be reached, if others connect to it."""
    policy: Policy = Policy.ALL
    raw: bool = False
    """Whether it takes people as they were estimated, whatever is done to them for others, such as `--foot-lock`."""

    def write(self, result: FrameResult, frame: Frame | None) -> None:
        """Takes a result and the frame it is about, which is None in a replay, and for a result that is `final`."""

    def tell(self, event: SourceEvent) -> None:
        """Hears what happens to a source."""

    def close(self) -> None:
        """Finishes what was written, also after an error."""
