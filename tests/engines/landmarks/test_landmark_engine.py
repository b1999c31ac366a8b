"""The embedded engine on rendered people whose truth is known, and on real pictures where they are at hand."""

from collections.abc import Iterator

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import render_clip
from pymafx_live.bench.mannequin.truth import Truth
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import PARTS, SHAPES, Camera, Frame, Origin, Person, Scene, Track, TrackState
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks.easing import rest_pose, step
from pymafx_live.engines.landmarks.engine import LandmarkEngine

FPS = 25.0


@pytest.fixture
def engine() -> Iterator[LandmarkEngine]:
    made = LandmarkEngine()
    yield made
    made.close()


@pytest.fixture(scope="module")
def clip() -> list[tuple[np.ndarray, Truth]]:
    return list(render_clip("front", 103, 12))


def frame_of(image: np.ndarray, camera: Camera, sequence: int, cut: bool = False) -> Frame:
    return Frame(image, "test", sequence, sequence / FPS, 0.0, camera, cut=cut)


def track_of(box: np.ndarray, identity: int = 1, state: TrackState = TrackState.TRACKED) -> Track:
    return Track(identity, state, np.asarray(box, np.float32), 0.9)


def estimate(engine: LandmarkEngine, frame: Frame, tracks: list[Track]) -> list[Person]:
    return list(engine.estimate([Scene(frame, tracks)]).people[0])


def play(engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]) -> list[Person]:
    people = []
    for i, (image, truth) in enumerate(clip):
        people += estimate(engine, frame_of(image, truth.camera, i), [track_of(truth.people[0].box)])
    return people


def test_a_rendered_person_is_estimated(engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]) -> None:
    """The joints stand where they truly are: within what bench/mannequin/__main__.py reports, and a margin."""
    errors, hands, projected = [], [], []
    for person, (_, truth) in zip(play(engine, clip), clip, strict=True):
        true, camera = truth.people[0], truth.camera
        assert person.parts["torso"].origin is Origin.MEASURED
        assert person.parts["betas"].origin is Origin.DEFAULT and not person.betas.any()
        pelvis = camera.matrix @ person.pelvis
        seen = camera.matrix @ true.joints[0]
        projected.append(np.linalg.norm(pelvis[:2] / pelvis[2] - seen[:2] / seen[2]))
        joints, _ = BodyModel.embedded().joints(person.full_pose, person.transl, None, person.extra["bones"])
        found = joints[0] - joints[0, 0]
        errors.append(np.linalg.norm(found - (true.joints - true.joints[0]), axis=1)[:22].mean())
        for wrist, fingers in ((20, slice(25, 40)), (21, slice(40, 55))):
            a, b = found[fingers] - found[wrist], true.joints[fingers] - true.joints[wrist]
            hands.append(np.linalg.norm(a - b, axis=1).mean())
    assert np.mean(errors) < 0.045
    assert np.mean(hands) < 0.03
    assert np.mean(projected) < 15


def test_what_is_published_is_whole(engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]) -> None:
    person = play(engine, clip[:2])[-1]
    for name, length in SHAPES.items():
        value = getattr(person, name)
        assert value.shape == (length,) and value.dtype == np.float32 and np.isfinite(value).all()
    assert set(person.parts) == set(PARTS)
    assert person.joints.shape == (55, 3) and person.size_assumed
    assert person.parts["keypoints"].origin is person.parts["blendshapes"].origin is Origin.MEASURED
    assert person.extra["blendshapes"].shape == (52,)
    assert person.extra["keypoints"].shape == (33, 3)
    assert person.extra["bones"].shape == (55,)
    assert np.linalg.norm(person.full_pose, axis=1).max() <= np.pi + 1e-4


def test_one_persons_result_does_not_depend_on_the_others(clip: list[tuple[np.ndarray, Truth]]) -> None:
    image, truth = clip[0]
    box = truth.people[0].box
    twice = np.concatenate([image, image], axis=1)
    wide = Camera(2560, 720, truth.camera.fx, truth.camera.fy, truth.camera.cx, truth.camera.cy)
    alone, both = LandmarkEngine(), LandmarkEngine()
    one = estimate(alone, frame_of(twice, wide, 0), [track_of(box)])[0]
    two = estimate(both, frame_of(twice, wide, 0), [track_of(box + [1280, 0, 1280, 0], 2), track_of(box)])[1]
    np.testing.assert_allclose(two.full_pose, one.full_pose, atol=2e-3)
    np.testing.assert_allclose(two.transl, one.transl, atol=2e-3)


