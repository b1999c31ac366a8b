"""A face that does not move is looked at in every second frame; one that moves, in every frame."""

from itertools import pairwise

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.types import Frame, Origin, Scene, Track, TrackState
from pymafx_live.engines.landmarks.engine import LandmarkEngine, LandmarkOptions
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch, Regions
from pymafx_live.engines.landmarks.rest import FaceRest, HandRest
from pymafx_live.engines.landmarks.sight import Face, Hand

BODY = np.zeros((39, 2), np.float32)


def face(x: float = 0.0, jaw_open: float = 0.0) -> Face:
    points = np.random.default_rng(0).uniform(0, 100, (478, 3)).astype(np.float32) + np.float32(x)
    blendshapes = np.zeros(52, np.float32)
    blendshapes[25] = jaw_open
    return Face(points, blendshapes, 0.9, np.zeros(2))


def played(looks: list[Face | None], bodies: list[np.ndarray] | None = None, every: int = 1) -> str:
    """Which frames were looked at (x) and which rested (-), where a look at frame i would give `looks[i]`."""
    rest, told = FaceRest(every), ""
    for i, seen in enumerate(looks):
        body = bodies[i] if bodies else BODY
        taken = rest.take(body)
        if taken is None:
            rest.note(seen, body)
        else:
            assert taken.held and (every > 1 or not rest.due)
        told += "x" if taken is None else "-"
    return told


def test_it_rests_in_every_second_frame_once_two_looks_agree() -> None:
    assert played([face()] * 8) == "xx-x-x-x"


@pytest.mark.parametrize("moving", [lambda i: face(x=3.0 * i), lambda i: face(jaw_open=0.15 * (i % 2)), lambda i: None])
def test_a_face_that_moves_changes_or_is_not_found_never_rests(moving) -> None:
    assert played([moving(i) for i in range(8)]) == "xxxxxxxx"


def test_it_is_looked_at_as_soon_as_the_head_moves() -> None:
    bodies = [BODY + np.float32(0 if i < 4 else 10) for i in range(8)]
    assert played([face()] * 8, bodies) == "xx-xx-x-"


def test_it_ends_with_the_frame_that_shows_a_motion() -> None:
    assert played([face()] * 3 + [face(jaw_open=0.5)] * 5) == "xx-xx-x-"


@pytest.mark.parametrize(("every", "pattern"), [(2, "x-x-x-x-"), (3, "x--x--x-"), (4, "x---x---")])
def test_a_face_that_is_to_be_looked_at_less_often_goes_with_the_head(every: int, pattern: str) -> None:
    looks = [face(x=3.0 * i) for i in range(8)]
    bodies = [BODY + np.float32(3 * i) for i in range(8)]
    assert played(looks, bodies, every) == pattern
    rest = FaceRest(every)
    rest.note(looks[0], bodies[0])
    np.testing.assert_allclose(rest.take(bodies[1]).xyz[:, :2], looks[1].xyz[:, :2], atol=1e-4)
    rest.lost()
    assert not rest.due and rest.take(bodies[2]) is None


def test_a_face_that_is_not_found_is_sought_in_every_frame() -> None:
    assert played([None] * 8, every=4) == "xxxxxxxx"


def test_a_hand_that_is_to_be_looked_at_less_often_goes_with_the_wrist() -> None:
    hand = Hand(np.ones((21, 2)), np.ones((21, 3)), 0.9, np.zeros(2))
    region = Regions(np.zeros((1, 2)), np.ones(1), np.zeros(1))
    rest = HandRest(every=3)
    assert not rest.due
    rest.note(hand, np.array([5.0, 5.0]), region)
    for step in ([1.0, 2.0], [4.0, 4.0]):
        assert rest.due
        moved, at = rest.take(np.array([5.0, 5.0]) + step)
        np.testing.assert_array_equal(moved.xy, hand.xy + step)
        np.testing.assert_array_equal(moved.world, hand.world)
        np.testing.assert_array_equal(at.centre, [step])
        assert moved.held and not hand.held
    assert not rest.due and rest.take(np.zeros(2)) is None
    rest.note(None, np.zeros(2), None)
    assert not rest.due
    rest.note(hand, np.zeros(2), region)
    rest.lost()
    assert not rest.due


