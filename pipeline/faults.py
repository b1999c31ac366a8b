"""Errors of single frames: each kind is said once, all are counted, and the run goes on until they do not end."""

import logging
from collections import Counter
from collections.abc import Callable, Mapping

from pymafx_live.core.errors import FramesError, first_line

MOST = 30
"""Frames in a row after which an error is no accident."""

logger = logging.getLogger(__name__)


class Faults:
    """What went wrong in a detector, a tracker or an engine, which are called `part` here."""

    def __init__(self, most: int = MOST, give_up: Callable[[str, FramesError], None] | None = None) -> None:
        """The error that is the `most`-th in a row of a part and a source is raised, or told to `give_up`."""
        self._most, self._give_up = most, give_up
        self._row: Counter[tuple[str, str]] = Counter()
        self._frames: Counter[str] = Counter()
        self._told: dict[str, str] = {}

    def add(self, part: str, source: str, error: Exception) -> None:
        """Counts a frame of `source` on which `part` raised an error.

        Raises:
            FramesError: it was one too many.
        """
        said = f"{type(error).__name__}: {first_line(error)}"
        self._frames[part] += 1
        self._row[part, source] += 1
        if part not in self._told:
            self._told[part] = said
            shown = error if logger.isEnabledFor(logging.INFO) else None
            logger.error(
                "the %s failed on a frame of %s (%s): the run goes on, and counts further errors; -v shows where",
                part, source, said, exc_info=shown,
            )  # fmt: skip
        if self._row[part, source] >= self._most:
            many = FramesError(
                f"the {part} has failed on {self._most} frames of {source} in a row, at last with {said}: "
                "try another one or another --runtime; -v shows where"
            )
            if self._give_up is None:
                raise many from error
            self._give_up(source, many)
            del self._row[part, source]

    def worked(self, part: str, source: str) -> None:
        """Takes in that `part` raised nothing on a frame of `source`."""
        del self._row[part, source]

    @property
    def frames(self) -> Mapping[str, int]:
        """The number of frames on which each part failed; parts that never did are left out."""
        return dict(self._frames)

    def sentences(self) -> list[str]:
        """One for each part that failed."""
        return [
            f"the {part} failed on {count} frame{'s' if count > 1 else ''}, at first with {self._told[part]}"
            for part, count in self._frames.items()
        ]

    def raise_error(self) -> None:
        """Raises a `FramesError` where there was a fault."""
        if self._frames:
            raise FramesError(f"{'; '.join(self.sentences())}: who was there was held, and the run went on")


class Strict(Faults):
    """Every error is raised as it is: for whoever measures."""

    def add(self, part: str, source: str, error: Exception) -> None:
        """Raises the error."""
        raise error
