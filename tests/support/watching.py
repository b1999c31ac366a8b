"""What tests take from sources."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from pymafx_live.core.errors import SourceError
from pymafx_live.core.types import Frame, SourceEvent


def frames_of(source: Iterable[Frame | SourceEvent]) -> Iterator[Frame]:
    """The frames of a source, without its events, until it ends or is lost."""
    with suppress(SourceError):
        yield from (item for item in source if isinstance(item, Frame))
