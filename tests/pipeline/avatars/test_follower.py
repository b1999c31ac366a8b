"""An avatar never jumps: when its person is lost, comes back, or another takes the place."""

from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from pymafx_live.core import quaternions
from pymafx_live.core.types import Origin, Part
from pymafx_live.core.world import FloorOrigin, World
from pymafx_live.pipeline.avatars.figure import at_rest, figure_of
from pymafx_live.pipeline.avatars.follower import CATCH_UP, LET_GO, Follower, Seen
from pymafx_live.pipeline.avatars.stage import RESERVED, SILENT, Stage
from support.people import MEASURED, person, random_pose, result

STEP = 1 / 30
FASTEST_TURN, FASTEST_STEP = np.pi * 1.6 * STEP / CATCH_UP, 3.0 * 1.6 * STEP / CATCH_UP
"""Half a turn, and three metres, in the time that a change takes; the middle of it is 1.5 times as fast."""


def shown(someone):
    return figure_of(someone, result(someone))


def some(seed=0, place=(0.3, 0.4, 3.0)):
    return shown(person(random_pose(np.random.default_rng(seed)), place))


def jump(a, b):
    """By how much an avatar changes: the largest turn of a joint in radians, and its step in metres."""
    cosine = np.abs((a.turns * b.turns).sum(-1)).clip(0, 1)
    return 2 * np.arccos(cosine).max(), np.linalg.norm(a.place - b.place)


def run(follower, times, act):
    """The figures at these times; `act` is called before each."""
    figures = []
    for time in times:
        act(time)
        figures.append(follower.figure(time))
    return figures


def assert_no_jump(figures):
    for a, b in pairwise(figures):
        turn, step = jump(a, b)
        assert turn < FASTEST_TURN
        assert step < FASTEST_STEP


def test_the_first_person_is_shown_as_is_at_once():
    follower = Follower()
    assert follower.figure(0) is None
    follower.follow(("a", 1), some(), 1.0)
    assert jump(follower.figure(1.0), some().moved(-some().place * [1, 0, 1])) == pytest.approx((0, 0), abs=1e-6)


def test_who_is_lost_eases_to_rest_and_comes_back():
    follower, still = Follower(), some(3)

    def act(time):
        if 1 <= time < 3 or time > 3.4:
            follower.lose(time)
        else:
            follower.follow(("a", 1), still, time)

    times = np.arange(0, 6, STEP)
    figures = run(follower, times, act)
    assert_no_jump(figures)
    rest = figures[int((1 + LET_GO + 0.1) / STEP)]
    assert np.allclose(quaternions.slerp(rest.turns, at_rest().turns, 1.0), rest.turns, atol=1e-6)
    assert np.allclose(rest.place, [0, rest.height, 0])
    assert jump(figures[-1], rest) == pytest.approx((0, 0), abs=1e-6)


def test_another_person_takes_over_without_a_jump():
    follower, first, second = Follower(), some(1), some(2, (2.0, 0.1, 6.0))
    figures = run(
        follower, np.arange(0, 2, STEP),
        lambda time: follower.follow(("a", 1 if time < 0.5 else 2), first if time < 0.5 else second, time),
    )  # fmt: skip
    assert_no_jump(figures)
    assert np.allclose(figures[-1].place[[0, 2]], 0)
    assert jump(figures[-1], some(2))[0] == pytest.approx(0, abs=1e-6)


def test_a_floor_that_becomes_known_lifts_nobody_at_once():
    follower, figure = Follower(), some(1)
    figures = run(
        follower, np.arange(0, 2, STEP),
        lambda time: follower.follow(("a", 1), figure, time, Seen(floor="estimated" if time > 1 else "assumed")),
    )  # fmt: skip
    assert_no_jump(figures)
    assert figures[0].place[1] == pytest.approx(figure.height)
    assert figures[-1].place[1] == pytest.approx(figure.place[1])


def test_a_world_that_becomes_known_tilts_and_moves_nobody_at_once():
    follower, someone = Follower(), person(random_pose(np.random.default_rng(4)), (0.8, 0.4, 4.0))
    tilted = World.tilted(-0.3, 0.1, 1.4, floor=FloorOrigin.GIVEN)
    before, after = figure_of(someone, result(someone)), figure_of(someone, result(someone, world=tilted))

    def act(time):
        known = time > 1
        follower.follow(("a", 1), after if known else before, time, Seen(up="estimated" if known else "level"))

    figures = run(follower, np.arange(0, 2, STEP), act)
    assert_no_jump(figures)
    assert jump(figures[-1], after)[0] == pytest.approx(0, abs=1e-6)
    assert np.allclose(figures[-1].place[[0, 2]], figures[0].place[[0, 2]])


