"""Feet that stand do not slide, and nothing else of the body moves."""

from dataclasses import replace

import numpy as np
import pytest
from pymafx_live.core.interfaces import Output, Policy
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import FrameResult, Person, TrackState
from pymafx_live.core.world import World
from pymafx_live.pipeline.delivery import Delivery
from pymafx_live.pipeline.foot_lock import EASE, FARTHEST, FootLock
from pymafx_live.pipeline.legs import legs_of
from pymafx_live.pipeline.stop import Stop
from support.standing import BODY, FPS, FRAME, somebody

WORLD = World.tilted(-0.15, 0.05, 1.5)
STANDS, LIFTED = np.array([0.9, 0.9], np.float32), np.array([0.05, 0.9], np.float32)


def result(person: Person, k: int) -> FrameResult:
    return FrameResult("cam", k, "run", k / FPS, 0.0, 0.0, FRAME.camera, (person,), world=WORLD)


def trembling(rng: np.random.Generator, **more) -> Person:
    """Somebody who stands, as an engine estimates them: a little elsewhere in every frame, and bent a little."""
    x, z = rng.normal(0, 0.01), -3 + rng.normal(0, 0.03)
    return somebody(WORLD, (x, z), turned=0.4, knees=0.3 + rng.normal(0, 0.02), contact=STANDS, **more)


def soles(one: FrameResult) -> np.ndarray:
    return legs_of(one.people).soles[0]


def test_feet_that_stand_keep_still_and_the_body_is_as_it_was():
    rng, lock = np.random.default_rng(0), FootLock()
    came, held = [], []
    for k in range(50):
        came.append(result(trembling(rng), k))
        held.append(lock(came[-1]))
    slides = [np.linalg.norm(np.diff([soles(r) for r in rs], axis=0), axis=-1).max(-1).mean() for rs in (came, held)]
    assert slides[0] > 0.015 and slides[1] < 0.002
    above = [
        k
        for k in range(22)
        if k not in {JOINT[f"{s}_{n}"] for s in ("left", "right") for n in ("knee", "ankle", "foot")}
    ]
    for before, after in zip(came, held, strict=True):
        was, now = before.people[0], after.people[0]
        np.testing.assert_array_equal(now.joints[above], was.joints[above])
        np.testing.assert_array_equal(now.global_orient, was.global_orient)
        assert now.joints.dtype == now.body_pose.dtype == np.float32


def test_rotations_and_joints_stay_one_skeleton_and_feet_keep_their_direction():
    rng, lock = np.random.default_rng(1), FootLock()
    for k in range(10):
        came = result(trembling(rng), k)
        person = lock(came).people[0]
        joints = BODY.joints(person.full_pose[None], person.transl[None])[0][0][:22]
        np.testing.assert_allclose(person.joints, joints, atol=1e-5)
        np.testing.assert_allclose(legs_of([person]).turns[:, :, 2:], legs_of(came.people).turns[:, :, 2:], atol=1e-5)


def test_a_foot_that_is_lifted_eases_back_without_a_jump():
    lock = FootLock()
    lock(result(somebody(WORLD, (0, -3), knees=0.3, contact=STANDS), 0))
    off = []
    for k in range(1, 20):
        came = result(somebody(WORLD, (0.05, -3), knees=0.3, contact=LIFTED), k)
        off.append(np.linalg.norm(soles(lock(came)) - soles(came), axis=-1)[0].max())
    assert off[0] == pytest.approx(0.05, abs=0.005)
    np.testing.assert_allclose(np.array(off[1:]) / off[:-1], np.exp(-1 / FPS / EASE), rtol=0.02)


def test_who_is_somewhere_else_drags_their_feet_along():
    lock = FootLock()
    for k in range(20):
        came = result(somebody(WORLD, (0.05 * k, -3), knees=0.3, contact=STANDS), k)
        assert np.linalg.norm(soles(lock(came)) - soles(came), axis=-1).max() <= FARTHEST + 1e-3


def test_nobody_is_held_whose_feet_are_not_said_to_stand_nor_after_a_gap():
    rng, lock = np.random.default_rng(0), FootLock()
    for k in range(5):
        came = result(replace(trembling(rng), contact=None), k)
        assert lock(came).people[0] is came.people[0]
    lock(result(trembling(rng), 6))
    later = result(trembling(rng), 6 + FPS)
    assert lock(later).people[0] is later.people[0]
    ended = result(replace(trembling(rng), state=TrackState.ENDED), 8 + FPS)
    assert lock(ended) is ended and not lock._memory


class Kept(Output):
    policy = Policy.DIRECT

    def __init__(self, raw: bool) -> None:
        self.raw, self.results = raw, []

    def write(self, result, frame):
        self.results.append(result)


def test_the_raw_wire_gets_people_as_they_were_estimated():
    rng, outputs = np.random.default_rng(0), [Kept(True), Kept(False)]
    sent = [result(trembling(rng), k) for k in range(3)]
    delivery = Delivery(outputs, Stop(), live=False, lock=FootLock())
    for one in sent:
        delivery.write(one, None)
    delivery.close()
    assert outputs[0].results == sent
    assert outputs[1].results[2].people[0] is not sent[2].people[0]
