"""Whether two runs have the same results, to the last bit."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from pymafx_live.core.types import FrameResult, Person, SourceEvent
from pymafx_live.pipeline.loop import Result


def assert_same(made: Sequence[Result | SourceEvent], others: Sequence[Result | SourceEvent]) -> None:
    """The same events and the same people, to the last bit."""
    for one, other in zip(made, others, strict=True):
        assert isinstance(one, SourceEvent) is isinstance(other, SourceEvent)
        if isinstance(one, SourceEvent):
            assert (one.source, one.state) == (other.source, other.state)
        else:
            assert_same_result(one[0], other[0])


def assert_same_result(one: FrameResult, other: FrameResult) -> None:
    assert (one.source, one.sequence, one.final) == (other.source, other.sequence, other.final)
    assert len(one.people) == len(other.people)
    for a, b in zip(one.people, other.people, strict=True):
        assert a.extra.keys() == b.extra.keys()
        for name in (field.name for field in fields(Person)):
            if name not in ("extra", "raw"):
                np.testing.assert_equal(getattr(a, name), getattr(b, name))
        for name in a.extra:
            np.testing.assert_array_equal(a.extra[name], b.extra[name])