def test_a_still_picture_costs_half_the_faces_and_the_result_stays() -> None:
    image, truth = next(iter(render_clip("hands", 0, 1)))
    perception, gaze = Perception(), Gaze()
    looked = []
    faces = perception.face.__class__.__call__
    perception._faces._network = lambda images, regions: (
        looked.append(len(regions)) or faces(perception.face, images, regions)
    )
    seen = [perception.look(ImageBatch.single(image, 1), truth.people[0].box[None], [gaze])[0][0] for _ in range(12)]
    perception.close()
    assert [sight.face.held for sight in seen[4:]] in ([False, True] * 4, [True, False] * 4)
    assert len(looked) <= 9
    for before, after in pairwise(seen[4:]):
        np.testing.assert_allclose(before.face.xyz, after.face.xyz, atol=1.0)


def test_what_is_not_looked_at_is_said_to_be_held() -> None:
    image, truth = next(iter(render_clip("hands", 0, 1)))
    engine = LandmarkEngine()
    track = Track(1, TrackState.TRACKED, truth.people[0].box, 0.9)
    frames = [Frame(image, "s", i, i / 30, 0.0, truth.camera) for i in range(12)]
    people = [engine.estimate([Scene(frame, [track])]).people[0][0] for frame in frames]
    engine.close()
    origins = [person.parts["jaw"].origin for person in people[4:]]
    assert origins.count(Origin.HELD) == origins.count(Origin.MEASURED) == 4
    assert all(person.parts["head"].origin is Origin.MEASURED for person in people)
    assert all(person.extra["blendshapes"].any() for person in people)


@pytest.mark.parametrize("said_by", ["scene", "settings"])
def test_parts_that_are_looked_at_less_often_are_held_and_follow_the_person(said_by: str) -> None:
    """A person who is pushed through the picture: the hands' network runs in every third frame."""
    image, truth = next(iter(render_clip("hands", 0, 1)))
    rates = {"hands_every": 3, "face_every": 2}
    engine = LandmarkEngine(LandmarkOptions(**rates) if said_by == "settings" else None)
    rows, network = [], engine._perception._hands._network
    engine._perception._hands._network = lambda images, regions: rows.append(len(regions)) or network(images, regions)
    people = []
    for i in range(16):
        box = truth.people[0].box + np.float32([4 * i, 0, 4 * i, 0])
        frame = Frame(np.roll(image, 4 * i, axis=1), "s", i, i / 30, 0.0, truth.camera)
        scene = Scene(frame, [Track(1, TrackState.TRACKED, box, 0.9)], **(rates if said_by == "scene" else {}))
        people.append(engine.estimate([scene]).people[0][0])
    engine.close()
    for side in ("left_hand", "right_hand"):
        origins = [person.parts[side].origin for person in people[4:]]
        assert origins.count(Origin.MEASURED) == 4 and origins.count(Origin.HELD) == 8
        for before, now in pairwise(people[4:]):
            fingers = [getattr(person, f"{side}_pose") for person in (before, now)]
            if now.parts[side].origin is Origin.HELD:
                np.testing.assert_array_equal(*fingers)
            wrist = {"left_hand": 20, "right_hand": 21}[side]
            assert np.linalg.norm(now.joints[wrist] - before.joints[wrist]) < 0.1
    jaws = [person.parts["jaw"].origin for person in people[4:]]
    assert 4 <= jaws.count(Origin.MEASURED) <= 6 and jaws.count(Origin.DEFAULT) == 0
    assert sum(rows[4:]) <= 2 * 6


def test_nothing_is_held_for_longer_than_parts_are_held() -> None:
    """Two frames a second: by the next one a hand would have been let go."""
    image, truth = next(iter(render_clip("hands", 0, 1)))
    engine = LandmarkEngine()
    track = Track(1, TrackState.TRACKED, truth.people[0].box, 0.9)
    for i in range(4):
        frame = Frame(image, "s", i, i / 2, 0.0, truth.camera)
        person = engine.estimate([Scene(frame, [track], hands_every=4, face_every=4)]).people[0][0]
        assert {person.parts[part].origin for part in ("left_hand", "right_hand")} == {Origin.MEASURED}
        assert person.parts["jaw"].origin is not Origin.DEFAULT
    engine.close()
