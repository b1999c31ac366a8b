"""Which feet stand."""

from dataclasses import replace

import numpy as np
from pymafx_live.core.types import Origin, Part
from pymafx_live.core.world import World
from pymafx_live.pipeline.ground import Ground
from pymafx_live.pipeline.world import Given
from support.standing import FPS, FRAME, SEEN, somebody

WORLD = World.tilted(-0.15, 0.0, 1.5)
GIVEN = Given(pitch=-0.15, roll=0.0, height=1.5)


def contact_of(show, frames: int = 10):
    """What is said of the feet after some frames of the person that `show(time)` shows."""
    ground = Ground(GIVEN)
    for k in range(frames):
        (person,), _ = ground([show(k / FPS)], replace(FRAME, time=k / FPS, cut=k == 0))
    return person.contact


def test_feet_that_keep_still_on_the_floor_stand_and_those_that_move_do_not():
    assert (contact_of(lambda t: somebody(WORLD, (0, -3))) > 0.9).all()
    assert (contact_of(lambda t: somebody(WORLD, (1.5 * t, -3))) < 0.15).all()
    assert (contact_of(lambda t: somebody(WORLD, (0, -3 + 3 * t))) < 0.5).all(), "nor towards the camera"


def test_a_still_foot_in_the_air_does_not_stand():
    def jumping(t):
        person = somebody(WORLD, (0, -3))
        up = 0.3 * WORLD.up
        return replace(person, joints=person.joints + up, pelvis=person.pelvis + up, transl=person.transl + up)

    assert (contact_of(jumping) < 0.1).all()


def test_a_leg_that_is_not_seen_says_nothing():
    hidden = {"left_leg": Part(0.0, Origin.HELD)}
    left, right = contact_of(lambda t: somebody(WORLD, (0, -3), parts=SEEN | hidden))
    assert left == 0.5 and right > 0.9
    both = hidden | {"right_leg": Part(0.0, Origin.DEFAULT)}
    assert contact_of(lambda t: somebody(WORLD, (0, -3), parts=SEEN | both)) is None
    away = {"transl": Part(0.0, Origin.HELD)}
    assert contact_of(lambda t: somebody(WORLD, (0, -3), parts=SEEN | away)) is None, "who is held is not measured"
    assert contact_of(lambda t: replace(somebody(WORLD, (0, -3)), joints=np.zeros((0, 3), np.float32))) is None
