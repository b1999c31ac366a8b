"""The refiner on rendered people whose truth is known, and what it leaves alone."""

import numpy as np
import pytest
from pymafx_live.bench.mannequin.scene import Truth, render_clip
from pymafx_live.core.skeleton import JOINT
from pymafx_live.core.types import Camera
from pymafx_live.engines.body.model import BodyModel
from pymafx_live.engines.landmarks import rig
from pymafx_live.engines.landmarks.evidence import Evidence, body_evidence
from pymafx_live.engines.landmarks.perception import Gaze, Perception
from pymafx_live.engines.landmarks.refine import Refiner, trained, untrained
from pymafx_live.engines.landmarks.regions import ImageBatch
from pymafx_live.engines.landmarks.sight import Sight

PAIRS = rig.PAIRS[: rig.REFINED_PAIRS]


@pytest.fixture(scope="module")
def seen() -> list[tuple[Sight, Truth]]:
    """What the networks report of somebody who squats, seen from any side, a few frames apart."""
    perception, out = Perception(), []
    gaze = Gaze()
    for image, truth in render_clip("squat", 101, 8, 4.0):
        sight = perception.look(ImageBatch.single(image, 1), truth.people[0].box[None], [gaze])[0][0]
        if sight is not None:
            out.append((sight, truth))
    perception.close()
    return out


def depth_errors(evidence: Evidence, truth: Truth) -> np.ndarray:
    """How far the depths between the body's joints are off in metres, (M,)."""
    person = truth.people[0]
    joints, _ = BodyModel.embedded().joints(person.pose, person.transl, person.betas[None], person.bones)
    base = np.array([JOINT[name] for name, _ in rig.body_anchors()])
    a, b = PAIRS.T
    true = ((joints[0, base[a]] - joints[0, base[b]]) * evidence.ray[0, : len(PAIRS)]).sum(1)
    return np.abs(evidence.depth[0, : len(PAIRS)] - true)


def test_depths_come_nearer_to_the_truth(seen: list[tuple[Sight, Truth]]) -> None:
    before, after = [], []
    limbs = [tuple(pair) in {(11, 23), (12, 24), (25, 23), (26, 24), (27, 25), (28, 26)} for pair in PAIRS.tolist()]
    for sight, truth in seen:
        for errors, weights in ((before, untrained()), (after, trained())):
            evidence = body_evidence([sight], [truth.camera], Refiner(weights, PAIRS))
            errors.append(depth_errors(evidence, truth)[limbs])
    assert len(seen) == 8
    assert np.mean(after) < 0.6 * np.mean(before)


def test_without_training_nothing_is_moved(seen: list[tuple[Sight, Truth]]) -> None:
    sight, truth = seen[0]
    evidence = body_evidence([sight], [truth.camera], Refiner(untrained(), PAIRS))
    c = truth.camera
    np.testing.assert_allclose(evidence.uv[0, rig.BODY] * [c.fx, c.fy] + [c.cx, c.cy], sight.xy, atol=1e-3)


def test_a_person_of_a_batch_is_refined_as_alone(seen: list[tuple[Sight, Truth]]) -> None:
    refiner = Refiner(trained(), PAIRS)
    cameras = [truth.camera for _, truth in seen]
    many = body_evidence([sight for sight, _ in seen], cameras, refiner)
    one = body_evidence([seen[3][0]], [cameras[3]], refiner)
    for name in Evidence.__slots__:
        np.testing.assert_allclose(getattr(many, name)[3], getattr(one, name)[0], atol=1e-9)


def test_a_person_far_outside_of_what_was_taught_is_moved_little(seen: list[tuple[Sight, Truth]]) -> None:
    """Landmarks all over the picture: corrections stay within what the training's range can give."""
    sight, _ = seen[0]
    wild = Sight(sight.xy * 40 - 9000, sight.visibility, sight.world * 30, 0.9, sight.centre, sight.side, {}, None)
    camera = Camera(1280, 720, 1000.0, 1000.0, 639.5, 359.5)
    refined = Refiner(trained(), PAIRS)
    evidence = body_evidence([wild], [camera], refined)
    assert all(np.isfinite(getattr(evidence, name)).all() for name in Evidence.__slots__)
    moved = evidence.uv[0, rig.BODY] * 1000 + [639.5, 359.5] - wild.xy
    assert np.abs(moved).max() < 0.2 * sight.side
