"""A face that does not move is looked at in every second frame; one that moves, in every frame."""

from itertools import pairwise

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.core.types import Frame, Origin, Scene, Track, TrackState
from pymafx_live.engines.landmarks.engine import LandmarkEngine
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.rest import FaceRest
from pymafx_live.engines.landmarks.sight import Face

BODY = np.zeros((39, 2), np.float32)


def face(x: float = 0.0, jaw_open: float = 0.0) -> Face:
    points = np.random.default_rng(0).uniform(0, 100, (478, 3)).astype(np.float32) + np.float32(x)
    blendshapes = np.zeros(52, np.float32)
    blendshapes[25] = jaw_open
    return Face(points, blendshapes, 0.9, np.zeros(2))


def played(looks: list[Face | None], bodies: list[np.ndarray] | None = None) -> str:
    """Which frames were looked at (x) and which rested (-), where a look at frame i would give `looks[i]`."""
    rest, told = FaceRest(), ""
    for i, seen in enumerate(looks):
        body = bodies[i] if bodies else BODY
        taken = rest.take(body)
        if taken is None:
            rest.note(seen, body)
        else:
            assert taken.held and not rest.due
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
