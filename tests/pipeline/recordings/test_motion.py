"""Tracks become motions of a constant rate in a level world."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymafx_live.core import quaternions
from pymafx_live.core.errors import OutputError
from pymafx_live.core.types import SourceEvent, TrackState
from pymafx_live.core.world import World
from pymafx_live.pipeline.recordings.motion import motions, resampled_turns
from scipy.spatial.transform import Rotation, Slerp
from support.recordings import recorded


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 30))
def test_rotations_between_two_frames_are_on_the_shorter_way(seed, count):
    """Truth: SciPy's."""
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.uniform(0.01, 0.2, count))
    turns = Rotation.from_quat(rng.normal(size=(count, 4)))
    at = np.linspace(times[0], times[-1], 40)
    ours = resampled_turns(quaternions.from_matrices(turns.as_matrix()), times, at)
    np.testing.assert_allclose((Rotation.from_quat(ours).inv() * Slerp(times, turns)(at)).magnitude(), 0, atol=1e-6)


@pytest.mark.parametrize("fps", [30.0, 60.0, 30000 / 1001])
def test_a_motion_has_the_joints_of_its_frames(fps):
    """Truth: the joints that the results tell, in their worlds."""
    world = World.tilted(0.2, -0.1, 1.3)
    items = [
        item if isinstance(item, SourceEvent) else (replace(item[0], world=world), None) for item in recorded(fps=fps)
    ]
    results = [item[0] for item in items if not isinstance(item, SourceEvent)]
    for motion in motions(items):
        assert motion.rate == round(fps)
        for frame, result in enumerate(results[:-1]):
            if abs(frame / motion.rate - result.time) < 1e-7:
                (person,) = (p.in_world(result) for p in result.people if p.id == motion.id)
                np.testing.assert_allclose(motion.joints[frame], person.joints, atol=1e-5)


@pytest.mark.parametrize(("fps", "rate"), [(12.5, 30), (25, 30), (29.97, 30), (50, 50), (1000, 240)])
def test_the_rate_is_whole_and_at_least_thirty(fps, rate):
    motion = motions(recorded(fps=fps))[0]
    assert motion.rate == rate
    assert len(motion) == int(39 / fps * rate + 1e-3) + 1


def test_who_comes_later_begins_later():
    items = recorded(30, fps=30)
    for item in items:
        if not isinstance(item, SourceEvent) and item[0].sequence < 12:
            object.__setattr__(item[0], "people", item[0].people[:1])
    first, second = motions(items)
    assert (first.start, second.start) == (0, pytest.approx(12 / 30))
    assert second.times[-1] == pytest.approx(first.times[-1])


def test_who_was_never_estimated_is_left_out():
    items = recorded(5, ids=(1,))
    for item in items:
        if not isinstance(item, SourceEvent):
            person = item[0].people[0]
            unseen = replace(person, joints=person.joints[:0], extra={}, parts={}, state=TrackState.NEW)
            object.__setattr__(item[0], "people", (unseen,))
    with pytest.raises(OutputError, match="nobody was seen in the recording"):
        motions(items)


def test_as_few_joints_as_were_sent_make_the_same_skeleton():
    items = recorded(20)
    few = [item if isinstance(item, SourceEvent) else (replace(item[0], people=[
        replace(p, joints=p.joints[:22]) for p in item[0].people]), None) for item in items]  # fmt: skip
    for whole, part in zip(motions(items), motions(few), strict=True):
        np.testing.assert_allclose(part.joints, whole.joints, atol=1e-5)