def test_a_hidden_person_is_held_then_default(engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]) -> None:
    image, truth = clip[0]
    box = truth.people[0].box
    seen = estimate(engine, frame_of(image, truth.camera, 0), [track_of(box)])[0]
    grey = np.full_like(image, 90)
    states = {}
    for i in (1, 10, 60):
        person = estimate(engine, frame_of(grey, truth.camera, i), [track_of(box, state=TrackState.LOST)])[0]
        states[i] = person.parts["torso"].origin
    assert states == {1: Origin.HELD, 10: Origin.HELD, 60: Origin.DEFAULT}
    np.testing.assert_allclose(person.global_orient, seen.global_orient, atol=1e-5)
    np.testing.assert_allclose(person.pelvis, seen.pelvis, atol=1e-5)


def test_what_is_not_seen_again_says_so_of_its_keypoints_and_blendshapes(
    engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]
) -> None:
    image, truth = clip[0]
    box, grey = truth.people[0].box, np.full_like(clip[0][0], 90)
    seen = estimate(engine, frame_of(image, truth.camera, 0), [track_of(box)])[0]
    held = estimate(engine, frame_of(grey, truth.camera, 1), [track_of(box)])[0]
    for name in ("keypoints", "blendshapes"):
        np.testing.assert_array_equal(held.extra[name], seen.extra[name])
        assert held.parts[name].origin is Origin.HELD
    later = estimate(engine, frame_of(grey, truth.camera, 20), [track_of(box)])[0]
    assert "blendshapes" not in later.extra and later.parts["blendshapes"].origin is Origin.DEFAULT


def test_the_covariance_of_the_pelvis_holds_the_truth_and_grows_unseen(
    engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]
) -> None:
    """Three deviations in every direction, of a body of the size that is assumed."""
    for person, (_, truth) in zip(play(engine, clip), clip, strict=True):
        spread = person.pelvis_covariance
        assert spread is not None and spread.shape == (3, 3) and np.allclose(spread, spread.T)
        error = person.pelvis - truth.people[0].joints[0]
        assert error @ np.linalg.solve(spread, error) < 9
        deviations = np.sqrt(np.linalg.eigvalsh(spread))
        assert 0.001 < deviations[0] < 0.05
        assert 0.05 < deviations[-1] / np.linalg.norm(person.pelvis) < 0.1, "along the line of sight"
    box, grey = truth.people[0].box, np.full_like(clip[0][0], 90)
    held = estimate(engine, frame_of(grey, truth.camera, len(clip) + 24), [track_of(box)])[0]
    assert held.pelvis_covariance is not None
    np.testing.assert_allclose(np.linalg.eigvalsh(held.pelvis_covariance - spread), 1.0, atol=0.1)  # a second, 1 m/s


@pytest.mark.parametrize("step", [1, 5])
def test_a_hidden_person_eases_to_rest_and_is_at_rest_once_default(
    engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]], step: int
) -> None:
    image, truth = clip[0]
    box = truth.people[0].box
    seen = estimate(engine, frame_of(image, truth.camera, 0), [track_of(box)])[0]
    grey, away = np.full_like(image, 90), {}
    for i in range(step, 46, step):
        person = estimate(engine, frame_of(grey, truth.camera, i), [track_of(box)])[0]
        away[i] = float(np.abs(person.full_pose[1:] - rest_pose()[1:]).max())
    held, easing = [away[i] for i in away if i < 13], [away[i] for i in away if 13 <= i < 38]
    assert max(held) - min(held) < 0.3  # but for the face, which rests at once
    assert sorted(easing, reverse=True) == pytest.approx(easing)
    assert 0.1 < away[25] < held[0] - 0.1
    assert {part.origin for part in person.parts.values()} == {Origin.DEFAULT}
    np.testing.assert_allclose(person.full_pose[1:], rest_pose()[1:], atol=1e-6)
    np.testing.assert_allclose(person.pelvis, seen.pelvis, atol=1e-5)


@pytest.mark.parametrize("at_left", [False, True])
def test_of_who_leaves_the_picture_the_edge_that_is_in_it_says_how_far(at_left: bool) -> None:
    camera = Camera(1280, 720, 1000.0, 1000.0, 639.5, 359.5)
    before, now = np.float32([1140, 90, 1280, 530]), np.float32([1180, 200, 1280, 520])
    if at_left:
        before, now = (np.float32([1280 - b[2], b[1], 1280 - b[0], b[3]]) for b in (before, now))
    sign = -1 if at_left else 1
    np.testing.assert_allclose(step(camera, before, now, 4.0), [sign * 40 / 1000 * 4, 0, 0], atol=1e-6)
    inside = np.float32([500, 90, 640, 530])
    np.testing.assert_allclose(step(camera, inside, inside + 20, 4.0), [0.08, 0.08, 0], atol=1e-6)


