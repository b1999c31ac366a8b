"""Chooses whom to estimate where there are more people than there is time for."""

from collections.abc import Sequence

from pymafx_live.core.types import Track

KEEP = 1.2
"""How much larger than one that was chosen before another box must be to take its place."""


class Selection:
    """At most so many tracks: the largest, or with `lock` those once chosen until they end."""

    def __init__(self, most: int | None = None, lock: bool = False) -> None:
        """`most` None: everybody."""
        self.most, self.lock = most, lock
        self.limit: int | None = None
        """At most so many as long as there is no time for more, in the same order."""
        self._chosen: set[int] = set()

    def __call__(self, tracks: Sequence[Track]) -> list[Track]:
        """The chosen of a frame's tracks, none of which has ended, in their order.

        A little larger is not enough to take a place, or two people of one size would alternate.
        """
        best = sorted(tracks, key=self._rank, reverse=True)[: self.most][: self.limit]
        self._chosen = {track.id for track in best}
        return [track for track in tracks if track.id in self._chosen]

    def _rank(self, track: Track) -> tuple[bool, float]:
        area = float((track.box[2] - track.box[0]) * (track.box[3] - track.box[1]))
        chosen = track.id in self._chosen
        return self.lock and chosen, area * (KEEP if chosen else 1.0)
