"""What is remembered of people: when their parts were measured, and how fast they move."""

from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.types import Camera, Frame, Origin, Part, Person, TrackState
from pymafx_live.pipeline.history import History
from pymafx_live.pipeline.smoothing import Smoother

CAMERA = Camera(64, 48, 50.0, 50.0, 31.5, 23.5)
START = 1.7e9


def frame(k: int, fps: float = 25.0) -> Frame:
    return Frame(np.zeros((48, 64, 3), np.uint8), "t", k, k / fps, START + k / fps, CAMERA)


def person(place: tuple[float, float, float], identity: int = 1, **origins: Origin) -> Person:
    origins = {"transl": Origin.MEASURED} | origins
    return Person(
        identity, TrackState.TRACKED, np.zeros(4, np.float32), 0.9, "t",
        {name: Part(0.5, origin) for name, origin in origins.items()}, pelvis=np.array(place, np.float32),
    )  # fmt: skip


def test_a_part_says_when_it_was_last_measured():
    history = History(Smoother(0))
    told = []
    for k, origin in enumerate([Origin.DEFAULT, Origin.MEASURED, Origin.MEASURED, Origin.HELD, Origin.DEFAULT]):
        people = [person((0, 0, 3), left_hand=origin), person((1, 0, 3), identity=2, left_hand=Origin.HELD)]
        one, two = history(people, frame(k))
        told.append(one.parts["left_hand"].measured_at)
        assert two.parts["left_hand"].measured_at is None
        assert one.parts["transl"].measured_at == frame(k).captured_at
        assert one.parts["left_hand"].origin is origin
    assert told == [None, *(frame(k).captured_at for k in (1, 2, 2, 2))]
    history.forget([1])
    (one,) = history([person((0, 0, 3), left_hand=Origin.HELD)], frame(9))
    assert one.parts["left_hand"].measured_at is None


@pytest.mark.parametrize("fps", [10.0, 25.0, 60.0])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_velocity_is_that_of_who_walks(fps, strength):
    """Within 1 % after a second, however many frames come and however the place is smoothed."""
    history, velocity = History(Smoother(strength)), np.array([0.5, 0, -1.2])
    for k in range(round(fps) + 1):
        (told,) = history([person(tuple(velocity * k / fps + (0, 0, 4)))], frame(k, fps))
        assert (told.velocity is None) == (k == 0)
    np.testing.assert_allclose(told.velocity, velocity, atol=0.012)


def test_the_velocity_is_late_by_as_much_as_the_page_says():
    history, acceleration, late = History(Smoother()), 1.0, 1 / (2 * np.pi * 1.5)
    for k in range(100):
        (told,) = history([person((acceleration * (k / 25) ** 2 / 2, 0, 4))], frame(k))
    frames = 0.5 / 25  # a difference of two places is of the moment between them
    assert told.velocity[0] == pytest.approx(acceleration * (99 / 25 - late - frames), abs=1e-3)
    assert f"{late:.1f}" == "0.1"


def test_what_is_not_measured_has_no_velocity():
    history = History(Smoother())
    origins = [Origin.MEASURED, Origin.MEASURED, Origin.HELD, Origin.MEASURED]
    told = [history([person((k / 25, 0, 4), transl=o)], frame(k))[0].velocity for k, o in enumerate(origins)]
    assert [v is None for v in told] == [True, False, True, False]
    late = frame(3 + 25)
    assert history([person((1, 0, 4))], late)[0].velocity is None, "of a second ago"


def test_a_correction_is_no_movement():
    history = History(Smoother())
    places = [(0, 0, 4), (0, 0, 4), (0, 0, 6), (0, 0, 6)]
    told = [history([person(place)], frame(k))[0].velocity for k, place in enumerate(places)]
    assert [v is None for v in told] == [True, False, True, False]
    np.testing.assert_array_equal(told[-1], np.zeros(3))


def test_who_was_never_estimated_does_not_come_from_the_camera():
    history = History(Smoother())
    history([person((0, 0, 0), transl=Origin.DEFAULT)], frame(0))
    (told,) = history([person((1, 0, 4))], frame(1))
    np.testing.assert_array_equal(told.pelvis, (1, 0, 4))
    assert told.velocity is None


def test_nothing_else_is_changed():
    history = History(Smoother(0))
    (told,) = history([(one := person((0, 0, 3)))], frame(0))
    again = replace(told, parts=one.parts, velocity=None)
    assert all(getattr(again, name) is getattr(one, name) for name in ("box", "pelvis", "joints", "extra"))