def test_who_was_never_seen_stands_at_rest_where_the_box_says(engine: LandmarkEngine) -> None:
    grey, camera = np.full((720, 1280, 3), 90, np.uint8), Camera(1280, 720, 1100.0, 1100.0, 639.5, 359.5)
    person = estimate(engine, frame_of(grey, camera, 0), [track_of(np.array([600, 100, 800, 600]))])[0]
    assert {part.origin for part in person.parts.values()} == {Origin.DEFAULT}
    np.testing.assert_array_equal(person.full_pose, rest_pose())
    joints, _ = BodyModel.embedded().joints(person.full_pose, person.transl)
    np.testing.assert_allclose(joints[0, 0], person.pelvis, atol=1e-6)
    head, foot = joints[0, JOINT["head"]], joints[0, JOINT["left_foot"]]
    seen = [1100 * p[1] / p[2] + 359.5 for p in (head, foot)]
    assert 100 < seen[0] < 250 and 520 < seen[1] < 650  # upright, as high as the box
    assert not person.extra


def test_a_track_that_a_call_does_not_mention_is_not_over(
    engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]
) -> None:
    image, truth = clip[0]
    box = truth.people[0].box
    seen = estimate(engine, frame_of(image, truth.camera, 0), [track_of(box)])[0]
    estimate(engine, frame_of(image, truth.camera, 1), [])
    grey = np.full_like(image, 90)
    held = estimate(engine, frame_of(grey, truth.camera, 2), [track_of(box)])[0]
    assert held.parts["torso"].origin is Origin.HELD
    np.testing.assert_array_equal(held.full_pose, seen.full_pose)
    engine.forget("elsewhere", [1])
    assert estimate(engine, frame_of(grey, truth.camera, 3), [track_of(box)])[0].parts["torso"].origin is Origin.HELD
    engine.forget("test", [1])
    gone = estimate(engine, frame_of(grey, truth.camera, 4), [track_of(box)])[0]
    assert gone.parts["torso"].origin is Origin.DEFAULT


def test_who_was_not_estimated_for_long_is_found_where_they_are_now(
    engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]
) -> None:
    image, truth = clip[0]
    box, shift = truth.people[0].box, 300
    estimate(engine, frame_of(image, truth.camera, 0), [track_of(box)])
    moved = np.roll(image, shift, axis=1)
    later = estimate(engine, frame_of(moved, truth.camera, 100), [track_of(box + np.array([shift, 0, shift, 0]))])[0]
    assert later.parts["torso"].origin is Origin.MEASURED
    expected = truth.people[0].joints[0, 0] + shift / truth.camera.fx * truth.people[0].joints[0, 2]
    assert abs(later.pelvis[0] - expected) < 0.2


def test_a_cut_of_one_camera_is_nothing_to_another(clip: list[tuple[np.ndarray, Truth]]) -> None:
    """Its people are those that it has alone, where up is learnt from them."""

    def run(with_other: bool) -> list[Person]:
        engine, people = LandmarkEngine(), []
        for i, (image, truth) in enumerate(clip[:6]):
            scenes = [Scene(frame_of(image, truth.camera, i), [track_of(truth.people[0].box)])]
            if with_other:
                other = Frame(image[:, ::-1].copy(), "other", i, i / FPS, 0.0, truth.camera, cut=True)
                scenes.insert(0, Scene(other, [track_of(truth.people[0].box)]))
            people.append(engine.estimate(scenes).people[-1][0])
        engine.close()
        return people

    for alone, beside in zip(run(False), run(True), strict=True):
        np.testing.assert_array_equal(alone.full_pose, beside.full_pose)
        np.testing.assert_array_equal(alone.pelvis, beside.pelvis)


def test_nobody(engine: LandmarkEngine) -> None:
    camera = Camera(320, 240, 300.0, 300.0, 159.5, 119.5)
    assert estimate(engine, frame_of(np.zeros((240, 320, 3), np.uint8), camera, 0), []) == []


def test_a_held_person_moves_with_the_box(engine: LandmarkEngine, clip: list[tuple[np.ndarray, Truth]]) -> None:
    image, truth = clip[0]
    box, camera = truth.people[0].box, truth.camera
    seen = estimate(engine, frame_of(image, camera, 0), [track_of(box)])[0]
    moved = box + np.array([64, 0, 64, 0])
    held = estimate(engine, frame_of(np.full_like(image, 90), camera, 1), [track_of(moved)])[0]
    across = [camera.fx * p.pelvis[0] / p.pelvis[2] for p in (seen, held)]
    np.testing.assert_allclose(across[1] - across[0], 64, atol=0.5)
    np.testing.assert_allclose(held.full_pose, seen.full_pose, atol=1e-5)