def test_a_face_that_is_not_seen_comes_to_rest_and_back():
    follower, smile = Follower(), np.full(52, 0.8)
    someone = shown(person(extra={"blendshapes": smile.astype(np.float32)}))
    blank = shown(person())
    faces = []
    for time in np.arange(0, 3, STEP):
        seen = not 1 < time < 2
        follower.follow(("a", 1), someone if seen else blank, time, Seen(face=seen))
        faces.append(follower.figure(time).face.max())
    assert np.abs(np.diff(faces)).max() < 0.2
    assert min(faces) == 0
    assert faces[0] == faces[-1] == pytest.approx(0.8)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def stage(monkeypatch):
    """A stage whose time stands until it is moved, and what it has sent: number of the avatar, figure and status."""
    monkeypatch.setattr(Stage, "_keep_moving", lambda self: None)  # its thread; `tick` does its work
    clock, sent = Clock(), []
    made = Stage(lambda *told: sent.append(told), most=3, clock=clock)
    made.clock, made.sent = clock, sent
    return made


def last(stage):
    """What was last sent to each avatar."""
    return {number: (figure, status) for number, figure, _, status in stage.sent}


def test_nobody_there_yet_is_said_to_be_so(stage):
    stage.show(result())
    assert [(n, f, s.loaded, s.tracking) for n, f, _, s in stage.sent] == [(0, None, False, False)]


def test_each_person_has_an_avatar_for_as_long_as_the_track_lasts(stage):
    small, large = person(number=7, box=(0, 0, 10, 10)), person(number=9, pelvis=(1, 0.3, 4.0))
    stage.show(result(small, large))
    assert stage._keys == [("camera", 9), ("camera", 7)]
    ended = person(number=9, state="ended")
    stage.show(result(small, ended))
    assert stage._keys == [None, ("camera", 7)]
    assert not last(stage)[0][1].tracking
    assert last(stage)[1][1].tracking
    stage.show(result(small, person(number=12)))
    assert stage._keys == [("camera", 12), ("camera", 7)]


def test_an_avatar_waits_a_while_for_who_is_left_out(stage):
    stage.show(result(person(number=1)))
    stage.show(result(person(number=2)))
    assert stage._keys == [("camera", 1), ("camera", 2)]
    stage.clock.now += RESERVED + 0.1
    stage.show(result(person(number=2)))
    assert stage._keys == [None, ("camera", 2)]


def test_more_people_than_avatars_leave_the_others_alone(stage):
    stage.show(result(*(person(number=k) for k in range(5))))
    assert len(stage._keys) == 3


def test_of_several_people_the_rule_says_who_is_shown(monkeypatch):
    monkeypatch.setattr(Stage, "_keep_moving", lambda self: None)
    near, far = person(number=4, box=(0, 0, 300, 400)), person(number=2, box=(300, 200, 340, 300))
    for rule, shown_id in ((None, 4), ("largest", 4), ("centre", 2), ("first", 2), (2, 2), (9, None)):
        stage = Stage(lambda *told: None, rule=rule)
        stage.show(result(near, far))
        assert stage._keys == [shown_id and ("camera", shown_id)]
        stage.show(result(person(number=4, box=(0, 0, 10, 10)), far, sequence=1))
        assert stage._keys == [shown_id and ("camera", shown_id)]


def test_who_is_held_only_is_not_tracked_and_gets_no_avatar(stage):
    held = {name: Part(0.0, Origin.HELD) for name in MEASURED}
    stage.show(result(person(parts=held)))
    assert last(stage)[0][0] is None
    stage.show(result(person()))
    assert last(stage)[0][1].tracking
    stage.show(result(person(parts=held)))
    assert not last(stage)[0][1].tracking
    assert last(stage)[0][1].loaded


def test_a_source_that_falls_silent_loses_its_people():
    clock, sent = Clock(), []
    stage = Stage(lambda *told: sent.append(told), clock=clock)
    try:
        stage.show(result(person()))
        clock.now += SILENT + 0.1
        wait_for(lambda: not sent[-1][3].tracking)
        clock.now += LET_GO
        wait_for(lambda: jump(sent[-1][1], at_rest())[0] < 1e-6)
    finally:
        stage.close()
    assert sent[-1][1] is None
    assert not sent[-1][3].loaded


def wait_for(true):
    for _ in range(500):
        if true():
            return
        sleep(0.01)
    raise AssertionError("it does not come")
